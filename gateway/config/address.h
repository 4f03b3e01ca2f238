/* address.h: `8080`, `127.0.0.1:8080`, `[::1]:8080`, `host:8080`. */
#ifndef SLUICE_CONFIG_ADDRESS_H
#define SLUICE_CONFIG_ADDRESS_H

#include <stdio.h>

#include "gateway/config/arena.h"
#include "sluice/config.h"

/* NULL and out_addr (its host from the arena, in canonical spelling; "" when
 * only a port, or `*`, was written), or what is wrong with the text, static. */
const char *conf_address_parse(struct conf_arena *a, const char *text,
                               struct sl_addr_conf *out_addr);
void conf_address_write(FILE *out, const struct sl_addr_conf *addr);
/* NULL, or what is wrong with a host: a name, or an address without brackets. */
const char *conf_host_problem(const char *host);

#endif

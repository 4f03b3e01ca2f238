/* hosts.h: servers whose host is a name, each with the address where it is now.
 *
 * A server is one engine: of several addresses one is taken, and kept for as long
 * as it is among them. */
#ifndef SLUICE_DISCOVERY_HOSTS_H
#define SLUICE_DISCOVERY_HOSTS_H

#include "gateway/discovery/resolver.h"
#include "sluice/config.h"

struct sl_hosts;

/* fn: some name's meaning may have changed; at the end of a turn. */
struct sl_hosts *sl_hosts_new(struct sl_loop *loop, struct sl_resolver *resolver,
                              uint64_t refresh_us, void (*fn)(void *ctx), void *ctx);
void sl_hosts_free(struct sl_hosts *h);
/* A copy of the set with the addresses of all that have one; those that have none
 * are left out. Names that are not in the set any more are not followed on. */
struct sl_server_set *sl_hosts_resolve(struct sl_hosts *h, const struct sl_server_set *set);
/* Of some name; NULL: all is well. */
const char *sl_hosts_trouble(const struct sl_hosts *h);

#endif

/* resolution.h: a host's address, asked for on a thread of its own.
 *
 * getaddrinfo() waits for name servers, for half a minute when they are gone;
 * the control thread, which keeps engines' health, must not. One that asks
 * looks now and then whether it is done. */
#ifndef SLUICE_REPLICA_RESOLUTION_H
#define SLUICE_REPLICA_RESOLUTION_H

#include "gateway/net/socket.h"

struct resolution;

/* Never NULL. */
struct resolution *resolution_start(const char *host, uint16_t port);
/* False: not yet. Else *out_rc is 0, and the address is there, or a
 * getaddrinfo code. */
bool resolution_done(const struct resolution *r, int *out_rc, struct sl_sockaddr *out_addr);
/* Done or not. */
void resolution_drop(struct resolution *r);

#endif

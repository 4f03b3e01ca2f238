/* clients.h: how many connections and requests each client address has, over all
 * workers.
 *
 * A client is an IPv4 address, or an IPv6 /64: whoever has one of its addresses
 * has them all. Addresses with a connection or a request are in a table of
 * shards, each with its lock, so the memory is bounded by what there is of both.
 * How fast they come is remembered beyond their connections, and so for each
 * place of the table: two clients in one of the 65,536 places share their rate. */
#ifndef SLUICE_NET_CLIENTS_H
#define SLUICE_NET_CLIENTS_H

#include "gateway/net/socket.h"

struct sl_clients;
struct sl_client;

struct sl_clients *sl_clients_new(void);
void sl_clients_free(struct sl_clients *clients);
/* One connection more; false if the address has `limit` already. *out_client is
 * handed to _leave when the connection ends, and may be NULL (sockets without
 * an address are not counted; nor is anything when clients is NULL). */
bool sl_clients_enter(struct sl_clients *clients, const struct sl_sockaddr *peer, uint32_t limit,
                      struct sl_client **out_client);
void sl_clients_leave(struct sl_clients *clients, struct sl_client *client);
/* One request more on one of the client's connections; false if there are `limit`
 * already. It may outlive its connection; _finish when it ends. */
bool sl_clients_begin(struct sl_clients *clients, struct sl_client *client, uint32_t limit);
void sl_clients_finish(struct sl_clients *clients, struct sl_client *client);
/* What tells it from others: an IPv4 address, or a /64. */
uint64_t sl_clients_key(const struct sl_client *client);
/* A connection arrives; false if the address has had `rate` in the last second
 * already. A rate of 0 is no limit. */
bool sl_clients_arrive(struct sl_clients *clients, const struct sl_sockaddr *peer, uint32_t rate,
                       uint64_t now_us);
/* Connections of this address now. */
uint32_t sl_clients_count(struct sl_clients *clients, const struct sl_sockaddr *peer);

#endif

/* peers.h: the other gateways: who is alive, and where each has work. */
#ifndef SLUICE_REPLICA_PEERS_H
#define SLUICE_REPLICA_PEERS_H

#include "gateway/replica/message.h"
#include "gateway/replica/table.h"

struct peer {
	uint64_t id;
	uint64_t sequence; /* of the last message */
	uint64_t heard_us;
	uint32_t round; /* counts whole states */
	uint32_t *work; /* owned; by row: the round that told of work there, 0: none */
	uint32_t n_rows;
};

struct peer_list {
	struct peer items[SL_MAX_PEERS];
	uint32_t n;
};

/* The peer, new or known, or NULL: there are too many, or the message is older
 * than one that was read before. */
struct peer *peer_list_take(struct peer_list *list, const struct message_head *head,
                            uint64_t now_us);
/* One whose work is forgotten in every domain. */
void peer_list_drop(struct peer_list *list, struct peer *peer, const struct table *table,
                    uint64_t now_us);
/* Rows have other numbers from now on. */
void peer_list_forget_rows(struct peer_list *list);
void peer_begin_state(struct peer *peer);
/* Its work on a row, until until_us. */
void peer_set_load(struct peer *peer, const struct table *table, uint32_t row,
                   const struct sl_load *load, uint64_t until_us, uint64_t now_us);
/* What a whole state did not list has no work. */
void peer_end_state(struct peer *peer, const struct table *table, uint64_t now_us);

#endif

/* peers.c: see peers.h. */
#include "gateway/replica/peers.h"

#include <stdlib.h>

static struct peer *find(struct peer_list *list, uint64_t id)
{
	for (uint32_t i = 0; i < list->n; i++)
		if (list->items[i].id == id)
			return &list->items[i];
	return NULL;
}

struct peer *peer_list_take(struct peer_list *list, const struct message_head *head,
                            uint64_t now_us)
{
	struct peer *peer = find(list, head->replica);

	if (peer && head->sequence <= peer->sequence)
		return NULL;
	if (!peer) {
		if (list->n == SL_MAX_PEERS)
			return NULL;
		peer = &list->items[list->n++];
		*peer = (struct peer){ .id = head->replica, .round = 1 };
	}
	peer->sequence = head->sequence;
	peer->heard_us = now_us;
	return peer;
}

void peer_list_drop(struct peer_list *list, struct peer *peer, const struct table *table,
                    uint64_t now_us)
{
	for (uint32_t i = 0; i < table->n_domains; i++) {
		struct sl_domain *d = table->domains[i].domain;

		sl_domain_lock(d);
		sl_router_peer_forget(d->router, peer->id, now_us);
		sl_domain_unlock(d);
	}
	free(peer->work);
	*peer = list->items[--list->n];
}

void peer_list_forget_rows(struct peer_list *list)
{
	for (uint32_t i = 0; i < list->n; i++) {
		free(list->items[i].work);
		list->items[i].work = NULL;
		list->items[i].n_rows = 0;
	}
}

void peer_begin_state(struct peer *peer)
{
	if (++peer->round == 0)
		peer->round = 1;
}

static void tell_router(const struct peer *peer, struct sl_endpoint *ep, const struct sl_load *load,
                        uint64_t until_us, uint64_t now_us)
{
	if (atomic_load(&ep->removed))
		return;
	sl_domain_lock(ep->domain);
	sl_router_peer_load(ep->domain->router, ep->slot, peer->id, load, until_us, now_us);
	sl_domain_unlock(ep->domain);
}

void peer_set_load(struct peer *peer, const struct table *table, uint32_t row,
                   const struct sl_load *load, uint64_t until_us, uint64_t now_us)
{
	if (!peer->work) {
		peer->work = calloc(table->n, sizeof(*peer->work));
		if (!peer->work)
			abort();
		peer->n_rows = table->n;
	}
	peer->work[row] = load->inflight ? peer->round : 0;
	tell_router(peer, table->rows[row].ep, load, until_us, now_us);
}

void peer_end_state(struct peer *peer, const struct table *table, uint64_t now_us)
{
	static const struct sl_load none = { 0 };

	for (uint32_t row = 0; row < peer->n_rows; row++) {
		if (!peer->work[row] || peer->work[row] == peer->round)
			continue;
		peer->work[row] = 0;
		tell_router(peer, table->rows[row].ep, &none, 0, now_us);
	}
}

/* peers.c: see peers.h. */
#include "routing/peers.h"

#include "routing/alloc.h"

struct peers *peers_new(void)
{
	struct peers *p = alloc_zero(1, sizeof(*p));

	p->until_us = UINT64_MAX;
	return p;
}

void peers_free(struct peers *p)
{
	if (!p)
		return;
	free(p->list);
	free(p);
}

struct sl_load peers_sum(const struct peers *p, uint64_t now_us)
{
	struct sl_load sum = { 0 };

	for (uint32_t i = 0; i < p->n; i++) {
		const struct sl_load *load = &p->list[i].load;

		if (p->list[i].until_us <= now_us)
			continue;
		sum.inflight += load->inflight;
		sum.prefilling += load->prefilling;
		sum.seqs += load->seqs;
		sum.queue_us += load->queue_us;
		sum.context_tokens += load->context_tokens;
	}
	return sum;
}

static void add_up(struct peers *p, uint64_t now_us)
{
	peak_note(&p->peak, p->sum.inflight, now_us);
	p->sum = peers_sum(p, now_us);
	peak_note(&p->peak, p->sum.inflight, now_us);
	p->until_us = UINT64_MAX;
	for (uint32_t i = 0; i < p->n; i++)
		if (p->list[i].until_us < p->until_us)
			p->until_us = p->list[i].until_us;
}

static void drop(struct peers *p, uint32_t i)
{
	p->list[i] = p->list[--p->n];
}

static struct peer_work *find(struct peers *p, uint64_t peer)
{
	for (uint32_t i = 0; i < p->n; i++)
		if (p->list[i].peer == peer)
			return &p->list[i];
	return NULL;
}

static struct peer_work *append(struct peers *p, uint64_t peer)
{
	if (p->n == SL_MAX_PEERS)
		return NULL;
	if (p->n == p->cap) {
		p->cap = p->cap ? p->cap * 2 : 4;
		p->list = alloc_resize(p->list, p->cap, sizeof(*p->list));
	}
	p->list[p->n] = (struct peer_work){ .peer = peer };
	return &p->list[p->n++];
}

void peers_put(struct peers *p, uint64_t peer, const struct sl_load *load, uint64_t until_us,
               uint64_t now_us)
{
	struct peer_work *w = find(p, peer);

	if (!w && load->inflight)
		w = append(p, peer);
	if (!w)
		return;
	w->load = *load;
	w->until_us = until_us;
	if (!load->inflight)
		drop(p, (uint32_t)(w - p->list));
	add_up(p, now_us);
}

void peers_expire(struct peers *p, uint64_t now_us)
{
	for (uint32_t i = p->n; i-- > 0;)
		if (p->list[i].until_us <= now_us)
			drop(p, i);
	add_up(p, now_us);
}

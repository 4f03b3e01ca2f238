/* recall.c: see recall.h.
 *
 * A name alone does not tell one conversation from another: agents keep their
 * name through several at once, each with a beginning of its own. Therefore
 * turns are kept under the name and the prompt's first block; of a prompt that
 * has none, under the name. */
#include "routing/recall.h"

#include "routing/chain.h"

#define MOST_TOKENS 1e9 /* an engine that says more talks nonsense */

static uint64_t key_of(uint64_t session, const struct sl_facts *facts)
{
	return facts->n_blocks ? chain_mix(session, facts->blocks[0].hash) : session;
}

/* The prompt goes on where that boundary was. */
static bool extends(const struct sl_facts *facts, const struct turn *turn)
{
	uint32_t from = 0, to = facts->n_blocks;

	while (from < to) {
		uint32_t mid = from + (to - from) / 2;

		if (facts->blocks[mid].end_bytes < turn->boundary_bytes)
			from = mid + 1;
		else
			to = mid;
	}
	return turn->boundary_bytes && from < facts->n_blocks &&
	       facts->blocks[from].end_bytes == turn->boundary_bytes &&
	       facts->blocks[from].hash == turn->boundary;
}

/* A conversation may have begun with a prompt below one block. */
static bool find_turn(const struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                      struct turn *out_turn)
{
	return sessions_find(&r->sessions, key_of(q->session, q->facts), now_us, out_turn) ||
	       sessions_find(&r->sessions, q->session, now_us, out_turn);
}

void recall_turn(struct sl_router *r, const struct sl_query *q, uint64_t now_us)
{
	uint64_t whole = q->facts->prompt_bytes;
	struct turn turn;

	r->home = SL_NO_ENDPOINT;
	if (!q->session || !find_turn(r, q, now_us, &turn))
		return;
	if (r->endpoints[turn.slot].past->cache != turn.cache) /* it is empty since */
		return;
	r->home = turn.slot;
	/* What the index has lost, the engine has probably lost, too. */
	if (!extends(q->facts, &turn) || index_matched(&r->index, turn.slot) < turn.boundary_bytes)
		return;
	if (whole > turn.whole_bytes)
		whole = turn.whole_bytes;
	index_raise(&r->index, turn.slot, whole < UINT32_MAX ? (uint32_t)whole : UINT32_MAX);
}

void recall_mark(const struct sl_router *r, struct sl_ticket *t, const struct sl_query *q)
{
	const struct sl_facts *facts = q->facts;

	/* Several prompts in one body are no turn of a conversation. */
	if (!q->session || q->no_decode || facts->prompts > 1)
		return;
	t->session.key = key_of(q->session, facts);
	t->session.cache = r->endpoints[t->decode_ep].past->cache;
	if (facts->n_blocks) {
		t->session.boundary = facts->blocks[facts->n_blocks - 1].hash;
		t->session.boundary_bytes = facts->blocks[facts->n_blocks - 1].end_bytes;
	}
}

void recall_note(struct sl_router *r, const struct sl_ticket *t, double answer_tokens,
                 uint64_t now_us)
{
	struct turn turn = {
		.boundary = t->session.boundary,
		.boundary_bytes = t->session.boundary_bytes,
		.slot = t->decode_ep,
		.cache = t->session.cache,
		.whole_bytes = t->prompt_bytes,
		.ended_us = now_us,
	};

	if (!t->session.key || r->endpoints[turn.slot].past->cache != turn.cache)
		return;
	/* The last token of an answer is never put through the model. */
	if (answer_tokens > 1 && answer_tokens < MOST_TOKENS)
		turn.whole_bytes += (uint64_t)((answer_tokens - 1) * (double)t->prompt_bytes /
		                               t->prompt_tokens);
	sessions_put(&r->sessions, t->session.key, &turn);
}

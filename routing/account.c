/* account.c: a ticket's life, from dispatch to its end, and what it teaches.
 *
 *   dispatch      prefill time and a leg on the prefilling engine, context,
 *                 sequences and a leg on the decoding one; the prompt's blocks
 *                 on both
 *   prefilled     remote: the prefill and its leg end
 *   first_token   the prefill ends, if nobody has said so before
 *   finish,       everything else ends
 *   cancel        the same, nothing is learned, the blocks that it added
 *                 leave the engine that is to blame
 *
 * Aggregated and local placements have one leg, on one engine. */
#include <assert.h>

#include "routing/block_log.h"
#include "routing/recall.h"

#define MEAN_SHARE (1.0 / 64)
/* A sample of this much predicted time weighs half: what a request costs
 * beside its prompt should not pass for a slow engine. */
#define HALF_WEIGHT_MS 50.0
#define HALF_WEIGHT_TOKENS 32.0

static bool has_prefill_leg(const struct sl_ticket *t)
{
	return t->placement == SL_PLACE_REMOTE;
}

static double ms_between(uint64_t from_us, uint64_t to_us)
{
	return to_us > from_us ? (double)(to_us - from_us) / 1000 : 0;
}

static struct endpoint *prefiller(struct sl_router *r, const struct sl_ticket *t)
{
	return &r->endpoints[t->prefill_ep];
}

static struct endpoint *decoder(struct sl_router *r, const struct sl_ticket *t)
{
	return &r->endpoints[t->decode_ep];
}

/* ---- dispatch --------------------------------------------------------- */

static struct sl_index_claim claim_blocks(struct sl_router *r, uint32_t slot,
                                          const struct sl_ticket *t, const struct sl_facts *facts)
{
	const struct endpoint *ep = &r->endpoints[slot];
	struct index_limit limit = { .tokens = (uint64_t)ep->capacity,
		                     .entries = r->opt.index_max_entries_per_endpoint };
	double tokens_per_byte =
	        facts->prompt_bytes ? t->prompt_tokens / (double)facts->prompt_bytes : 0;
	struct index_put put = index_insert(&r->index, slot, facts->blocks, facts->n_blocks,
	                                    tokens_per_byte, limit);

	endpoint_note_cache(r, slot);
	if (r->block_log && put.n_new)
		block_log_add(r->block_log, slot, facts->blocks, put.first_new + put.n_new,
		              tokens_per_byte);
	return (struct sl_index_claim){ put.first_new, put.n_new, put.stamp };
}

static void blend(double *mean, double x)
{
	*mean += *mean > 0 ? MEAN_SHARE * (x - *mean) : x;
}

static void charge_prefill(struct sl_router *r, struct sl_ticket *t, const struct sl_facts *facts)
{
	struct endpoint *ep = prefiller(r, t);
	uint64_t now_us = t->dispatched_us;
	double tau_us = r->busy_decay.tau_us;

	ledger_open_prefill(&ep->ledger, t, now_us);
	ep->busy = ep->busy * decay_exp(ms_between(ep->busy_us, now_us) * 1000 / tau_us) +
	           t->prefill_ms * 1000 / tau_us;
	ep->busy_us = now_us;
	learn_hits_predict(&ep->past->hits, t->matched_tokens);
	ep->past->hit_tokens_predicted += t->hit_tokens;
	blend(&r->mean_prefill_ms, t->prefill_ms);
	t->prefill_blocks = claim_blocks(r, t->prefill_ep, t, facts);
	t->index_new = t->prefill_blocks.count;
	endpoint_set_wake(ep);
}

static void charge_decode(struct sl_router *r, struct sl_ticket *t, const struct sl_facts *facts)
{
	ledger_open_decode(&decoder(r, t)->ledger, t);
	r->seqs += t->seqs;
	t->decode_open = true;
	blend(&r->mean_context, t->prompt_tokens + t->output_tokens / 2);
	if (t->placement == SL_PLACE_REMOTE)
		t->decode_blocks = claim_blocks(r, t->decode_ep, t, facts);
}

/* A leg of the ticket begins on one engine, or ends there. */
static void enter(struct sl_router *r, const struct sl_ticket *t, uint32_t slot)
{
	struct endpoint *ep = &r->endpoints[slot];

	ledger_enter(&ep->ledger, t->dispatched_us);
	ep->past->dispatched++;
	if (t->adapter)
		adapters_enter(endpoint_adapters(ep), t->model, t->dispatched_us);
}

static void leave(struct sl_router *r, const struct sl_ticket *t, uint32_t slot, uint64_t now_us)
{
	struct endpoint *ep = &r->endpoints[slot];

	ledger_leave(&ep->ledger, now_us);
	if (t->adapter)
		adapters_leave(ep->adapters, t->model, now_us);
	endpoint_release(r, slot);
}

/* What a decode step will take there: for learning, at B + 1 and K + n. */
static double step_ms(const struct sl_router *r, const struct sl_ticket *t)
{
	const struct endpoint *ep = &r->endpoints[t->decode_ep];
	double busy = ep->busy * decay_keep(&r->busy_decay, ep->busy_us, t->dispatched_us);
	double seqs = ep->ledger.seqs + t->seqs;
	double context = (double)ep->ledger.context_tokens + t->prompt_tokens;

	if (ep->peers) {
		seqs += ep->peers->sum.seqs;
		context += (double)ep->peers->sum.context_tokens;
	}
	return t->decode_pace / (1 - (busy < 0.9 ? busy : 0.9)) *
	       cost_profile_step_ms(&r->cost, seqs, context);
}

static void note_facts(struct sl_ticket *t, const struct sl_facts *facts)
{
	t->streamed = facts->stream;
	t->prompt_bytes = facts->prompt_bytes;
	t->learn_bytes = !facts->multimodal && !facts->token_prompt;
	t->output_limit = facts->max_tokens;
	t->seqs = state_request_seqs(facts);
}

static void note_decision(const struct sl_router *r, struct sl_ticket *t,
                          const struct sl_decision *d)
{
	const struct sl_candidate *c = &d->chosen;

	t->placement = c->placement;
	t->prefill_ep = c->prefill_ep;
	t->decode_ep = c->decode_ep;
	t->prompt_tokens = d->prompt_tokens;
	t->output_tokens = d->output_tokens;
	t->hit_tokens = c->hit_tokens;
	t->matched_tokens = c->hit_tokens / r->endpoints[c->prefill_ep].gamma;
	t->prefill_ms = c->prefill_ms;
	t->queue_ms = c->queue_ms;
	t->transfer_ms = c->transfer_ms;
	t->predicted_ttft_ms = d->predicted_ttft_ms;
	t->learn_leg = c->adapter_ms <= 0;
	t->learn_ttft = t->learn_leg && c->memory_ms <= 0;
	t->prefill_pace = r->endpoints[c->prefill_ep].slow * r->cost.prefill_scale;
	t->decode_pace = r->endpoints[c->decode_ep].slow * r->cost.decode_scale;
}

void sl_router_dispatch(struct sl_router *r, const struct sl_query *q, const struct sl_decision *d,
                        uint64_t now_us, struct sl_ticket *ticket)
{
	struct sl_ticket *t = ticket;

	assert(d->chosen.placement != SL_PLACE_NONE);
	*t = (struct sl_ticket){ .live = true, .model = q->model, .dispatched_us = now_us };
	note_facts(t, q->facts);
	note_decision(r, t, d);
	t->adapter = r->models.list[t->model].adapter;
	if (q->no_decode)
		t->seqs = 0;
	t->step_ms = step_ms(r, t);
	enter(r, t, t->decode_ep);
	if (q->decode_only) {
		t->prefilled_us = now_us;
	} else {
		if (has_prefill_leg(t))
			enter(r, t, t->prefill_ep);
		charge_prefill(r, t, q->facts);
	}
	charge_decode(r, t, q->facts);
	recall_mark(r, t, q);
	r->models.list[t->model].learned.requests++;
	if (!q->decode_only && q->n_excluded == 0)
		common_note(&r->models.list[t->model].common, q->facts);
}

/* ---- what times teach ------------------------------------------------- */

static double share_of(double x, double half)
{
	return x / (x + half);
}

static void relearn(struct sl_router *r, struct endpoint *ep, uint64_t now_us)
{
	ep->past->relearn_us = now_us;
	endpoint_wake(r, ep, now_us);
}

/* predicted_ms as it was predicted, with the paces of the dispatch. */
static void learn_prefill(struct sl_router *r, const struct sl_ticket *t, double observed_ms,
                          double predicted_ms, double weight, uint64_t now_us)
{
	struct endpoint *ep = prefiller(r, t);
	double base_ms = predicted_ms / t->prefill_pace;

	if (!ep->alive)
		return;
	learn_evidence_add(&ep->past->evidence.prefill, &r->prefill_scale, observed_ms,
	                   base_ms * ep->past->derate, weight * share_of(base_ms, HALF_WEIGHT_MS),
	                   now_us);
	relearn(r, ep, now_us);
}

static void learn_decode(struct sl_router *r, const struct sl_ticket *t, double observed_ms,
                         double predicted_ms, double weight, uint64_t now_us)
{
	struct endpoint *ep = decoder(r, t);

	if (!ep->alive)
		return;
	learn_evidence_add(&ep->past->evidence.decode, &r->decode_scale, observed_ms,
	                   predicted_ms / t->decode_pace * ep->past->derate, weight, now_us);
	relearn(r, ep, now_us);
}

/* The client saw tokens come: the steps between the first and the last. */
static void learn_steps(struct sl_router *r, const struct sl_ticket *t, double tokens,
                        uint64_t now_us)
{
	if (tokens < 2)
		return;
	learn_decode(r, t, ms_between(t->first_us, now_us) / (tokens - 1), t->step_ms,
	             share_of(tokens, HALF_WEIGHT_TOKENS), now_us);
}

/* Only the end was seen: prefill and decode share what it teaches as they
 * share the predicted time. Of a remote one the prefill was seen. */
static void learn_whole(struct sl_router *r, const struct sl_ticket *t, double tokens,
                        uint64_t now_us)
{
	double steps_ms = tokens > 1 ? (tokens - 1) * t->step_ms : 0;
	double before_ms = t->predicted_ttft_ms;
	uint64_t from_us = t->dispatched_us;
	double whole_ms, share;

	if (!t->learn_ttft)
		return;
	if (t->prefilled_us) {
		before_ms -= t->queue_ms + t->prefill_ms;
		from_us = t->prefilled_us;
	}
	whole_ms = before_ms + steps_ms;
	share = t->prefilled_us ? 0 : before_ms / whole_ms;
	if (!(whole_ms > 0))
		return;
	learn_prefill(r, t, ms_between(from_us, now_us), whole_ms, share, now_us);
	learn_decode(r, t, ms_between(from_us, now_us), whole_ms,
	             (1 - share) * share_of(tokens, HALF_WEIGHT_TOKENS), now_us);
}

/* ---- hand-offs --------------------------------------------------------- */

/* Of an answer that does not stream nobody sees when its hand-off is over. */
static void open_handoff(struct sl_router *r, struct sl_ticket *t)
{
	if (!t->streamed)
		return;
	t->handed = true;
	r->handed += t->seqs;
}

static void close_handoff(struct sl_router *r, struct sl_ticket *t)
{
	if (t->handed)
		r->handed -= t->seqs;
	t->handed = false;
}

/* ---- progress --------------------------------------------------------- */

static void end_prefill(struct sl_router *r, struct sl_ticket *t, uint64_t now_us)
{
	struct endpoint *ep = prefiller(r, t);

	if (!t->prefill_open)
		return;
	ledger_close_prefill(&ep->ledger, t, now_us);
	endpoint_set_wake(ep);
	if (has_prefill_leg(t))
		leave(r, t, t->prefill_ep, now_us);
}

void sl_router_prefilled(struct sl_router *r, struct sl_ticket *t, uint64_t now_us)
{
	if (!t->live || !has_prefill_leg(t) || !t->prefill_open)
		return;
	t->prefilled_us = now_us;
	if (t->learn_leg)
		learn_prefill(r, t, ms_between(t->dispatched_us, now_us),
		              t->queue_ms + t->prefill_ms, 1, now_us);
	end_prefill(r, t, now_us);
	open_handoff(r, t);
}

void sl_router_first_token(struct sl_router *r, struct sl_ticket *t, uint64_t now_us)
{
	if (!t->live || t->first_us)
		return;
	t->first_us = now_us;
	if (t->streamed && t->learn_ttft && !has_prefill_leg(t))
		learn_prefill(r, t, ms_between(t->dispatched_us, now_us), t->predicted_ttft_ms, 1,
		              now_us);
	end_prefill(r, t, now_us);
	close_handoff(r, t);
}

/* ---- the end ---------------------------------------------------------- */

static void end_ticket(struct sl_router *r, struct sl_ticket *t, uint64_t now_us)
{
	end_prefill(r, t, now_us);
	close_handoff(r, t);
	ledger_close_decode(&decoder(r, t)->ledger, t);
	r->seqs -= t->seqs;
	leave(r, t, t->decode_ep, now_us);
	t->decode_open = false;
	t->live = false;
}

static void learn_usage(struct sl_router *r, const struct sl_ticket *t,
                        const struct sl_outcome *outcome, uint64_t now_us)
{
	struct learn_model *m = &r->models.list[t->model].learned;
	struct endpoint *ep = prefiller(r, t);
	double output = (double)outcome->completion_tokens;

	if (outcome->prompt_tokens > 0 && t->learn_bytes && t->prompt_bytes > 0)
		learn_model_prompt(m, (double)t->prompt_bytes, (double)outcome->prompt_tokens);
	if (outcome->completion_tokens >= 0 && t->seqs > 0)
		learn_model_answer(m, output / t->seqs, t->output_limit);
	if (outcome->cached_tokens >= 0 && t->prefill_blocks.stamp && ep->alive) {
		learn_hits_usage(&ep->past->hits, (double)outcome->cached_tokens, t->matched_tokens,
		                 now_us);
		ep->gamma = learn_hits_gamma(&ep->past->hits);
	}
}

void sl_router_finish(struct sl_router *r, struct sl_ticket *t, const struct sl_outcome *outcome,
                      uint64_t now_us)
{
	double tokens = 0;

	if (!t->live)
		return;
	if (t->seqs && outcome->completion_tokens >= 0)
		tokens = (double)outcome->completion_tokens / t->seqs;
	if (t->streamed && t->first_us)
		learn_steps(r, t, tokens, now_us);
	else if (outcome->completion_tokens >= 0 || t->seqs == 0)
		learn_whole(r, t, tokens, now_us);
	learn_usage(r, t, outcome, now_us);
	recall_note(r, t, tokens, now_us);
	end_ticket(r, t, now_us);
}

static void take_back(struct sl_router *r, const struct sl_ticket *t, uint32_t slot,
                      struct sl_index_claim claim, const struct sl_facts *facts)
{
	struct index_put put = { claim.first, claim.count, claim.stamp };

	index_take_back(&r->index, slot, facts->blocks, facts->n_blocks, put);
	endpoint_note_cache(r, slot);
	if (t->adapter)
		adapters_unload(r->endpoints[slot].adapters, t->model);
}

void sl_router_cancel(struct sl_router *r, struct sl_ticket *t, const struct sl_facts *facts,
                      unsigned blame, uint64_t now_us)
{
	unsigned prefill = SL_BLAME_PREFILL;

	if (!t->live)
		return;
	if (!has_prefill_leg(t))
		prefill |= SL_BLAME_DECODE;
	if (blame & prefill)
		take_back(r, t, t->prefill_ep, t->prefill_blocks, facts);
	if (has_prefill_leg(t) && (blame & SL_BLAME_DECODE))
		take_back(r, t, t->decode_ep, t->decode_blocks, facts);
	end_ticket(r, t, now_us);
}

/* gen_step.c: see gen_step.h. */
#include "bench/sim/gen_step.h"

#include <stdio.h>

#include "bench/sim/gen_say.h"
#include "bench/sim/peer.h"
#include "bench/sim/pull.h"

/* ---- counting --------------------------------------------------------------- */

static double seconds(uint64_t from, uint64_t to)
{
	return to > from ? (double)(to - from) / 1e6 : 0;
}

static void count_tokens(struct sl_sim_metrics *m, const struct sl_sim_seq *seq)
{
	uint32_t computed = seq->n_prompt - seq->cached_tokens - seq->fetched_tokens;

	m->prompt_tokens += seq->n_prompt;
	m->cached_tokens += seq->cached_tokens;
	m->fetched_tokens += seq->fetched_tokens;
	m->local_tokens += computed;
	sl_sim_observe(m, SL_SIM_H_PROMPT, seq->n_prompt);
	sl_sim_observe(m, SL_SIM_H_GENERATION, seq->n_output);
	sl_sim_observe(m, SL_SIM_H_PREFILL_COMPUTED, seq->n_prompt - seq->cached_tokens);
}

static void count_end(struct sl_sim_gen *gen, const struct sl_sim_seq *seq, uint64_t now)
{
	struct sl_sim_metrics *m = &gen->engine->metrics;

	m->finished[gen->request.max_tokens ? SL_SIM_LENGTH : SL_SIM_STOPPED]++;
	count_tokens(m, seq);
	sl_sim_observe(m, SL_SIM_H_MAX_GENERATION, seq->n_output);
	sl_sim_observe(m, SL_SIM_H_MAX_TOKENS,
	               gen->request.max_tokens
	                       ? gen->request.max_tokens
	                       : gen->engine->sim->opt.max_model_len - seq->n_prompt);
	sl_sim_observe(m, SL_SIM_H_N, gen->request.n);
	sl_sim_observe(m, SL_SIM_H_PREEMPTIONS, seq->preemptions);
	sl_sim_observe(m, SL_SIM_H_E2E, seconds(seq->added_us, now));
	sl_sim_observe(m, SL_SIM_H_QUEUE, seconds(seq->added_us, seq->scheduled_us));
	sl_sim_observe(m, SL_SIM_H_INFERENCE, seconds(seq->scheduled_us, now));
	if (!seq->n_output)
		return;
	sl_sim_observe(m, SL_SIM_H_PREFILL, seconds(seq->scheduled_us, seq->first_token_us));
	sl_sim_observe(m, SL_SIM_H_DECODE, seconds(seq->first_token_us, now));
	if (seq->n_output > 1)
		sl_sim_observe(m, SL_SIM_H_TPOT,
		               seconds(seq->first_token_us, now) / (seq->n_output - 1));
}

static void count_token(struct sl_sim_choice *c, uint64_t now_us)
{
	struct sl_sim_metrics *m = &c->gen->engine->metrics;

	m->generation_tokens++;
	if (c->seq->n_output == 1) {
		sl_sim_observe(m, SL_SIM_H_TTFT, seconds(c->seq->added_us, now_us));
	} else {
		sl_sim_observe(m, SL_SIM_H_ITL, seconds(c->token_us, now_us));
		sl_sim_observe(m, SL_SIM_H_OLD_TPOT, seconds(c->token_us, now_us));
	}
	c->token_us = now_us;
}

/* ---- hand-offs ------------------------------------------------------------ */

/* A chat's only answer bears its id; others are numbered. */
static void name_hand_off(const struct sl_sim_choice *c, char *out, size_t size)
{
	const struct sl_sim_gen *gen = c->gen;
	unsigned suffix = (unsigned)sl_rng_next(&gen->engine->sim->rng);

	if (gen->request.api == SL_SIM_CHAT && gen->n_choices == 1)
		snprintf(out, size, "%s-%08x", gen->id, suffix);
	else
		snprintf(out, size, "%s-%u-%08x", gen->id, c->index, suffix);
}

/* A finished prefill leg pins its blocks. Only the first answer's place is
 * told, and none in a stream: the others stay pinned until their lease ends. */
static void hand_off(struct sl_sim_choice *c)
{
	struct sl_sim_gen *gen = c->gen;
	struct sl_sim_engine *e = gen->engine;
	struct sl_sim_seq *seq = c->seq;
	struct sl_sim_handoff_place place = {
		.engine_id = e->id,
		.host = e->sim->opt.advertise,
		.port = e->port,
		.cached_tokens = seq->n_output > 1 ? -1 : (int64_t)seq->cached_tokens,
	};
	struct sl_sim_handoff *h;
	uint32_t n, *blocks;
	char name[340];

	name_hand_off(c, name, sizeof(name));
	blocks = sl_sim_seq_take_blocks(seq, &n);
	h = sl_sim_handoff_add(&e->handoffs, name, blocks, n,
	                       sl_sim_now_us() + e->sim->opt.lease_us);
	h->tokens = seq->computed;
	h->prompt_hash = sl_sim_prompt_hash(sl_sim_choice_prompt(c));
	if (e->faults.null_kv_params)
		sl_sim_handoff_del(&e->handoffs, h, e->kv);
	else if (c->index == 0)
		sl_sim_handoff_render(&gen->kv_params, h, &place);
	sl_sim_engine_lease(e);
}

/* ---- fetching --------------------------------------------------------------- */

/* A real engine reads whatever lies in blocks that were given back: the text
 * is fluent and wrong, and nobody says so. */
static void corrupt(struct sl_sim_choice *c)
{
	c->gen->engine->tally.corrupted++;
	c->seq->text = sl_sim_prompt_text(sl_sim_choice_prompt(c),
	                                  c->index % c->gen->request.n + SL_SIM_CORRUPT);
}

/* Several answers to one prompt read the same blocks. */
static bool others_will_read(const struct sl_sim_choice *c)
{
	const struct sl_sim_gen *gen = c->gen;

	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_choice *other = &gen->choices[i];

		if (other != c && other->seq->remote &&
		    (other->pull || other->seq->state == SL_SIM_SEQ_WAITING))
			return true;
	}
	return false;
}

static void arrived(struct sl_sim_choice *c)
{
	struct sl_sim_engine *e = c->gen->engine;

	if (!others_will_read(c))
		sl_sim_peer_release(e, &c->gen->request.kv);
	sl_sim_batch_fetched(&e->batch, c->seq);
	sl_sim_engine_kick(e);
}

static void on_pull(void *arg, enum sl_sim_pull_news news)
{
	struct sl_sim_choice *c = arg;

	if (news == SL_SIM_PULL_STALE) {
		corrupt(c);
		return;
	}
	c->pull = NULL;
	if (news == SL_SIM_PULL_ARRIVED)
		arrived(c);
	else
		sl_sim_gen_fail(c->gen, SL_SIM_INTERNAL_ERROR);
}

static void fetch(void *owner)
{
	struct sl_sim_choice *c = owner;
	const struct sl_sim_pull_want want = {
		.params = &c->gen->request.kv,
		.seq = c->seq,
		.prompt_hash = sl_sim_prompt_hash(sl_sim_choice_prompt(c)),
		.tell = on_pull,
		.arg = c,
	};

	c->pull = sl_sim_pull_start(c->gen->engine, &want);
}

static void beat(void *owner)
{
	const struct sl_sim_choice *c = owner;

	sl_sim_peer_beat(c->gen->engine, &c->gen->request.kv);
}

/* ---- steps ----------------------------------------------------------------- */

static void stepped(void *owner, uint64_t now_us)
{
	struct sl_sim_choice *c = owner;
	struct sl_sim_gen *gen = c->gen;
	struct sl_sim_seq *seq = c->seq;

	if (seq->got_token) {
		count_token(c, now_us);
		sl_sim_gen_mark_dirty(gen);
	}
	if (seq->state != SL_SIM_SEQ_ENDED)
		return;
	if (seq->keep)
		hand_off(c);
	if (c->ended)
		return; /* it was cut */
	c->ended = true;
	gen->n_open--;
	count_end(gen, seq, now_us);
	sl_sim_gen_mark_dirty(gen);
}

/* ---- beginnings -------------------------------------------------------------- */

void sl_sim_gen_submit(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;
	uint64_t now = sl_sim_now_us();

	for (uint32_t i = 0; i < gen->n_choices; i++)
		sl_sim_batch_add(&e->batch, gen->choices[i].seq, now);
	sl_sim_engine_heed_leases(e);
	if (gen->request.stream)
		sl_sim_conn_stream(gen->conn);
}

/* A process that was told to stop while it was frozen stops as it would have. */
static void resume(struct sl_sim_engine *e)
{
	struct sl_sim_gen *gen;

	while ((gen = sl_sim_gen_take(&e->hung))) {
		gen->silent = e->stopping && e->stop == SL_SIM_STOP_STALL;
		sl_sim_gen_submit(gen);
	}
}

static void flush(struct sl_sim_engine *e)
{
	struct sl_sim_gen *gen;

	while ((gen = sl_sim_gen_take(&e->dirty)))
		sl_sim_gen_flush(gen);
}

const struct sl_sim_engine_ops sl_sim_gen_steps = {
	.stepped = stepped,
	.fetch = fetch,
	.beat = beat,
	.resume = resume,
	.flush = flush,
};

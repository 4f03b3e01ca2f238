/* gen.c: see gen.h. */
#include "bench/sim/gen.h"

#include <stdlib.h>

#include "bench/sim/peer.h"
#include "bench/sim/pull.h"

const struct sl_sim_prompt *sl_sim_choice_prompt(const struct sl_sim_choice *choice)
{
	const struct sl_sim_request *r = &choice->gen->request;

	return &r->prompts[choice->index / r->n];
}

/* ---- lists --------------------------------------------------------------- */

static void insert(struct sl_sim_gen *gen, struct sl_sim_gen **list, struct sl_sim_gen **at)
{
	gen->next = *at;
	gen->list = list;
	*at = gen;
}

static void leave_list(struct sl_sim_gen *gen)
{
	struct sl_sim_gen **at = gen->list;

	if (!at)
		return;
	while (*at != gen)
		at = &(*at)->next;
	*at = gen->next;
	gen->next = NULL;
	gen->list = NULL;
}

void sl_sim_gen_mark_dirty(struct sl_sim_gen *gen)
{
	if (!gen->list)
		insert(gen, &gen->engine->dirty, &gen->engine->dirty);
}

void sl_sim_gen_hang(struct sl_sim_gen *gen)
{
	struct sl_sim_gen **at = &gen->engine->hung;

	while (*at)
		at = &(*at)->next;
	insert(gen, &gen->engine->hung, at);
	gen->silent = true;
}

struct sl_sim_gen *sl_sim_gen_take(struct sl_sim_gen **list)
{
	struct sl_sim_gen *gen = *list;

	if (gen)
		leave_list(gen);
	return gen;
}

/* ---- ends ---------------------------------------------------------------- */

void sl_sim_gen_free(struct sl_sim_gen *gen)
{
	leave_list(gen);
	event_del(&gen->timer);
	sl_sim_request_fini(&gen->request);
	sl_sim_buf_fini(&gen->held);
	sl_sim_buf_fini(&gen->kv_params);
	free(gen->choices);
	free(gen);
}

/* Has not read the blocks that wait for it elsewhere, and never will. */
static bool is_unread(const struct sl_sim_choice *c)
{
	const struct sl_sim_seq *seq = c->seq;

	return c->pull || (seq && seq->remote &&
	                   (seq->state == SL_SIM_SEQ_WAITING || seq->state == SL_SIM_SEQ_NEW));
}

/* Lets go of what a choice still has of the engine. True: at once. */
static bool drop_choice(struct sl_sim_choice *c)
{
	struct sl_sim_engine *e = c->gen->engine;
	struct sl_sim_seq *seq = c->seq;

	if (is_unread(c)) {
		if (c->pull)
			sl_sim_pull_cancel(c->pull);
		c->pull = NULL;
		sl_sim_peer_release(e, &c->gen->request.kv);
	}
	c->seq = NULL;
	if (!seq)
		return true;
	seq->owner = NULL;
	if (seq->state == SL_SIM_SEQ_ENDED || seq->state == SL_SIM_SEQ_NEW ||
	    sl_sim_batch_abort(&e->batch, seq)) {
		sl_sim_seq_free(seq);
		return true;
	}
	return false; /* it computes; the engine frees it when the step ends */
}

static bool drop_choices(struct sl_sim_gen *gen)
{
	bool at_once = true;

	for (uint32_t i = 0; i < gen->n_choices; i++)
		at_once &= drop_choice(&gen->choices[i]);
	return at_once;
}

void sl_sim_gen_detach(struct sl_sim_gen *gen)
{
	gen->conn->job = NULL;
	drop_choices(gen);
	sl_sim_gen_free(gen);
}

void sl_sim_gen_abort(struct sl_sim_gen *gen)
{
	struct sl_sim_engine *e = gen->engine;

	e->tally.aborted++;
	e->abort_us = sl_sim_now_us();
	if (drop_choices(gen))
		e->tally.last_abort_us = 0;
	sl_sim_gen_free(gen);
	sl_sim_engine_kick(e);
}

/* ---- usage --------------------------------------------------------------- */

/* Whole blocks of the prompt that are new to the cache, computed here. */
static uint32_t created_tokens(const struct sl_sim_gen *gen, const struct sl_sim_seq *seq)
{
	uint32_t block = gen->engine->sim->opt.block_tokens;

	if (seq->fetched_tokens)
		return 0;
	return (seq->n_prompt / block - seq->cached_tokens / block) * block;
}

struct sl_sim_usage sl_sim_gen_usage(const struct sl_sim_gen *gen)
{
	struct sl_sim_usage u = { 0 };

	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_seq *seq = gen->choices[i].seq;

		u.completion_tokens += gen->request.stream ? gen->choices[i].sent : seq->n_output;
		if (i % gen->request.n)
			continue; /* the same prompt */
		u.prompt_tokens += seq->n_prompt;
		u.cached_tokens += seq->cached_tokens;
		u.created_tokens += created_tokens(gen, seq);
	}
	return u;
}

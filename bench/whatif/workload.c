/* workload.c: see workload.h. */
#include "bench/whatif/workload.h"

#include <stdlib.h>

#include "bench/load/schedule.h"
#include "routing/chain.h"

#define TRACE_BLOCK_BYTES (SL_TRACE_BLOCK_TOKENS * WORKLOAD_BYTES_PER_TOKEN)
#define FIRST_PARENT 0x776f726b6c6f6164ull
#define NAMES_STREAM 0x6b76u /* keeps KV names apart from boundaries */

static void *grown(void *old, size_t used, size_t more, size_t *cap, size_t size)
{
	void *p = old;

	if (used + more > *cap) {
		*cap = (used + more) * 2;
		p = reallocarray(old, *cap, size);
		if (!p)
			abort();
	}
	return p;
}

/* ---- hashes --------------------------------------------------------------- */

struct maker {
	struct workload *w;
	const struct sl_trace *trace;
	uint64_t *chain; /* owned; of the row's trace blocks */
	size_t n_names, cap_names, n_blocks, cap_blocks, cap_chain;
};

static void chain_row(struct maker *m, const struct sl_trace_row *row)
{
	uint64_t parent = FIRST_PARENT;

	m->chain = grown(m->chain, 0, row->n_blocks, &m->cap_chain, sizeof(*m->chain));
	for (uint32_t i = 0; i < row->n_blocks; i++) {
		parent = chain_mix(parent, m->trace->blocks[row->first_block + i]);
		m->chain[i] = parent;
	}
}

static void name_row(struct maker *m, struct workload_request *rq)
{
	uint32_t per_block = SL_TRACE_BLOCK_TOKENS / WORKLOAD_KV_TOKENS;

	rq->first_name = m->n_names;
	rq->n_names = rq->input_tokens / WORKLOAD_KV_TOKENS;
	m->w->names = grown(m->w->names, m->n_names, rq->n_names, &m->cap_names, sizeof(uint64_t));
	for (uint32_t i = 0; i < rq->n_names; i++)
		m->w->names[m->n_names++] =
		        chain_mix(m->chain[i / per_block], (uint64_t)i << 16 | NAMES_STREAM);
}

/* The boundaries that the scanner would have found, as far as they are whole. */
static void bound_row(struct maker *m, struct workload_request *rq)
{
	uint64_t bytes = (uint64_t)rq->input_tokens * WORKLOAD_BYTES_PER_TOKEN;
	uint64_t end = chain_block_bytes(0);

	rq->first_block = m->n_blocks;
	for (; end <= bytes && end <= UINT32_MAX; end += chain_block_bytes(end)) {
		m->w->blocks = grown(m->w->blocks, m->n_blocks, 1, &m->cap_blocks,
		                     sizeof(struct sl_block));
		m->w->blocks[m->n_blocks++] = (struct sl_block){
			.hash = chain_mix(m->chain[(end - 1) / TRACE_BLOCK_BYTES], end << 16),
			.end_bytes = (uint32_t)end,
		};
	}
	rq->n_blocks = (uint32_t)(m->n_blocks - rq->first_block);
}

/* ---- times ---------------------------------------------------------------- */

static int64_t in_burst(int64_t at_us, const struct workload_burst *burst)
{
	int64_t recorded_us = (int64_t)((double)burst->for_us * burst->factor);

	if (burst->for_us == 0 || at_us < burst->from_us)
		return at_us;
	if (at_us < burst->from_us + recorded_us)
		return burst->from_us + (int64_t)((double)(at_us - burst->from_us) / burst->factor);
	return at_us - recorded_us + burst->for_us;
}

/* ---- sessions --------------------------------------------------------------- */

struct turn {
	uint64_t session;
	uint32_t request;
};

static int by_session(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	if (x->session != y->session)
		return x->session < y->session ? -1 : 1;
	return x->request < y->request ? -1 : x->request > y->request;
}

/* Engines keep what they decode: the next turn finds its prompt and answer. */
static void join_turns(struct workload *w, uint32_t former, uint32_t later)
{
	struct workload_request *a = &w->requests[former], *b = &w->requests[later];
	uint32_t n = (a->input_tokens + a->output_tokens) / WORKLOAD_KV_TOKENS;

	if (a->n_names == 0 || b->n_names <= a->n_names ||
	    w->names[b->first_name + a->n_names - 1] != w->names[a->first_name + a->n_names - 1])
		return;
	a->first_answered_name = b->first_name;
	a->n_answered_names = b->n_names < n ? b->n_names : n;
}

static void join_sessions(struct workload *w)
{
	struct turn *turns = calloc(w->n, sizeof(*turns));
	uint32_t n = 0;

	if (!turns)
		abort();
	for (uint32_t i = 0; i < w->n; i++) {
		w->requests[i].first_answered_name = w->requests[i].first_name;
		w->requests[i].n_answered_names = w->requests[i].n_names;
		if (w->requests[i].session)
			turns[n++] = (struct turn){ w->requests[i].session, i };
	}
	qsort(turns, n, sizeof(*turns), by_session);
	for (uint32_t i = 1; i < n; i++)
		if (turns[i].session == turns[i - 1].session)
			join_turns(w, turns[i - 1].request, turns[i].request);
	free(turns);
}

void workload_init(struct workload *w, const struct sl_trace *trace,
                   const struct workload_options *opt)
{
	struct maker m = { .w = w, .trace = trace };
	int64_t spread_us = opt->spread_us < 0 ? trace->quantum_us : opt->spread_us;
	struct sl_due *due = sl_schedule_new(trace, opt->seed, spread_us, 1);

	*w = (struct workload){ .n = (uint32_t)trace->n_rows };
	w->requests = calloc(trace->n_rows, sizeof(*w->requests));
	if (!w->requests)
		abort();
	for (uint32_t i = 0; i < w->n; i++) {
		const struct sl_trace_row *row = &trace->rows[due[i].row];
		struct workload_request *rq = &w->requests[i];

		rq->at_us = in_burst(due[i].at_us, &opt->burst);
		rq->input_tokens = row->input_tokens ? row->input_tokens : 1;
		rq->output_tokens = row->output_tokens ? row->output_tokens : 1;
		rq->session = row->session;
		chain_row(&m, row);
		name_row(&m, rq);
		bound_row(&m, rq);
		w->tokens_in += rq->input_tokens;
		w->tokens_out += rq->output_tokens;
	}
	join_sessions(w);
	free(m.chain);
	free(due);
}

void workload_fini(struct workload *w)
{
	free(w->requests);
	free(w->names);
	free(w->blocks);
	*w = (struct workload){ 0 };
}

double workload_rate(const struct workload *w)
{
	int64_t span_us = w->requests[w->n - 1].at_us;

	return span_us > 0 ? (double)w->n * 1e6 / (double)span_us : 1;
}

const uint64_t *workload_names(const struct workload *w, uint32_t request)
{
	return w->names + w->requests[request].first_name;
}

const uint64_t *workload_answered_names(const struct workload *w, uint32_t request)
{
	return w->names + w->requests[request].first_answered_name;
}

void workload_facts(const struct workload *w, uint32_t request, struct sl_facts *out_facts)
{
	const struct workload_request *rq = &w->requests[request];

	*out_facts = (struct sl_facts){
		.stream = true,
		.prompts = 1,
		.n = 1,
		.max_tokens = -1,
		.prompt_bytes = (uint64_t)rq->input_tokens * WORKLOAD_BYTES_PER_TOKEN,
		.blocks = w->blocks + rq->first_block,
		.n_blocks = rq->n_blocks,
	};
}

/* run.c: the replay itself. See run.h.
 *
 * Nouns: an *exchange* is one request of the trace on its way; it lives from
 * being due to its last byte. */
#include "bench/load/run.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>

#define MAX_EXPLAINED 5
#define DRAW_US 250000

struct exchange {
	LIST_ENTRY(exchange) link;
	struct run *run; /* borrowed */
	uint32_t row;
	int64_t start_us;
	bool sent;
	struct sl_call call;
	struct sl_answer answer;
};

struct run {
	const struct sl_run_setup *setup; /* borrowed */
	struct sl_result *result;         /* borrowed */
	struct sl_client *client;         /* owned */
	LIST_HEAD(, exchange) exchanges;  /* owned */
	size_t live;
	int64_t begin_us;
	struct event due; /* the next request */
	struct event draw;
	struct event interrupt;
	size_t explained_fails, explained_mismatches;
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static const struct sl_trace_row *row_of(const struct exchange *x)
{
	return &x->run->setup->trace->rows[x->row];
}

/* ---- one exchange ---- */

static void on_message(void *ctx, struct sl_message *out_message)
{
	struct exchange *x = ctx;
	const struct sl_run_setup *s = x->run->setup;
	struct sl_sim_text said;

	if (x->sent)
		x->run->result->resent++;
	x->sent = true;
	sl_message_make(s->shape, s->trace, x->row, out_message, &said);
	if (s->options->verify)
		sl_answer_expect(&x->answer, &said);
}

static void on_head(void *ctx, const struct sl_head *head)
{
	struct exchange *x = ctx;

	sl_answer_head(&x->answer, head);
}

static void on_data(void *ctx, struct sl_span content)
{
	struct exchange *x = ctx;
	struct sl_result *r = x->run->result;
	int64_t now = now_us();
	uint32_t chunks = sl_answer_data(&x->answer, content, now, &r->itl);

	if (chunks)
		sl_result_add_chunks(r, now - x->run->begin_us, chunks);
}

static void count_failure(struct exchange *x, enum sl_fail fail)
{
	struct run *run = x->run;
	struct sl_result *r = run->result;
	const struct sl_answer *a = &x->answer;

	r->failed++;
	r->fails[fail]++;
	if (fail == SL_FAIL_STATUS)
		r->statuses[a->status % SL_RESULT_MAX_STATUS]++;
	if (fail == SL_FAIL_INTERRUPTED || run->explained_fails++ >= MAX_EXPLAINED)
		return;
	if (fail == SL_FAIL_STATUS)
		sl_progress_note(run->setup->progress, "request %u failed: status %d%s%s", x->row,
		                 a->status, a->note[0] ? ": " : "", a->note);
	else
		sl_progress_note(run->setup->progress, "request %u failed: %s%s%s", x->row,
		                 sl_fail_name(fail), a->note[0] ? ": " : "", a->note);
}

static bool count_mismatch(struct exchange *x)
{
	struct run *run = x->run;
	char why[200];

	if (sl_answer_matches(&x->answer, why, sizeof(why)))
		return false;
	run->result->mismatches++;
	if (run->explained_mismatches++ < MAX_EXPLAINED)
		sl_progress_note(run->setup->progress, "request %u mismatched: %s", x->row, why);
	return true;
}

static void count_tokens(struct exchange *x)
{
	struct sl_result *r = x->run->result;
	const struct sl_usage *u = &x->answer.usage;

	r->output_tokens += sl_answer_output_tokens(&x->answer);
	r->input_tokens += u->prompt_tokens >= 0
	                           ? (uint64_t)u->prompt_tokens
	                           : sl_shape_input_tokens(x->run->setup->shape, row_of(x));
	if (u->cached_tokens >= 0) {
		r->cached_tokens += (uint64_t)u->cached_tokens;
		r->cached_told = true;
	}
}

static void count_success(struct exchange *x, int64_t now)
{
	const struct sl_options *o = x->run->setup->options;
	struct sl_result *r = x->run->result;
	const struct sl_answer *a = &x->answer;
	uint32_t tokens = sl_answer_output_tokens(a);
	int64_t e2e = now - x->start_us, ttft = a->first_us - x->start_us;
	int64_t tpot = a->chunks && tokens > 1 ? (e2e - ttft) / (tokens - 1) : 0;
	bool mismatch = count_mismatch(x);

	r->completed++;
	count_tokens(x);
	sl_samples_add(&r->e2e, e2e);
	if (a->chunks)
		sl_samples_add(&r->ttft, ttft);
	if (a->chunks && tokens > 1)
		sl_samples_add(&r->tpot, tpot);
	if (!mismatch && (!o->slo_ttft_us || ttft <= o->slo_ttft_us) &&
	    (!o->slo_tpot_us || tpot <= o->slo_tpot_us))
		r->good++;
}

static void start_due(struct run *run);

static void on_end(void *ctx, enum sl_call_end end)
{
	struct exchange *x = ctx;
	struct run *run = x->run;
	int64_t now = now_us();
	enum sl_fail fail = sl_answer_end(&x->answer, end);

	if (fail)
		count_failure(x, fail);
	else
		count_success(x, now);
	run->result->duration_us = now - run->begin_us;
	run->live--;
	LIST_REMOVE(x, link);
	sl_answer_fini(&x->answer);
	free(x);
	start_due(run);
}

/* ---- the schedule ---- */

static void start_exchange(struct run *run, uint32_t row, int64_t now)
{
	static const struct sl_call_handler handler = { on_message, on_head, on_data, on_end };
	const struct sl_run_setup *s = run->setup;
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->run = run;
	x->row = row;
	x->start_us = now;
	x->call.handler = &handler;
	x->call.ctx = x;
	sl_answer_init(&x->answer, s->options->stream,
	               sl_shape_output_tokens(s->shape, &s->trace->rows[row]));
	LIST_INSERT_HEAD(&run->exchanges, x, link);
	if (++run->live > run->result->peak_live)
		run->result->peak_live = run->live;
	sl_client_start(run->client, &x->call);
}

static bool may_start(const struct run *run)
{
	uint32_t max = run->setup->options->max_concurrency;

	return !run->result->interrupted && run->result->sent < run->result->requests &&
	       (max == 0 || run->live < max);
}

/* Sends all that is due, then waits for the next, or ends the run. */
static void start_due(struct run *run)
{
	struct sl_result *r = run->result;

	while (may_start(run)) {
		const struct sl_due *next = &run->setup->due[r->sent];
		int64_t now = now_us();
		int64_t early = run->begin_us + next->at_us - now;

		if (early > 0) {
			struct timeval tv = { early / 1000000, early % 1000000 };

			event_add(&run->due, &tv);
			return;
		}
		r->sent++;
		sl_samples_add(&r->lag, -early);
		start_exchange(run, next->row, now);
	}
	if (run->live == 0)
		event_base_loopbreak(run->setup->base);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_due(arg);
}

static void on_draw(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;
	const struct sl_run_setup *s = run->setup;
	int64_t elapsed = now_us() - run->begin_us;

	(void)fd;
	(void)what;
	sl_progress_draw(s->progress, run->result, run->live, elapsed,
	                 run->result->offered_us - elapsed);
}

static void on_interrupt(evutil_socket_t fd, short what, void *arg)
{
	struct run *run = arg;
	struct exchange *x;

	(void)fd;
	(void)what;
	run->result->interrupted = true;
	event_del(&run->due);
	while ((x = LIST_FIRST(&run->exchanges)))
		sl_client_cancel(run->client, &x->call);
	event_base_loopbreak(run->setup->base);
}

static void add_events(struct run *run)
{
	struct event_base *base = run->setup->base;
	struct timeval period = { 0, DRAW_US };

	evtimer_assign(&run->due, base, on_due, run);
	event_assign(&run->draw, base, -1, EV_PERSIST, on_draw, run);
	evsignal_assign(&run->interrupt, base, SIGINT, on_interrupt, run);
	if (run->setup->progress->live)
		event_add(&run->draw, &period);
	event_add(&run->interrupt, NULL);
}

static void del_events(struct run *run)
{
	event_del(&run->due);
	event_del(&run->draw);
	event_del(&run->interrupt);
	sl_progress_clear(run->setup->progress);
}

void sl_run(const struct sl_run_setup *setup, struct sl_result *result)
{
	struct run run = { .setup = setup, .result = result };

	LIST_INIT(&run.exchanges);
	result->requests = setup->trace->n_rows;
	result->offered_us = setup->due[result->requests - 1].at_us;
	run.client = sl_client_new(setup->base, setup->target, setup->options->timeout_us);
	add_events(&run);
	run.begin_us = now_us();
	event_active(&run.due, EV_TIMEOUT, 0);
	event_base_dispatch(setup->base);
	assert(LIST_EMPTY(&run.exchanges));
	result->connections = sl_client_connections(run.client);
	del_events(&run);
	sl_client_free(run.client);
}

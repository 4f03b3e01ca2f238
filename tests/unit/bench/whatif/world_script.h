/* world_script.h: a policy that places requests as a test says and notes what
 * it is told, and runs with it. For tests only. */
#ifndef TESTS_WORLD_SCRIPT_H
#define TESTS_WORLD_SCRIPT_H

#include "world_help.h"

/* ---- a policy that does as it is told -------------------------------------- */

#define SCRIPT_NOTES 4096u

struct script_note {
	uint64_t at_us;
	struct balancer_news news; /* its own requests, or what it heard */
	uint32_t replica;
	bool heard;
	uint32_t held_blocks[4]; /* by engine, as the news came */
};

struct script {
	const struct balancer_choice *choices; /* by request; NULL: all on engine 0 */
	uint32_t spare;                        /* where a request goes that its engine has failed */
	struct script_note notes[SCRIPT_NOTES];
	uint32_t n_notes;
	bool up[16];
	uint64_t health_us[16]; /* of the last change */
};

struct balancer {
	struct script *script;
	struct balancer_setup setup;
};

static struct balancer *script_make(const void *kind, const struct balancer_setup *setup)
{
	struct balancer *b = calloc(1, sizeof(*b));

	assert_non_null(b);
	b->script = (struct script *)(uintptr_t)kind;
	b->setup = *setup;
	for (uint32_t i = 0; i < setup->fleet->n; i++)
		b->script->up[i] = true;
	return b;
}

static void script_free(struct balancer *b)
{
	free(b);
}

static bool script_place(struct balancer *b, uint32_t request, const uint32_t *avoid,
                         uint32_t n_avoid, uint64_t now_us, struct balancer_choice *out_choice)
{
	struct script *s = b->script;
	struct balancer_choice c = { 0, 0 };

	(void)now_us;
	if (s->choices)
		c = s->choices[request];
	for (uint32_t i = 0; i < n_avoid; i++)
		if (avoid[i] == c.prefill || avoid[i] == c.decode)
			c = (struct balancer_choice){ s->spare, s->spare };
	if (!s->up[c.prefill] || !s->up[c.decode])
		return false;
	*out_choice = c;
	return true;
}

static struct script_note *script_note(struct balancer *b, const struct balancer_news *news,
                                       uint64_t now_us, bool heard)
{
	struct script *s = b->script;
	struct script_note *note = &s->notes[s->n_notes++];

	assert_true(s->n_notes < SCRIPT_NOTES);
	*note = (struct script_note){ now_us, *news, b->setup.replica, heard, { 0 } };
	for (uint32_t i = 0; i < b->setup.fleet->n && i < 4; i++)
		note->held_blocks[i] = sl_sim_kv_held(b->setup.engines[i]->kv);
	return note;
}

static void *script_news(struct balancer *b, const struct balancer_news *news, uint64_t now_us)
{
	struct balancer_news *message;

	script_note(b, news, now_us, false);
	if (b->setup.replicas == 1)
		return NULL;
	message = calloc(1, sizeof(*message));
	assert_non_null(message);
	*message = *news;
	return message;
}

static void script_hear(struct balancer *b, uint32_t from, const void *message, uint64_t now_us)
{
	assert_int_not_equal(from, b->setup.replica);
	script_note(b, message, now_us, true);
}

static void script_scraped(struct balancer *b, uint32_t engine, const struct sl_load_sample *sample,
                           uint64_t now_us)
{
	(void)b;
	(void)engine;
	(void)sample;
	(void)now_us;
}

static void script_health(struct balancer *b, uint32_t engine, bool up, uint64_t now_us)
{
	b->script->up[engine] = up;
	b->script->health_us[engine] = now_us;
}

static const struct balancer_ops script_ops = {
	.make = script_make,
	.free = script_free,
	.place = script_place,
	.news = script_news,
	.hear = script_hear,
	.scraped = script_scraped,
	.health = script_health,
};

/* The k-th time that its own gateway was told this of the request. */
static inline const struct script_note *script_find(const struct script *s, uint32_t request,
                                                    enum balancer_event event, uint32_t k)
{
	for (uint32_t i = 0; i < s->n_notes; i++)
		if (!s->notes[i].heard && s->notes[i].news.request == request &&
		    s->notes[i].news.event == event && k-- == 0)
			return &s->notes[i];
	return NULL;
}

static inline uint64_t script_us(const struct script *s, uint32_t request,
                                 enum balancer_event event)
{
	const struct script_note *note = script_find(s, request, event, 0);

	assert_non_null(note);
	return note->at_us;
}

/* ---- a run ----------------------------------------------------------------- */

struct stage {
	struct workload workload;
	struct fleet fleet;
	struct script script;
	struct policy policy;
	struct world_setup setup;
	struct tally tally;
};

/* Rows on a fleet; then the test changes what it likes, and stage_run. */
static inline struct stage *stage_new(const struct row *rows, size_t n, uint32_t n_prefill,
                                      uint32_t n_decode, uint32_t n_both)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	rows_workload(rows, n, &s->workload);
	round_fleet(&s->fleet, n_prefill, n_decode, n_both);
	s->policy = (struct policy){ .name = "script", .ops = &script_ops, .kind = &s->script };
	s->setup = (struct world_setup){ .workload = &s->workload,
		                         .fleet = &s->fleet,
		                         .policy = &s->policy,
		                         .rate_factor = 1,
		                         .seed = 1,
		                         .replicas = 1,
		                         .slo = { 5000, 50 } };
	return s;
}

static inline void stage_run(struct stage *s)
{
	world_run(&s->setup, &s->tally);
}

static inline void stage_free(struct stage *s)
{
	tally_fini(&s->tally);
	fleet_fini(&s->fleet);
	workload_fini(&s->workload);
	free(s);
}

/* The request's end, in microseconds after its arrival. */
static inline void check_times(const struct stage *s, uint32_t request, uint64_t ttft_us,
                               uint64_t e2e_us)
{
	const struct tally_request *rq = &s->tally.requests[request];

	assert_true(rq->done);
	assert_int_equal(llround((double)rq->ttft_ms * 1000), ttft_us);
	assert_int_equal(llround((double)rq->e2e_ms * 1000), e2e_us);
}

#endif

/* prober.c: see prober.h. One round after the other for each engine; a round is
 * a question after the other, each a fetch.
 *
 * Invariants: an engine has either a fetch or an armed timer, and neither only
 * inside a callback. What it costs is asked for no more often than it must be: an
 * engine that has no page is asked for it again after PROBER_AGAIN_US. */
#include <stdlib.h>

#include "gateway/control/prober_state.h"

#define BODY_MAX (1u << 20)
#define PAGE_MAX (8u << 20)
#define BEGIN_AT_ONCE 64 /* engines that begin together; others within: */
#define BEGIN_US 1000000u
#define TOGETHER_US 200000u

static void ask_detect(struct sl_probe_run *r);
static void ask_generate(struct sl_probe_run *r);
static void ask(struct sl_probe_run *r, enum probe_step step);
static const struct sl_fetch_events fetch_events;

/* ---- between rounds -------------------------------------------------- */

static uint64_t random_below(struct sl_prober *p, uint64_t limit)
{
	return limit ? sl_rng_next(&p->rng) % limit : 0;
}

static void end_beginning(struct sl_probe_run *r)
{
	r->prober->n_beginning -= r->beginning;
	r->beginning = false;
}

static void rest(struct sl_probe_run *r)
{
	uint64_t interval = r->engine->pool->probe_interval_us;
	uint64_t now = r->prober->loop->now_us;
	/* A tenth either way, so that a fleet is not asked in one breath. But those
	 * that are due within a fifth are asked together, because it is waking
	 * up that costs. */
	uint64_t jitter = random_below(r->prober, interval / 5 + 1);
	uint64_t together = interval / 5 < TOGETHER_US ? interval / 5 : TOGETHER_US;
	uint64_t due_us = now + interval - interval / 10 + jitter + together / 2;

	r->step = STEP_IDLE;
	end_beginning(r);
	prober_forget_stale(r);
	due_us -= due_us % (together ? together : 1);
	sl_timer_arm(r->prober->loop, &r->next_timer, due_us > now ? due_us - now : 0);
}

static bool is_due(const struct sl_probe_run *r, uint64_t last_us)
{
	return last_us == 0 || r->prober->loop->now_us - last_us > PROBER_AGAIN_US;
}

/* One that is down may come back as something else. */
static bool must_detect(const struct sl_probe_run *r)
{
	return !r->detected || atomic_load(&r->ep->health) == SL_HEALTH_UNHEALTHY ||
	       (r->detect.troubled && is_due(r, r->detected_us));
}

static void begin_round(void *arg)
{
	struct sl_probe_run *r = arg;
	enum sl_engine_kind kind = prober_configured_kind(r->engine);

	if (kind != SL_ENGINE_AUTO) {
		prober_learn_kind(r, kind);
		r->detected = false; /* should it not be configured any more */
		ask(r, STEP_HEALTH);
	} else if (must_detect(r)) {
		r->detect = (struct sl_detect){ 0 };
		ask_detect(r);
	} else {
		ask(r, STEP_HEALTH);
	}
}

/* ---- one round ------------------------------------------------------- */

/* While nothing is known, after a return (models_us 0), and now and then. */
static bool wants_models(const struct sl_probe_run *r)
{
	return !r->engine->models_fixed && is_due(r, r->models_us);
}

static bool wants_load(const struct sl_probe_run *r)
{
	struct sl_probe_path path;

	return is_due(r, r->no_page_us) && prober_path(r, SL_ASK_LOAD, 0, &path);
}

static void after_models(struct sl_probe_run *r)
{
	if (sl_generate_due(&r->generate, r->engine, r->prober->loop->now_us))
		ask_generate(r);
	else
		rest(r);
}

static void after_load(struct sl_probe_run *r)
{
	if (wants_models(r))
		ask(r, STEP_MODELS);
	else
		after_models(r);
}

static void end_detect(struct sl_probe_run *r, int status)
{
	sl_detect_answer(&r->detect, status, sl_span(r->body, r->body_len));
	if (sl_detect_ask(&r->detect)) {
		ask_detect(r);
		return;
	}
	r->detected = true;
	r->detected_us = r->prober->loop->now_us;
	/* One that only has errors is what it was. */
	if (!r->detect.troubled || r->detect.kind != SL_ENGINE_GENERIC ||
	    r->engine->kind == SL_ENGINE_AUTO)
		prober_learn_kind(r, r->detect.kind);
	ask(r, STEP_HEALTH);
}

static void end_health(struct sl_probe_run *r, int status)
{
	/* A healthy answer may have told the load; not if it is elsewhere. */
	bool told = status == 200 && r->path.form == SL_ANSWER_LOADS &&
	            !r->engine->pool->n_signals && !*r->engine->pool->metrics_path &&
	            prober_learn_load(r);
	bool well = sl_status_set_has(&r->engine->pool->health_status, status);

	/* Its word alone does not count where a generation has failed. */
	if (!well || !sl_generate_doubts(&r->generate, r->engine))
		prober_judge(r, well ? SL_PROBE_OK : SL_PROBE_STATUS);
	if (!well)
		rest(r);
	else if (!told && wants_load(r))
		ask(r, STEP_LOAD);
	else
		after_load(r);
}

static void end_load(struct sl_probe_run *r, int status)
{
	bool told = status == 200 && prober_learn_load(r);

	r->no_page_us = told || !sl_probe_path_missing(status) ? 0 : r->prober->loop->now_us;
	/* A page that is not there does not keep the model list from us. */
	after_load(r);
}

static void end_models(struct sl_probe_run *r, int status)
{
	if (status == 200)
		prober_learn_models(r);
	after_models(r);
}

static const struct step {
	enum sl_probe_question question;
	void (*end)(struct sl_probe_run *r, int status);
} steps[] = {
	[STEP_HEALTH] = { SL_ASK_HEALTH, end_health },
	[STEP_LOAD] = { SL_ASK_LOAD, end_load },
	[STEP_MODELS] = { SL_ASK_MODELS, end_models },
};

/* The same question at the next path, if there is one that was not tried. */
static bool ask_elsewhere(struct sl_probe_run *r)
{
	enum sl_probe_question question = steps[r->step].question;
	unsigned tried = r->tried + 1;
	struct sl_probe_path path;

	r->at[question]++;
	if (!prober_path(r, question, r->at[question], &path))
		r->at[question] = 0;
	if (!prober_path(r, question, tried, &path))
		return false;
	ask(r, r->step);
	r->tried = tried;
	return true;
}

static void answered(struct sl_probe_run *r, int status)
{
	if (r->step == STEP_DETECT) {
		end_detect(r, status);
		return;
	}
	if (r->step == STEP_GENERATE) {
		prober_judge(r, sl_generate_answered(&r->generate, status));
		rest(r);
		return;
	}
	if (sl_probe_path_missing(status) && ask_elsewhere(r))
		return;
	steps[r->step].end(r, status);
}

/* A page that does not come makes its load unknown, not its health bad. */
static void failed(struct sl_probe_run *r, enum sl_probe_result result)
{
	if (r->step == STEP_LOAD) {
		sl_metric_add(r->prober->metrics, SL_M_PROBE_FAILURES, 1);
		after_load(r);
		return;
	}
	if (r->step == STEP_GENERATE)
		r->generate.failed = true;
	prober_judge(r, result);
	rest(r);
}

/* ---- asking ---------------------------------------------------------- */

static uint64_t hash_signals(const struct sl_pool_conf *pool)
{
	uint64_t hash = pool->n_signals;

	for (uint32_t i = 0; i < pool->n_signals; i++) {
		const struct sl_signal_map *map = &pool->signals[i];

		hash = sl_name_hash(hash, sl_span_str(map->family));
		hash = sl_name_hash(hash, sl_span_str(map->match.label));
		hash = sl_name_hash(hash, sl_span_str(map->match.value));
		hash = sl_name_hash(hash, sl_span((const char *)&map->scale, sizeof(map->scale)));
		hash = sl_name_hash(hash, sl_span((const char *)&map->signal, sizeof(map->signal)));
	}
	return hash;
}

/* Its signals are those of the present configuration. */
static void prepare_page(struct sl_probe_run *r)
{
	const struct sl_pool_conf *pool = r->engine->pool;

	if (r->page && r->page_signals == hash_signals(pool)) {
		sl_page_reader_reset(r->page);
		return;
	}
	sl_page_reader_free(r->page);
	r->page = sl_page_reader_new_mapped(r->engine->kind, pool->signals, pool->n_signals);
	r->page_signals = hash_signals(pool);
}

/* A reload may free the engine's own while they are being sent. */
static struct sl_span copy_lines(struct sl_probe_run *r)
{
	if (!r->lines || strcmp(r->lines, r->engine->probe_lines) != 0) {
		free(r->lines);
		r->lines = strdup(r->engine->probe_lines);
		if (!r->lines)
			abort();
	}
	return sl_span_str(r->lines);
}

static void fetch(struct sl_probe_run *r, struct sl_endpoint *ep)
{
	const struct sl_pool_conf *pool = r->engine->pool;
	struct sl_prober *p = r->prober;
	struct sl_fetch_spec spec = {
		.path = sl_span_str(r->path.path),
		.lines = copy_lines(r),
		.connect_timeout_us = pool->connect_timeout_us,
		.timeout_us = pool->probe_timeout_us,
		.max_bytes = r->path.form == SL_ANSWER_PAGE ? PAGE_MAX : BODY_MAX,
		.idle_timeout_us = pool->idle_timeout_us,
	};

	if (r->step == STEP_GENERATE)
		spec.body = sl_span_str(r->generate.body);
	r->status = 0;
	r->body_len = 0;
	r->tried = 0;
	sl_metric_add(p->metrics, SL_M_PROBES, 1);
	r->fetch = sl_fetch_start(p->loop, ep == r->ep ? p->upstreams : p->pages, ep, &spec,
	                          &fetch_events, r);
}

static void ask(struct sl_probe_run *r, enum probe_step step)
{
	enum sl_probe_question question = steps[step].question;
	bool any = prober_path(r, question, r->at[question], &r->path);

	if (!any) { /* the configuration has changed */
		r->at[question] = 0;
		any = prober_path(r, question, 0, &r->path);
	}
	r->step = step;
	if (!any) {
		rest(r);
		return;
	}
	if (r->path.form == SL_ANSWER_PAGE)
		prepare_page(r);
	fetch(r, step == STEP_LOAD ? prober_load_endpoint(r) : r->ep);
}

static void ask_detect(struct sl_probe_run *r)
{
	r->step = STEP_DETECT;
	r->path = (struct sl_probe_path){ sl_detect_ask(&r->detect), SL_ANSWER_MODELS };
	fetch(r, r->ep);
}

static void ask_generate(struct sl_probe_run *r)
{
	sl_generate_ask(&r->generate, r->engine, r->prober->loop->now_us);
	r->step = STEP_GENERATE;
	r->path = (struct sl_probe_path){ r->generate.path, SL_ANSWER_NOTHING };
	fetch(r, r->ep);
}

/* ---- the fetch's events ---------------------------------------------- */

static void on_status(void *user, int status)
{
	struct sl_probe_run *r = user;

	r->status = status;
	r->arrived_us = r->prober->loop->now_us;
}

static void keep_body(struct sl_probe_run *r, const char *data, size_t len)
{
	if (r->body_len + len > r->body_size) {
		r->body_size = 2 * (r->body_len + len);
		r->body = realloc(r->body, r->body_size);
		if (!r->body)
			abort(); /* at most twice BODY_MAX */
	}
	memcpy(r->body + r->body_len, data, len);
	r->body_len += len;
}

static void on_data(void *user, const char *data, size_t len)
{
	struct sl_probe_run *r = user;

	if (r->path.form == SL_ANSWER_PAGE) {
		if (r->status == 200)
			sl_page_reader_feed(r->page, data, len);
	} else if (r->path.form != SL_ANSWER_NOTHING &&
	           (r->step != STEP_DETECT || r->body_len < SL_DETECT_BYTES)) {
		keep_body(r, data, len);
	}
}

static void drop_body(struct sl_probe_run *r)
{
	free(r->body);
	r->body = NULL;
	r->body_len = r->body_size = 0;
}

static void on_end(void *user, enum sl_probe_result result, int status)
{
	struct sl_probe_run *r = user;

	r->fetch = NULL;
	if (result == SL_PROBE_OK)
		answered(r, status);
	else
		failed(r, result);
	if (r->step == STEP_IDLE)
		drop_body(r);
}

static const struct sl_fetch_events fetch_events = { on_status, on_data, on_end };

/* ---- life ------------------------------------------------------------ */

static void ignore_report(void *ctx, struct sl_endpoint *ep, bool ok)
{
	/* The judge hears of probes directly. */
	(void)ctx;
	(void)ep;
	(void)ok;
}

struct sl_prober *sl_prober_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                const struct sl_prober_events *events, void *ctx)
{
	struct sl_prober *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->loop = loop;
	p->metrics = metrics;
	p->events = events;
	p->ctx = ctx;
	p->rng.state = 88172645463325252ull;
	p->upstreams = sl_upstreams_new(loop, metrics, ignore_report, p);
	p->pages = sl_upstreams_new(loop, metrics, ignore_report, p);
	return p;
}

void sl_prober_free(struct sl_prober *p)
{
	sl_upstreams_free(p->pages);
	sl_upstreams_free(p->upstreams);
	free(p);
}

void sl_prober_add(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->prober = p;
	r->engine = engine;
	r->ep = sl_endpoint_ref(engine->ep);
	r->next_timer = (struct sl_timer){ .fn = begin_round, .arg = r };
	sl_engine_page_clear(&r->last);
	engine->probe = r;
	if (p->n_beginning >= BEGIN_AT_ONCE) {
		sl_timer_arm(p->loop, &r->next_timer, random_below(p, BEGIN_US));
		return;
	}
	r->beginning = true;
	p->n_beginning++;
	begin_round(r);
}

static void stop_asking(struct sl_probe_run *r)
{
	if (r->fetch)
		sl_fetch_cancel(r->fetch);
	r->fetch = NULL;
	sl_timer_disarm(r->prober->loop, &r->next_timer);
}

void sl_prober_hurry(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = engine->probe;

	(void)p;
	if (!r)
		return;
	stop_asking(r);
	begin_round(r);
}

void sl_prober_del(struct sl_prober *p, struct sl_engine *engine)
{
	struct sl_probe_run *r = engine->probe;

	if (!r)
		return;
	engine->probe = NULL;
	stop_asking(r);
	end_beginning(r);
	prober_drop_load_endpoint(r);
	sl_upstreams_retire(p->upstreams, r->ep);
	sl_endpoint_unref(r->ep);
	sl_page_reader_free(r->page);
	free(r->body);
	free(r->lines);
	free(r);
}

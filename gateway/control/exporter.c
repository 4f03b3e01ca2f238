/* exporter.c: see exporter.h. */
#include "gateway/control/exporter.h"

#include <stdlib.h>

#include "gateway/telemetry/log.h"

#define PAGE_MAX (16u << 20)
/* Shorter than the time between two questions, so that no connection is met
 * while it is being closed. */
#define IDLE_US 2000000u
#define STALE_INTERVALS 3

static const char no_address[] = "it has no address so far";

static void ask(void *arg);

/* ---- what came of it -------------------------------------------------- */

static void rest(struct sl_exporter *x)
{
	uint64_t interval = x->rig->interval_us;
	/* A tenth either way, so that a fleet is not asked in one breath. */
	uint64_t jitter = sl_rng_next(&x->rig->rng) % (interval / 5 + 1);

	sl_timer_arm(x->rig->loop, &x->timer, interval - interval / 10 + jitter);
}

static void in_trouble(struct sl_exporter *x, const char *why)
{
	const struct sl_exporter_rig *rig = x->rig;
	uint64_t limit_us = STALE_INTERVALS * rig->interval_us + rig->timeout_us;
	bool stale = x->page_us && rig->loop->now_us - x->page_us > limit_us;
	bool news = x->trouble != why || x->stale != stale;

	if (why)
		sl_metric_add(rig->metrics, SL_M_GPU_SCRAPE_FAILURES, 1);
	if (why && !x->trouble)
		sl_warn("exporter %s: %s; its GPUs stay as they were", x->url, why);
	else if (!why && x->trouble)
		sl_info("exporter %s: all is well again", x->url);
	x->trouble = why;
	x->stale = stale;
	if (news)
		rig->events->on_trouble(rig->ctx, x);
}

static void hear(void *ctx, const struct sl_gpu_news *news)
{
	struct sl_exporter *x = ctx;

	x->rig->events->on_news(x->rig->ctx, x, news);
}

/* A page without any GPU is no sign that all of them are gone. */
static void read_page(struct sl_exporter *x)
{
	struct sl_exporter_rig *rig = x->rig;
	struct sl_gpu_page page;

	if (sl_gpu_reader_finish(x->reader, &page) != 0) {
		in_trouble(x, "its page tells of no GPU");
		return;
	}
	x->kind = page.kind;
	x->page_us = rig->loop->now_us;
	sl_gpu_book_page(x->book, &rig->policy, &page, x->page_us, hear, x);
	in_trouble(x, NULL);
	rig->events->on_page(rig->ctx, x);
}

/* ---- the fetch -------------------------------------------------------- */

static void on_status(void *user, int status)
{
	struct sl_exporter *x = user;

	x->status = status;
}

static void on_data(void *user, const char *data, size_t len)
{
	struct sl_exporter *x = user;

	if (x->status == 200)
		sl_gpu_reader_feed(x->reader, data, len);
}

static void on_end(void *user, enum sl_probe_result result, int status)
{
	static const char *const texts[] = {
		[SL_PROBE_REFUSED] = "it refuses connections",
		[SL_PROBE_TIMEOUT] = "no answer in time",
		[SL_PROBE_BROKEN] = "its answer broke off",
	};
	struct sl_exporter *x = user;

	x->fetch = NULL;
	if (result == SL_PROBE_OK && status == 200)
		read_page(x);
	else if (result == SL_PROBE_OK || (size_t)result >= SL_COUNT(texts) || !texts[result])
		in_trouble(x, "its answer has not the status 200");
	else
		in_trouble(x, texts[result]);
	sl_gpu_reader_free(x->reader);
	x->reader = NULL;
	rest(x);
}

static const struct sl_fetch_events fetch_events = { on_status, on_data, on_end };

static void ask(void *arg)
{
	struct sl_exporter *x = arg;
	struct sl_exporter_rig *rig = x->rig;
	struct sl_fetch_spec spec = {
		.path = sl_span_str(x->path),
		.connect_timeout_us = rig->timeout_us,
		.timeout_us = rig->timeout_us,
		.max_bytes = PAGE_MAX,
		.idle_timeout_us = IDLE_US,
	};

	x->status = 0;
	x->reader = sl_gpu_reader_new();
	sl_metric_add(rig->metrics, SL_M_GPU_SCRAPES, 1);
	x->fetch = sl_fetch_start(rig->loop, rig->upstreams, x->ep, &spec, &fetch_events, x);
}

/* ---- life ------------------------------------------------------------- */

struct sl_exporter *sl_exporter_open(struct sl_exporter_rig *rig, const char *url, const char *path,
                                     struct sl_endpoint *ep_take)
{
	struct sl_exporter *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	x->rig = rig;
	x->url = strdup(url);
	x->path = strdup(path);
	x->trouble = no_address;
	x->book = sl_gpu_book_new();
	x->timer = (struct sl_timer){ .fn = ask, .arg = x };
	if (ep_take)
		sl_exporter_move(x, ep_take);
	return x;
}

static void stop_asking(struct sl_exporter *x)
{
	if (x->fetch)
		sl_fetch_cancel(x->fetch);
	x->fetch = NULL;
	sl_timer_disarm(x->rig->loop, &x->timer);
	if (x->ep)
		sl_upstreams_retire(x->rig->upstreams, x->ep);
	sl_endpoint_unref(x->ep);
	x->ep = NULL;
	sl_gpu_reader_free(x->reader);
	x->reader = NULL;
}

void sl_exporter_move(struct sl_exporter *x, struct sl_endpoint *ep_take)
{
	stop_asking(x);
	x->ep = ep_take;
	if (x->trouble == no_address)
		x->trouble = NULL;
	ask(x);
}

void sl_exporter_close(struct sl_exporter *x)
{
	stop_asking(x);
	sl_gpu_book_free(x->book);
	free(x->url);
	free(x->path);
	free(x);
}

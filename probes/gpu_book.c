/* gpu_book.c: the GPUs of one exporter, judged by what its pages say over time.
 *
 * Nouns: a sign is one cause why a GPU is not healthy, with a class; a page says
 * of a cause that it is ill, that it is well, or nothing. A level (row remap,
 * a health watch, heat) is ill as long as the page says so, and a while
 * longer; an event (a new XID, a counter that rose, a UUID that is gone) is
 * never taken back by a page, but by a reset, or by time.
 *
 * Invariants: a sticky number that was there when a GPU was first seen is
 * history; only its change is an event. A GPU's class is that of its worst
 * sign. A reset takes all events away. It refuses to take silence for news:
 * without a page nothing changes, not even by time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "sluice/gpu.h"
#include "sluice/route.h"

/* One page without it may be an exporter that was collecting. */
#define VANISH_PAGES 2
/* Bits of the clock event reasons. A cap on power (4) is normal under load. */
#define REASONS_HARDWARE (0x8u | 0x40u | 0x80u) /* slowdown, thermal, power brake */
#define REASONS_THERMAL 0x20u                   /* the driver's own: slower, but not ill */
#define THERMAL_SHARE_ILL 0.01
#define BUSY_ENOUGH 5.0    /* percent; the clock of an idle GPU says nothing */
#define BUSY_USUALLY 50.0  /* from here on a clock is one that it usually has */
#define USUAL_TAU_US 3.6e9 /* how fast a lower usual clock is believed */

struct sl_gpu_book {
	struct sl_gpu *gpus; /* owned */
	uint32_t n, size;
};

/* What one page says of one cause. */
enum says { SAYS_NOTHING, SAYS_WELL, SAYS_ILL };
struct saying {
	enum says says;
	enum sl_gpu_class class_;
	uint32_t detail;
};

/* A GPU, what was read of it before, what is read now. */
struct look {
	const struct sl_gpu_policy *policy;
	const struct sl_gpu *gpu; /* its `last` is what was read before */
	const struct sl_gpu_reading *now;
	double elapsed_us; /* between the two */
};

/* ---- figures ---------------------------------------------------------- */

static double before_of(const struct look *l, enum sl_gpu_figure f)
{
	return l->gpu->last.figures[f];
}

static double now_of(const struct look *l, enum sl_gpu_figure f)
{
	return l->now->figures[f];
}

/* False, too, if either is not known. */
static bool rose(const struct look *l, enum sl_gpu_figure f)
{
	return now_of(l, f) > before_of(l, f);
}

static bool fell(const struct look *l, enum sl_gpu_figure f)
{
	return now_of(l, f) < before_of(l, f);
}

static struct saying ill(enum sl_gpu_class class_, double detail)
{
	return (struct saying){ SAYS_ILL, class_,
		                detail > 0 ? (uint32_t)fmin(detail, UINT32_MAX) : 0 };
}

static struct saying nothing(void)
{
	return (struct saying){ .says = SAYS_NOTHING };
}

static struct saying level(const struct look *l, enum sl_gpu_figure f, enum sl_gpu_class class_)
{
	double value = now_of(l, f);

	if (isnan(value))
		return nothing();
	return value >= 1 ? ill(class_, value) : (struct saying){ .says = SAYS_WELL };
}

static struct saying event(const struct look *l, enum sl_gpu_figure f, enum sl_gpu_class class_)
{
	return rose(l, f) ? ill(class_, now_of(l, f) - before_of(l, f)) : nothing();
}

/* ---- one cause each --------------------------------------------------- */

static double count_before(const struct look *l, uint32_t xid)
{
	for (uint32_t i = 0; i < l->gpu->last.n_xids; i++)
		if (l->gpu->last.xids[i].xid == xid)
			return l->gpu->last.xids[i].count;
	return 0;
}

static void add_xid(const struct look *l, double xid, struct saying *worst)
{
	enum sl_gpu_class class_ = sl_gpu_xid_class(l->policy, (uint32_t)xid);

	if (worst->says != SAYS_ILL || class_ > worst->class_)
		*worst = ill(class_, xid);
}

/* The gauge is the last one's number and stays; the counts are over a window,
 * and fall when it has passed. */
static struct saying say_xid(const struct look *l)
{
	double before = before_of(l, SL_GPU_XID), now = now_of(l, SL_GPU_XID);
	struct saying worst = nothing();

	if (!isnan(before) && now >= 1 && now < 1e6 && now != before)
		add_xid(l, now, &worst);
	for (uint32_t i = 0; i < l->now->n_xids; i++)
		if (l->now->xids[i].count > count_before(l, l->now->xids[i].xid))
			add_xid(l, l->now->xids[i].xid, &worst);
	return worst;
}

static struct saying say_recovery(const struct look *l)
{
	return level(l, SL_GPU_RECOVERY, SL_GPU_FAILED);
}

static struct saying say_remap_failed(const struct look *l)
{
	return level(l, SL_GPU_REMAP_FAILED, SL_GPU_FAILED);
}

static struct saying say_remap_pending(const struct look *l)
{
	return level(l, SL_GPU_REMAP_PENDING, SL_GPU_DEGRADED);
}

static struct saying say_remapped(const struct look *l)
{
	return event(l, SL_GPU_REMAPPED, SL_GPU_DEGRADED);
}

static struct saying say_ecc(const struct look *l)
{
	return event(l, SL_GPU_DBE, SL_GPU_FAILED);
}

static struct saying say_watch(const struct look *l)
{
	double value = now_of(l, SL_GPU_WATCH);

	return level(l, SL_GPU_WATCH, value >= 20 ? SL_GPU_FAILED : SL_GPU_DEGRADED);
}

static struct saying say_verdict(const struct look *l)
{
	double well = now_of(l, SL_GPU_WELL);

	if (isnan(well))
		return nothing();
	return well >= 1 ? (struct saying){ .says = SAYS_WELL } : ill(SL_GPU_FAILED, 0);
}

/* A port that was never up may have no cable. */
static struct saying say_link(const struct look *l)
{
	double up = now_of(l, SL_GPU_LINK_UP);

	if (rose(l, SL_GPU_LINK_RECOVERIES))
		return ill(SL_GPU_LINK, 0);
	if (up >= 1)
		return (struct saying){ .says = SAYS_WELL };
	if (up < before_of(l, SL_GPU_LINK_UP) ||
	    (up < 1 && l->gpu->signs[SL_GPU_CAUSE_LINK].class_))
		return ill(SL_GPU_LINK, 0);
	return nothing();
}

static uint32_t clock_reasons(const struct look *l)
{
	double bits = now_of(l, SL_GPU_CLOCK_REASONS);

	return bits >= 0 && bits < 4294967296.0 ? (uint32_t)bits : 0;
}

/* Of the time between two pages; -1 not known. DCGM's documents say micro-
 * seconds, NVML's nanoseconds: more than all of the time can only be the latter. */
static double thermal_share(const struct look *l)
{
	double delta = now_of(l, SL_GPU_THERMAL_TIME) - before_of(l, SL_GPU_THERMAL_TIME);

	if (now_of(l, SL_GPU_THERMAL_PERCENT) >= 0)
		return fmin(now_of(l, SL_GPU_THERMAL_PERCENT) / 100, 1);
	if (!(delta >= 0) || l->elapsed_us <= 0)
		return -1;
	if (delta > l->elapsed_us)
		delta /= 1000;
	return fmin(delta / l->elapsed_us, 1);
}

static struct saying say_slowed(const struct look *l)
{
	double limit = now_of(l, SL_GPU_SLOWDOWN_LIMIT), share = thermal_share(l);
	bool known = !isnan(now_of(l, SL_GPU_CLOCK_REASONS)) || share >= 0 ||
	             !isnan(now_of(l, SL_GPU_CLOCK_EVENTS)) || limit >= 1;

	if ((clock_reasons(l) & REASONS_HARDWARE) || share > THERMAL_SHARE_ILL ||
	    rose(l, SL_GPU_CLOCK_EVENTS) || (limit >= 1 && now_of(l, SL_GPU_TEMPERATURE) >= limit))
		return ill(SL_GPU_DEGRADED, 0);
	return known ? (struct saying){ .says = SAYS_WELL } : nothing();
}

/* Those that a reading alone tells; VANISHED is the book's. */
static struct saying (*const sayings[SL_GPU_CAUSE_COUNT])(const struct look *l) = {
	[SL_GPU_CAUSE_XID] = say_xid,
	[SL_GPU_CAUSE_RECOVERY] = say_recovery,
	[SL_GPU_CAUSE_REMAP_FAILED] = say_remap_failed,
	[SL_GPU_CAUSE_ECC] = say_ecc,
	[SL_GPU_CAUSE_WATCH] = say_watch,
	[SL_GPU_CAUSE_VERDICT] = say_verdict,
	[SL_GPU_CAUSE_LINK] = say_link,
	[SL_GPU_CAUSE_REMAP_PENDING] = say_remap_pending,
	[SL_GPU_CAUSE_REMAPPED] = say_remapped,
	[SL_GPU_CAUSE_SLOWED] = say_slowed,
};

/* Volatile counts start anew, the last XID is gone, nothing needs recovery any
 * more, or what was gone is back. */
static bool was_reset(const struct look *l)
{
	double xid = now_of(l, SL_GPU_XID), recovery = now_of(l, SL_GPU_RECOVERY);

	return fell(l, SL_GPU_DBE) || (fell(l, SL_GPU_XID) && xid < 1) ||
	       (fell(l, SL_GPU_RECOVERY) && recovery < 1) || l->gpu->missed >= VANISH_PAGES;
}

/* ---- signs ------------------------------------------------------------ */

/* What no page takes back. */
static const bool is_event[SL_GPU_CAUSE_COUNT] = {
	[SL_GPU_CAUSE_XID] = true,
	[SL_GPU_CAUSE_ECC] = true,
	[SL_GPU_CAUSE_LINK] = true,
	[SL_GPU_CAUSE_REMAPPED] = true,
};

static void hear(struct sl_gpu *g, size_t cause, const struct saying *s, uint64_t now_us)
{
	struct sl_gpu_sign *sign = &g->signs[cause];

	if (s->says == SAYS_WELL && sign->class_ && !sign->over_us)
		sign->over_us = now_us;
	if (s->says != SAYS_ILL || s->class_ < SL_GPU_DEGRADED ||
	    (is_event[cause] && s->class_ < sign->class_))
		return;
	*sign = (struct sl_gpu_sign){ .class_ = s->class_, .last_us = now_us, .detail = s->detail };
}

static void age_signs(struct sl_gpu *g, const struct sl_gpu_policy *p, uint64_t now_us)
{
	for (size_t i = 0; i < SL_GPU_CAUSE_COUNT; i++) {
		struct sl_gpu_sign *sign = &g->signs[i];
		bool denied = sign->over_us && now_us - sign->over_us >= p->calm_us;

		if (denied || now_us - sign->last_us >= p->hold_us)
			sign->class_ = SL_GPU_IGNORE;
	}
}

/* Events are over; levels speak for themselves. What has vanished must stay for
 * a while before it is believed. */
static void forget_events(struct sl_gpu *g, uint64_t now_us)
{
	for (size_t i = 0; i < SL_GPU_CAUSE_COUNT; i++)
		if (is_event[i])
			g->signs[i].class_ = SL_GPU_IGNORE;
	if (!g->signs[SL_GPU_CAUSE_VANISHED].over_us)
		g->signs[SL_GPU_CAUSE_VANISHED].over_us = now_us;
}

static void write_reason(struct sl_gpu *g)
{
	static const char *const texts[] = {
#define SL_GPU_CAUSE(NAME, label, text) text,
#include "sluice/gpu_cause.def"
#undef SL_GPU_CAUSE
	};
	static const char *const actions[] = { "", "a reset", "a reboot of its host",
		                               "to be drained", "to be drained and reset" };
	uint32_t detail = g->signs[g->cause].detail;
	const char *text = texts[g->cause];
	char *out = g->reason;

	if (g->cause == SL_GPU_CAUSE_XID)
		snprintf(out, SL_GPU_REASON_MAX, "%s %u%s%s", text, detail,
		         *sl_gpu_xid_text(detail) ? ", " : "", sl_gpu_xid_text(detail));
	else if (g->cause == SL_GPU_CAUSE_RECOVERY)
		snprintf(out, SL_GPU_REASON_MAX, "%s %s", text,
		         detail < SL_COUNT(actions) ? actions[detail] : "recovery");
	else if (g->cause == SL_GPU_CAUSE_WATCH)
		snprintf(out, SL_GPU_REASON_MAX, "%s %s: %s", text, g->last.watch,
		         detail >= 20 ? "failure" : "warning");
	else if (g->cause == SL_GPU_CAUSE_SLOWED && g->derate > 1)
		snprintf(out, SL_GPU_REASON_MAX, "%s, %.1f times", text, g->derate);
	else
		snprintf(out, SL_GPU_REASON_MAX, "%s", text);
}

static void tell(const struct sl_gpu *g, enum sl_gpu_class before, enum sl_gpu_cause cause,
                 uint32_t xid, sl_gpu_news_fn news, void *ctx)
{
	struct sl_gpu_news what = { g, before, cause, xid };

	news(ctx, &what);
}

/* The worst sign is the GPU's class. */
static void settle(struct sl_gpu *g, uint64_t now_us, sl_gpu_news_fn news, void *ctx)
{
	enum sl_gpu_class before = g->class_, worst = SL_GPU_IGNORE;
	enum sl_gpu_cause cause_before = g->cause, cause = SL_GPU_CAUSE_NONE;

	for (size_t i = 0; i < SL_GPU_CAUSE_COUNT; i++) {
		if (g->signs[i].class_ > worst) {
			worst = g->signs[i].class_;
			cause = (enum sl_gpu_cause)i;
		}
	}
	g->class_ = worst;
	g->cause = cause;
	write_reason(g);
	if (worst == before)
		return;
	g->since_us = now_us;
	tell(g, before, cause ? cause : cause_before, 0, news, ctx);
}

/* ---- clocks ----------------------------------------------------------- */

static void learn_clock(struct sl_gpu *g, const struct look *l)
{
	double clock = now_of(l, SL_GPU_CLOCK);

	if (!(clock >= 1))
		return;
	if (clock > g->usual_clock)
		g->usual_clock = clock;
	else if (now_of(l, SL_GPU_BUSY) >= BUSY_USUALLY)
		g->usual_clock += (clock - g->usual_clock) * fmin(1, l->elapsed_us / USUAL_TAU_US);
}

/* How much slower than usual, while something slows it down. */
static double slowdown_now(const struct sl_gpu *g, const struct look *l)
{
	double clock = now_of(l, SL_GPU_CLOCK), share = thermal_share(l), factor = g->derate;

	if (clock >= 1 && g->usual_clock > 0 && !(now_of(l, SL_GPU_BUSY) < BUSY_ENOUGH))
		factor = g->usual_clock / clock;
	else if (share > THERMAL_SHARE_ILL)
		factor = 1 / (1 - share / 2); /* half as fast for that share of the time */
	return fmax(1, fmin(factor, SL_DERATE_MAX));
}

static void derate(struct sl_gpu *g, const struct look *l, bool slowed)
{
	if (slowed || (clock_reasons(l) & REASONS_THERMAL)) {
		g->derate = slowdown_now(g, l);
		return;
	}
	g->derate = 1;
	learn_clock(g, l);
}

/* What is compared with the next page stays over one that leaves it blank. */
static void remember(struct sl_gpu *g, const struct sl_gpu_reading *now)
{
	static const enum sl_gpu_figure compared[] = { SL_GPU_XID,      SL_GPU_DBE,
		                                       SL_GPU_REMAPPED, SL_GPU_LINK_RECOVERIES,
		                                       SL_GPU_LINK_UP,  SL_GPU_CLOCK_EVENTS,
		                                       SL_GPU_RECOVERY };
	struct sl_gpu_reading before = g->last;

	g->last = *now;
	for (size_t i = 0; i < SL_COUNT(compared); i++)
		if (isnan(now->figures[compared[i]]))
			g->last.figures[compared[i]] = before.figures[compared[i]];
}

/* ---- a page ----------------------------------------------------------- */

static void read_gpu(struct sl_gpu *g, const struct sl_gpu_policy *policy,
                     const struct sl_gpu_reading *now, uint64_t now_us, sl_gpu_news_fn news,
                     void *ctx)
{
	struct look l = { policy, g, now, (double)(now_us - g->read_us) };
	struct saying said[SL_GPU_CAUSE_COUNT] = { { .says = SAYS_NOTHING } };

	for (size_t i = 0; i < SL_GPU_CAUSE_COUNT; i++)
		if (sayings[i])
			said[i] = sayings[i](&l);
	if (was_reset(&l))
		forget_events(g, now_us);
	for (size_t i = 0; i < SL_GPU_CAUSE_COUNT; i++)
		hear(g, i, &said[i], now_us);
	derate(g, &l, said[SL_GPU_CAUSE_SLOWED].says == SAYS_ILL);
	remember(g, now);
	g->read_us = now_us;
	g->missed = 0;
	g->present = true;
	age_signs(g, policy, now_us);
	settle(g, now_us, news, ctx);
	if (said[SL_GPU_CAUSE_XID].says == SAYS_ILL &&
	    said[SL_GPU_CAUSE_XID].class_ < SL_GPU_DEGRADED)
		tell(g, g->class_, SL_GPU_CAUSE_XID, said[SL_GPU_CAUSE_XID].detail, news, ctx);
}

static void miss_gpu(struct sl_gpu *g, const struct sl_gpu_policy *policy, uint64_t now_us,
                     sl_gpu_news_fn news, void *ctx)
{
	const struct saying gone = { SAYS_ILL, SL_GPU_FAILED, 0 };

	g->present = false;
	if (++g->missed == VANISH_PAGES)
		hear(g, SL_GPU_CAUSE_VANISHED, &gone, now_us);
	age_signs(g, policy, now_us);
	settle(g, now_us, news, ctx);
}

static const struct sl_gpu_reading *find_reading(const struct sl_gpu_page *page, const char *key,
                                                 uint32_t hint)
{
	for (uint32_t i = 0; i < page->n_gpus; i++) {
		const struct sl_gpu_reading *r = &page->gpus[(hint + i) % page->n_gpus];

		if (strcmp(r->key, key) == 0)
			return r;
	}
	return NULL;
}

static bool is_known(const struct sl_gpu_book *b, const char *key, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (strcmp(b->gpus[i].last.key, key) == 0)
			return true;
	return false;
}

static struct sl_gpu *add_gpu(struct sl_gpu_book *b, const char *key, uint64_t now_us)
{
	struct sl_gpu *g;

	if (b->n == SL_GPU_PAGE_MAX)
		return NULL;
	if (b->n == b->size) {
		b->size = b->size ? 2 * b->size : 8;
		b->gpus = realloc(b->gpus, b->size * sizeof(*b->gpus));
		if (!b->gpus)
			abort(); /* at most SL_GPU_PAGE_MAX */
	}
	g = &b->gpus[b->n++];
	*g = (struct sl_gpu){ .since_us = now_us, .derate = 1, .read_us = now_us };
	memcpy(g->last.key, key, sizeof(g->last.key));
	for (size_t i = 0; i < SL_GPU_FIGURE_COUNT; i++)
		g->last.figures[i] = (double)NAN;
	return g;
}

/* Its XID, if there is one, is history: said, not acted on. */
static void meet_gpu(struct sl_gpu_book *b, const struct sl_gpu_policy *policy,
                     const struct sl_gpu_reading *now, uint64_t now_us, sl_gpu_news_fn news,
                     void *ctx)
{
	struct sl_gpu *g = add_gpu(b, now->key, now_us);
	double xid = now->figures[SL_GPU_XID];

	if (!g)
		return;
	memcpy(g->last.xids, now->xids, sizeof(g->last.xids));
	g->last.n_xids = now->n_xids;
	read_gpu(g, policy, now, now_us, news, ctx);
	if (xid >= 1 && xid < 1e6)
		tell(g, g->class_, SL_GPU_CAUSE_NONE, (uint32_t)xid, news, ctx);
}

static void forget_gone(struct sl_gpu_book *b)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < b->n; i++) {
		const struct sl_gpu *g = &b->gpus[i];

		if (g->missed < VANISH_PAGES || g->signs[SL_GPU_CAUSE_VANISHED].class_)
			b->gpus[n++] = *g;
	}
	b->n = n;
}

void sl_gpu_book_page(struct sl_gpu_book *b, const struct sl_gpu_policy *policy,
                      const struct sl_gpu_page *page, uint64_t now_us, sl_gpu_news_fn news,
                      void *ctx)
{
	uint32_t known = b->n;

	for (uint32_t i = 0; i < known; i++) {
		struct sl_gpu *g = &b->gpus[i];
		const struct sl_gpu_reading *now = find_reading(page, g->last.key, i);

		if (now)
			read_gpu(g, policy, now, now_us, news, ctx);
		else
			miss_gpu(g, policy, now_us, news, ctx);
	}
	for (uint32_t i = 0; i < page->n_gpus; i++)
		if (!is_known(b, page->gpus[i].key, known))
			meet_gpu(b, policy, &page->gpus[i], now_us, news, ctx);
	forget_gone(b);
}

const struct sl_gpu *sl_gpu_book_list(const struct sl_gpu_book *b, uint32_t *out_n)
{
	*out_n = b->n;
	return b->gpus;
}

struct sl_gpu_book *sl_gpu_book_new(void)
{
	struct sl_gpu_book *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	return b;
}

void sl_gpu_book_free(struct sl_gpu_book *b)
{
	if (!b)
		return;
	free(b->gpus);
	free(b);
}

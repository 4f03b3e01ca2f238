/* kube_feed.c: see kube_feed.h. */
#include "gateway/discovery/kube_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "gateway/telemetry/log.h"

#define PAGE_OBJECTS 500
#define WATCH_S 300
#define WATCH_JITTER_S 60
#define LIST_SILENCE_US 30000000u
/* Servers send a bookmark every minute or so; one that is silent for longer may
 * have been cut off without a word. Watching again from there costs nothing. */
#define WATCH_SILENCE_US 90000000u
#define WATCH_WORKS_US 10000000u
#define BACKOFF_US 1000000u
#define BACKOFF_MAX_US 30000000u

static const struct sl_fetch_events fetch_events;

/* ---- when next ------------------------------------------------------- */

/* Between half of it and all. */
static uint64_t jitter(struct kube_feed *f, uint64_t us)
{
	return us / 2 + sl_rng_next(&f->rng) % (us / 2 + 1);
}

static void rest(struct kube_feed *f, uint64_t after_us)
{
	f->state = KUBE_FEED_RESTS;
	sl_timer_arm(f->loop, &f->retry, after_us);
}

/* The first time at once, then later each time. */
static void retry(struct kube_feed *f)
{
	uint32_t doubled = f->failures > 6 ? 6 : f->failures;
	uint64_t us = doubled ? (uint64_t)BACKOFF_US << (doubled - 1) : 0;

	f->failures++;
	rest(f, us ? jitter(f, us < BACKOFF_MAX_US ? us : BACKOFF_MAX_US) : 0);
}

/* ... and said. */
static void fail(struct kube_feed *f, const char *reason)
{
	f->events->on_trouble(f->ctx, reason);
	if (!f->failures)
		f->failures = 1;
	retry(f);
}

static void forget_version(struct kube_feed *f)
{
	free(f->version);
	f->version = NULL;
}

/* ---- what went wrong, in words --------------------------------------- */

static const char *in_namespace(const struct kube_feed *f, char *buf, size_t size)
{
	if (!strcmp(f->namespace_, "*"))
		return "in all namespaces";
	snprintf(buf, size, "in namespace %s", f->namespace_);
	return buf;
}

static const char *watch_or_list(const struct kube_feed *f)
{
	return f->version ? "watch" : "list";
}

static void tell_status(const struct kube_feed *f, char reason[KUBE_REASON_MAX])
{
	const struct sl_kube_names *names = sl_kube_names(f->resource);
	const char *said = f->said.message;
	char place[300];

	in_namespace(f, place, sizeof(place));
	if (f->status == 401)
		snprintf(reason, KUBE_REASON_MAX, "the API server does not accept the token (401)");
	else if (f->status == 403)
		snprintf(
		        reason, KUBE_REASON_MAX,
		        "may not %s %s %s (403): the account needs get, list and watch on them; %s",
		        watch_or_list(f), names->plural, in_namespace(f, place, sizeof(place)),
		        said);
	else if (f->status == 404)
		snprintf(reason, KUBE_REASON_MAX, "the API server has no %s of %s/%s (404)",
		         names->plural, names->group, names->version);
	else
		snprintf(reason, KUBE_REASON_MAX, "the API server answers %d to %s %s: %s",
		         f->status, watch_or_list(f), names->plural, said);
}

static void tell_result(const struct kube_feed *f, enum sl_probe_result result,
                        char reason[KUBE_REASON_MAX])
{
	static const char *const words[] = {
		[SL_PROBE_REFUSED] = "cannot be connected, or its certificate is not trusted",
		[SL_PROBE_TIMEOUT] = "does not answer",
	};
	const char *word = (size_t)result < SL_COUNT(words) ? words[result] : NULL;

	snprintf(reason, KUBE_REASON_MAX, "the API server %s %s", kube_api_name(&f->api),
	         word ? word : "broke off in its answer");
}

/* ---- asking ---------------------------------------------------------- */

static void ask(struct kube_feed *f, enum kube_feed_state state, char *path_take,
                uint64_t silence_us)
{
	char reason[KUBE_REASON_MAX] = "";

	f->status = 0;
	f->answer_len = 0;
	f->state = state;
	f->said = (struct sl_kube_status){ 0 };
	sl_kube_stream_reset(f->stream, state == KUBE_FEED_LISTS ? SL_KUBE_LIST : SL_KUBE_OBJECTS);
	f->fetch = kube_api_ask(&f->api, path_take, silence_us, &fetch_events, f, reason);
	free(path_take);
	if (!f->fetch)
		fail(f, reason);
}

/* After two lists whose rest was forgotten meanwhile: all in one. */
static void ask_page(struct kube_feed *f, const char *next)
{
	uint32_t limit = f->expired < 2 ? PAGE_OBJECTS : 0;

	ask(f, KUBE_FEED_LISTS,
	    sl_kube_list_path(f->rules, f->resource, f->namespace_, limit, next), LIST_SILENCE_US);
}

static void begin_list(struct kube_feed *f)
{
	sl_metric_add(f->metrics, SL_M_KUBERNETES_LISTS, 1);
	kube_api_namespace(&f->api, f->namespace_);
	sl_kube_listing_fini(&f->listing);
	f->unread = 0;
	f->skipped = sl_kube_stream_skipped(f->stream);
	f->events->on_begin(f->ctx);
	ask_page(f, "");
}

static void begin_watch(struct kube_feed *f)
{
	uint32_t timeout_s = WATCH_S + (uint32_t)(sl_rng_next(&f->rng) % WATCH_JITTER_S);

	sl_metric_add(f->metrics, SL_M_KUBERNETES_WATCHES, 1);
	f->relist = f->unclear = f->heard = false;
	f->watched_us = f->loop->now_us;
	f->skipped = sl_kube_stream_skipped(f->stream);
	ask(f, KUBE_FEED_WATCHES,
	    sl_kube_watch_path(f->rules, f->resource, f->namespace_, f->version, timeout_s),
	    WATCH_SILENCE_US);
}

static void begin(struct kube_feed *f)
{
	if (f->version)
		begin_watch(f);
	else
		begin_list(f);
}

static void on_found(void *ctx)
{
	struct kube_feed *f = ctx;

	if (f->api.ep)
		begin(f);
	else
		fail(f, f->api.unfound);
}

static void on_retry(void *arg)
{
	struct kube_feed *f = arg;
	char reason[KUBE_REASON_MAX];
	int rc;

	if (f->api.question)
		return; /* its end begins */
	rc = kube_api_find(&f->api, on_found, f, reason);
	if (rc > 0)
		begin(f);
	else if (rc < 0)
		fail(f, reason);
}

static void stop_fetch(struct kube_feed *f)
{
	if (f->fetch)
		sl_fetch_cancel(f->fetch);
	f->fetch = NULL;
}

/* ---- lists ----------------------------------------------------------- */

static void complete(struct kube_feed *f)
{
	uint64_t refresh_us = f->rules->conf->refresh_us;

	forget_version(f);
	f->version = strdup(f->listing.version);
	f->expired = 0;
	if (f->unread || sl_kube_stream_skipped(f->stream) != f->skipped)
		sl_warn("kubernetes: objects of a list were left out: %u no JSON, %llu too large",
		        f->unread,
		        (unsigned long long)(sl_kube_stream_skipped(f->stream) - f->skipped));
	sl_timer_arm(f->loop, &f->refresh, refresh_us / 2 + jitter(f, refresh_us));
	f->events->on_complete(f->ctx);
}

static void end_list(struct kube_feed *f)
{
	if (sl_kube_stream_finish(f->stream) < 0 || !f->listing.version || !*f->listing.version) {
		fail(f, "the API server's list is not understood");
		return;
	}
	if (*f->listing.next) {
		ask_page(f, f->listing.next);
		return;
	}
	complete(f);
	if (f->state == KUBE_FEED_LISTS && !f->fetch)
		begin_watch(f);
}

/* ---- watches --------------------------------------------------------- */

static void tell_expired(const struct kube_feed *f)
{
	sl_info("kubernetes: what happened to %s %s since is forgotten (410): listing them again",
	        sl_kube_names(f->resource)->plural, f->namespace_);
}

/* A watch that said something, or lasted, worked: all is forgiven. */
static void end_watch(struct kube_feed *f)
{
	if (f->heard || f->loop->now_us - f->watched_us >= WATCH_WORKS_US)
		f->failures = 0;
	if (f->relist || sl_kube_stream_skipped(f->stream) != f->skipped)
		forget_version(f);
	if (f->unclear)
		fail(f, *f->said.message ? f->said.message : "the watch is not understood");
	else
		retry(f);
}

static void read_frame(struct kube_feed *f, struct sl_span json)
{
	switch (sl_kube_frame_read(json, &f->events->sink, f->ctx, &f->version, &f->said)) {
	case SL_KUBE_CHANGED:
	case SL_KUBE_BOOKMARK:
	case SL_KUBE_INITIAL:
		f->heard = true;
		f->events->on_alive(f->ctx);
		break;
	case SL_KUBE_EXPIRED:
		tell_expired(f);
		f->relist = true;
		break;
	case SL_KUBE_ERROR:
	case SL_KUBE_UNKNOWN:
		f->relist = f->unclear = true;
		break;
	}
}

/* ---- the fetch's events ---------------------------------------------- */

static void on_part(void *ctx, enum sl_kube_part part, struct sl_span json)
{
	struct kube_feed *f = ctx;

	if (f->state == KUBE_FEED_WATCHES) {
		if (!f->relist)
			read_frame(f, json);
	} else if (part == SL_KUBE_PART_METADATA) {
		if (sl_kube_listing_read(&f->listing, json) < 0)
			f->unread++;
	} else if (sl_kube_item_read(json, &f->events->sink, f->ctx) < 0) {
		f->unread++;
	}
}

static void on_status(void *user, int status)
{
	struct kube_feed *f = user;

	f->status = status;
	if (status == 200 && f->state == KUBE_FEED_WATCHES)
		f->events->on_trouble(f->ctx, NULL);
}

static void on_data(void *user, const char *data, size_t len)
{
	struct kube_feed *f = user;
	size_t room = sizeof(f->answer) - f->answer_len;

	if (f->status == 200) {
		sl_kube_stream_feed(f->stream, data, len);
		if (f->state == KUBE_FEED_WATCHES && f->relist) {
			stop_fetch(f);
			end_watch(f);
		}
		return;
	}
	len = len < room ? len : room;
	memcpy(f->answer + f->answer_len, data, len);
	f->answer_len += len;
}

static bool is_pool(const struct kube_feed *f)
{
	return f->resource == SL_KUBE_POOLS || f->resource == SL_KUBE_POOLS_OLD;
}

/* Any answer but 200. */
static void end_refused(struct kube_feed *f)
{
	char reason[KUBE_REASON_MAX];

	sl_kube_status_read(sl_span(f->answer, f->answer_len), &f->said);
	tell_status(f, reason);
	if (f->status == 410) {
		f->expired += !f->version;
		tell_expired(f);
		forget_version(f);
		retry(f);
		return;
	}
	forget_version(f);
	if (f->status == 404 && is_pool(f))
		kube_feed_other(f, reason);
	else
		fail(f, reason);
}

static void on_end(void *user, enum sl_probe_result result, int status)
{
	struct kube_feed *f = user;
	char reason[KUBE_REASON_MAX];

	f->fetch = NULL;
	if (f->status && f->status != 200) {
		end_refused(f);
	} else if (f->state == KUBE_FEED_WATCHES && f->status == 200) {
		end_watch(f);
	} else if (result == SL_PROBE_OK && status == 200) {
		end_list(f);
	} else {
		tell_result(f, result, reason);
		kube_api_doubt(&f->api);
		fail(f, reason);
	}
}

static const struct sl_fetch_events fetch_events = { on_status, on_data, on_end };

/* ---- life ------------------------------------------------------------ */

void kube_feed_restart(struct kube_feed *f)
{
	stop_fetch(f);
	forget_version(f);
	rest(f, 0);
}

void kube_feed_other(struct kube_feed *f, const char *reason)
{
	bool newer = f->resource == SL_KUBE_POOLS;

	stop_fetch(f);
	forget_version(f);
	f->resource = newer ? SL_KUBE_POOLS_OLD : SL_KUBE_POOLS;
	if (newer) {
		snprintf(f->not_newer, sizeof(f->not_newer), "%s", reason);
		rest(f, 0);
	} else {
		fail(f, f->status == 404 && *f->not_newer ? f->not_newer : reason);
	}
}

static void on_refresh(void *arg)
{
	struct kube_feed *f = arg;

	if (f->state == KUBE_FEED_WATCHES)
		kube_feed_restart(f);
	else if (f->state == KUBE_FEED_RESTS)
		forget_version(f); /* or the watch would be the next for good */
}

void kube_feed_open(struct kube_feed *f)
{
	kube_api_init(&f->api, f->loop, f->metrics, f->resolver, f->rules->conf);
	f->stream = sl_kube_stream_new(on_part, f);
	f->retry = (struct sl_timer){ .fn = on_retry, .arg = f };
	f->refresh = (struct sl_timer){ .fn = on_refresh, .arg = f };
	if (getrandom(&f->rng.state, sizeof(f->rng.state), 0) < 0 || !f->rng.state)
		f->rng.state = 88172645463325252ull;
	rest(f, 0);
}

void kube_feed_close(struct kube_feed *f)
{
	stop_fetch(f);
	sl_timer_disarm(f->loop, &f->retry);
	sl_timer_disarm(f->loop, &f->refresh);
	kube_api_fini(&f->api);
	sl_kube_stream_free(f->stream);
	sl_kube_listing_fini(&f->listing);
	forget_version(f);
}

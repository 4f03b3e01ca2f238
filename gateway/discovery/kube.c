/* kube.c: engines that Kubernetes knows: the Pods that a preset, a selector or
 * an InferencePool names, or the EndpointSlices of a Service.
 *
 * Two feeds at most: one for the pods or slices, and one for the InferencePool
 * whose word the first waits for. What changes is handed over at most every
 * HAND_OVER_US, because a rollout changes hundreds of pods a second and each
 * set that is handed over makes a new fleet. Before the first list is complete
 * nothing is handed over: half of the engines is no fleet. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/discovery/kube_feed.h"
#include "gateway/discovery/source.h"
#include "gateway/telemetry/log.h"

#define HAND_OVER_US 100000u

struct kube {
	struct sl_source *source; /* borrowed */
	struct sl_kube_rules rules;
	struct sl_kube_store *store; /* owned */
	struct kube_feed engines;
	struct kube_feed pool;       /* only with an inference_pool */
	bool has_pool, engines_open; /* which of them run */
	bool pool_seen;              /* in the list that is being read */
	bool pool_there;             /* it was there when it was last heard of */
	bool listed;                 /* the store is whole */
	char *troubles[2];           /* owned: the engines', the pool's */
	struct sl_timer hand_over;
	uint64_t handed_us;
	struct sl_timer tell_timer;
	struct sl_kube_counts told; /* of the last line about it */
	uint64_t told_us;           /* when; 0 never */
};

/* ---- trouble --------------------------------------------------------- */

static void set_trouble(struct kube *k, size_t which, const char *reason)
{
	free(k->troubles[which]);
	k->troubles[which] = reason ? strdup(reason) : NULL;
	sl_source_trouble(k->source, k->troubles[1] ? k->troubles[1] : k->troubles[0]);
}

static void on_engines_trouble(void *ctx, const char *reason)
{
	set_trouble(ctx, 0, reason);
}

static void on_pool_trouble(void *ctx, const char *reason)
{
	struct kube *k = ctx;

	if (reason || k->pool_there) /* else a watch of nothing goes well */
		set_trouble(k, 1, reason);
}

/* ---- handing over ---------------------------------------------------- */

/* Why a pod that is there serves nobody is the first thing that is asked. */
static void tell_counts(void *arg)
{
	struct kube *k = arg;
	struct sl_kube_counts now = sl_kube_store_counts(k->store);

	if (now.idle == k->told.idle && !now.objects == !k->told.objects &&
	    !now.left_out == !k->told.left_out && k->told_us)
		return;
	k->told = now;
	k->told_us = k->source->loop->now_us;
	if (!now.objects)
		sl_warn("%s: nothing there matches", k->source->name);
	else if (now.idle)
		sl_info("%s: %u of %u make no engine; the first: %s", k->source->name, now.idle,
		        now.objects, now.why);
	if (now.left_out)
		sl_warn("%s: there are more than %u objects, or some without a name; the rest is "
		        "left out",
		        k->source->name, now.objects);
}

/* A rollout changes it with every pod. */
static void tell_counts_soon(struct kube *k)
{
	uint64_t since_us = k->source->loop->now_us - k->told_us;

	if (!k->told_us || since_us >= SL_SOURCE_TELL_US)
		tell_counts(k);
	else if (!sl_timer_armed(&k->tell_timer))
		sl_timer_arm(k->source->loop, &k->tell_timer, SL_SOURCE_TELL_US - since_us);
}

static void hand_over(void *arg)
{
	struct kube *k = arg;
	struct sl_server_set *set = k->source->set;

	sl_timer_disarm(k->source->loop, &k->hand_over);
	if (sl_kube_store_changed(k->store) || !set)
		set = sl_kube_store_engines(k->store);
	else
		sl_server_set_ref(set);
	tell_counts_soon(k);
	k->handed_us = k->source->loop->now_us;
	sl_source_found(k->source, set);
}

static void hand_over_soon(struct kube *k)
{
	uint64_t since_us = k->source->loop->now_us - k->handed_us;

	if (!k->listed || sl_timer_armed(&k->hand_over))
		return;
	sl_timer_arm(k->source->loop, &k->hand_over,
	             since_us < HAND_OVER_US ? HAND_OVER_US - since_us : 0);
}

/* ---- the engines' feed ----------------------------------------------- */

static void on_put(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_store_put(((struct kube *)ctx)->store, o);
}

static void on_del(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_store_del(((struct kube *)ctx)->store, o);
}

static void on_begin(void *ctx)
{
	sl_kube_store_begin(((struct kube *)ctx)->store);
}

static void on_complete(void *ctx)
{
	struct kube *k = ctx;

	sl_kube_store_end(k->store);
	k->listed = true;
	hand_over(k);
}

static void on_alive(void *ctx)
{
	hand_over_soon(ctx);
}

static const struct kube_feed_events engines_events = {
	.sink = { on_put, on_del },
	.on_begin = on_begin,
	.on_complete = on_complete,
	.on_alive = on_alive,
	.on_trouble = on_engines_trouble,
};

static void feed_open(struct kube *k, struct kube_feed *feed, enum sl_kube_resource resource,
                      const struct kube_feed_events *events)
{
	feed->loop = k->source->loop;
	feed->metrics = k->source->metrics;
	feed->resolver = k->source->resolver;
	feed->rules = &k->rules;
	feed->resource = resource;
	feed->events = events;
	feed->ctx = k;
	kube_feed_open(feed);
}

static void open_engines(struct kube *k)
{
	bool slices = k->source->conf.watch == SL_WATCH_SLICES;

	k->engines_open = true;
	feed_open(k, &k->engines, slices ? SL_KUBE_SLICES : SL_KUBE_PODS, &engines_events);
}

/* ---- the InferencePool's feed ----------------------------------------- */

static void on_pool_put(void *ctx, const struct sl_kube_object *o)
{
	struct kube *k = ctx;

	k->pool_seen = k->pool_there = true;
	set_trouble(k, 1, NULL);
	if (!sl_kube_rules_take_pool(&k->rules, o))
		return;
	if (!*k->rules.pool_selector && !*k->source->conf.selector) {
		set_trouble(k, 1, "the InferencePool selects no labels, which would be every pod");
		return;
	}
	sl_info("%s: the InferencePool selects %s", k->source->name, k->rules.pool_selector);
	if (k->engines_open)
		kube_feed_restart(&k->engines);
	else
		open_engines(k);
}

static void on_pool_del(void *ctx, const struct sl_kube_object *o)
{
	(void)o;
	((struct kube *)ctx)->pool_there = false;
	set_trouble(ctx, 1, "the InferencePool was deleted; what it selected last is kept");
}

static void on_pool_begin(void *ctx)
{
	((struct kube *)ctx)->pool_seen = false;
}

static void on_pool_complete(void *ctx)
{
	struct kube *k = ctx;
	char reason[KUBE_REASON_MAX];

	if (k->pool_seen)
		return;
	k->pool_there = false;
	snprintf(reason, sizeof(reason), "there is no InferencePool %s in namespace %s",
	         k->source->conf.inference_pool, k->pool.namespace_);
	kube_feed_other(&k->pool, reason);
}

static void on_pool_alive(void *ctx)
{
	(void)ctx;
}

static const struct kube_feed_events pool_events = {
	.sink = { on_pool_put, on_pool_del },
	.on_begin = on_pool_begin,
	.on_complete = on_pool_complete,
	.on_alive = on_pool_alive,
	.on_trouble = on_pool_trouble,
};

/* ---- life ------------------------------------------------------------ */

static void *kube_open(struct sl_source *s)
{
	struct kube *k = calloc(1, sizeof(*k));

	if (!k)
		abort();
	k->source = s;
	k->has_pool = *s->conf.inference_pool != '\0';
	sl_kube_rules_init(&k->rules, &s->conf);
	k->store = sl_kube_store_new(&k->rules);
	k->hand_over = (struct sl_timer){ .fn = hand_over, .arg = k };
	k->tell_timer = (struct sl_timer){ .fn = tell_counts, .arg = k };
	if (k->has_pool)
		feed_open(k, &k->pool, SL_KUBE_POOLS, &pool_events);
	else
		open_engines(k);
	return k;
}

static void kube_close(void *state)
{
	struct kube *k = state;

	if (k->engines_open)
		kube_feed_close(&k->engines);
	if (k->has_pool)
		kube_feed_close(&k->pool);
	sl_timer_disarm(k->source->loop, &k->hand_over);
	sl_timer_disarm(k->source->loop, &k->tell_timer);
	sl_kube_store_free(k->store);
	sl_kube_rules_fini(&k->rules);
	free(k->troubles[0]);
	free(k->troubles[1]);
	free(k);
}

const struct sl_source_driver sl_kube_driver = { kube_open, kube_close };

/* kube_feed.h: one resource of an API server, listed and then watched, for ever.
 *
 *   LIST, in pages ── complete ──► WATCH from its version ── ended ──► WATCH again
 *     ▲                              │ 410, or anything that is not understood
 *     └──────────────────────────────┘
 *
 * Whatever could have been missed is listed again, and all of it also from time
 * to time. A list that breaks off changes nothing; so does one that has no end,
 * of bytes, of pages, or of objects. Failures are told in words and tried again,
 * later each time, 1 to 30 s. */
#ifndef SLUICE_DISCOVERY_KUBE_FEED_H
#define SLUICE_DISCOVERY_KUBE_FEED_H

#include "gateway/discovery/kube_api.h"
#include "sluice/kube.h"

struct kube_feed_events {
	struct sl_kube_sink sink;
	void (*on_begin)(void *ctx);    /* everything is put again, until: */
	void (*on_complete)(void *ctx); /* that was all */
	void (*on_alive)(void *ctx);    /* the watch said something, or nothing new */
	/* NULL: all is well. It goes on trying by itself. */
	void (*on_trouble)(void *ctx, const char *reason);
};

enum kube_feed_state { KUBE_FEED_RESTS, KUBE_FEED_LISTS, KUBE_FEED_WATCHES };

struct kube_feed {
	/* Set by whoever embeds it. */
	struct sl_loop *loop;              /* borrowed */
	struct sl_metrics *metrics;        /* borrowed */
	struct sl_resolver *resolver;      /* borrowed */
	const struct sl_kube_rules *rules; /* borrowed */
	enum sl_kube_resource resource;
	const struct kube_feed_events *events; /* borrowed */
	void *ctx;
	/* Its own. */
	enum kube_feed_state state;
	struct kube_api api;
	struct sl_fetch *fetch; /* NULL while it rests */
	struct sl_timer retry, refresh;
	struct sl_kube_stream *stream; /* owned */
	struct sl_kube_listing listing;
	char *version; /* owned: a watch goes on from it; NULL: list first */
	char namespace_[256];
	int status;
	char answer[4096]; /* the beginning of one that is no success */
	size_t answer_len;
	struct sl_kube_status said;
	bool relist;                     /* the watch cannot go on */
	bool unclear;                    /* ... for a reason that is not its age */
	bool heard;                      /* this watch has said something */
	uint64_t watched_us;             /* when it began */
	uint64_t skipped;                /* objects too large, up to this watch */
	uint32_t failures;               /* in a row; a watch that works ends it */
	uint32_t expired;                /* lists in a row whose rest was forgotten */
	uint32_t listed, pages;          /* of this list so far: items, pages */
	uint32_t unread;                 /* items of this list that were no objects */
	char not_newer[KUBE_REASON_MAX]; /* of an InferencePool */
	struct sl_rng rng;
};

/* Begins when the loop turns. */
void kube_feed_open(struct kube_feed *f);
void kube_feed_close(struct kube_feed *f);
/* The rules have changed, or what is asked for: list now. */
void kube_feed_restart(struct kube_feed *f);
/* Not found under this name of the resource: the older one next, at once, or, after
 * a while, the newer one again. What is told is why it is not under the newer,
 * unless the older says more than that it does not exist. */
void kube_feed_other(struct kube_feed *f, const char *reason);

#endif

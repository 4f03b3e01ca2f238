/* exporter.h: one exporter of GPUs' state: asked again and again, its pages
 * kept in a book. Control thread only. */
#ifndef SLUICE_CONTROL_EXPORTER_H
#define SLUICE_CONTROL_EXPORTER_H

#include "gateway/upstream/fetch.h"
#include "sluice/gpu.h"

struct sl_exporter;

struct sl_exporter_events {
	/* A page was read: the book is new. */
	void (*on_page)(void *ctx, struct sl_exporter *x);
	/* Something about one of its GPUs is news; inside on_page's page. */
	void (*on_news)(void *ctx, struct sl_exporter *x, const struct sl_gpu_news *news);
	/* It is in trouble, or no longer, or has become stale. */
	void (*on_trouble)(void *ctx, struct sl_exporter *x);
};

/* What all exporters have in common; borrowed. */
struct sl_exporter_rig {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	struct sl_upstreams *upstreams;
	struct sl_rng rng;
	struct sl_gpu_policy policy;
	uint64_t interval_us, timeout_us;
	const struct sl_exporter_events *events;
	void *ctx;
};

struct sl_exporter {
	struct sl_exporter *next; /* the owner's */
	char *url;                /* owned */
	struct sl_endpoint *ep;   /* ref; NULL: nobody knows where it is */
	struct sl_gpu_book *book; /* owned */
	enum sl_gpu_kind kind;    /* of the last page */
	uint64_t page_us;         /* when; 0 never */
	const char *trouble;      /* static; NULL: none */
	bool stale;               /* for so long that its clocks say nothing any more */
	bool wanted;              /* the owner's, as what follows */
	struct sl_exporter *bucket_next;
	uint64_t key;
	/* The rest is its own. */
	struct sl_exporter_rig *rig; /* borrowed */
	char *path;                  /* owned */
	struct sl_timer timer;
	struct sl_fetch *fetch;
	struct sl_gpu_reader *reader; /* owned, while there is a fetch */
	int status;
};

/* ep_take: NULL while it has no address. Asks at once. */
struct sl_exporter *sl_exporter_open(struct sl_exporter_rig *rig, const char *url, const char *path,
                                     struct sl_endpoint *ep_take);
/* It is elsewhere now; what is known of its GPUs stays. */
void sl_exporter_move(struct sl_exporter *x, struct sl_endpoint *ep_take);
void sl_exporter_close(struct sl_exporter *x);

#endif

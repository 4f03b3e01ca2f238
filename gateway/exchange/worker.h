/* worker.h: one data-plane thread and what it owns. */
#ifndef SLUICE_EXCHANGE_WORKER_H
#define SLUICE_EXCHANGE_WORKER_H

#include "gateway/downstream/session.h"
#include "gateway/exchange/fleet.h"
#include "gateway/telemetry/access.h"
#include "gateway/upstream/call.h"

struct sl_exchange;
struct sl_release;

/* What all workers count together. */
struct sl_budget {
	atomic_llong request_bytes; /* of requests held, heads and bodies */
	atomic_llong live;          /* requests in progress */
	atomic_llong retries;       /* of them, those that are on a retry */
	struct sl_hold_budget hold;
	uint64_t tenant_seed; /* random: nobody chooses its place in a table */
};

/* The requests of one worker that wait for an endpoint of one domain. */
struct sl_queue {
	struct sl_domain *domain; /* borrowed; NULL before the first one */
	uint32_t n_waiting;
};

struct sl_worker {
	struct sl_loop loop;
	struct sl_sessions sessions;
	struct sl_upstreams *upstreams; /* owned */
	struct sl_metrics *metrics;     /* borrowed */
	struct sl_access_log *access;   /* owned */
	struct sl_fleet *fleet;         /* ref, the newest */
	struct sl_budget *budget;       /* borrowed */
	struct sl_rng rng;
	struct sl_exchange *live;  /* all exchanges */
	struct sl_exchange *spare; /* freed ones, kept with their buffers */
	size_t spare_bytes;
	size_t spare_least; /* bytes there were, since it was tidied */
	struct sl_timer tidy_timer;
	struct sl_queue *queues; /* owned; by domain id */
	uint32_t n_queues, n_waiting;
	struct sl_release *releases; /* hand-offs being let go of */
	struct sl_timer waiting_timer;
	struct sl_task waiting_task;
	struct sl_task access_task;
	atomic_int n_live;    /* read by others to balance connections */
	atomic_bool has_turn; /* set by others: it shall look at its queues */
	/* Takes the newest fleet at once instead of with the next wake-up. */
	void (*refresh)(struct sl_worker *w);
	/* Live traffic's word about an endpoint changed its health. metrics: the worker's. */
	void (*on_health)(void *ctx, struct sl_endpoint *ep, struct sl_metrics *metrics,
	                  uint64_t now_us);
	void *health_ctx;
};

/* sl_stream_events of the exchange layer, with the worker as ctx. */
extern const struct sl_stream_events sl_exchange_stream_events;

/* Gives engines that became free to those who wait. */
void sl_plan_waiting_retry(struct sl_worker *w);
/* The same, if another worker has asked for it; part of the loop's on_wake. */
void sl_queue_on_wake(struct sl_worker *w);
/* Takes requests away from engines that were found dead or hung. */
void sl_worker_rescue(struct sl_worker *w);
/* At the end of the worker: releases in flight are given up. */
void sl_worker_stop_releases(struct sl_worker *w);
/* Frees what it kept for requests. */
void sl_worker_trim(struct sl_worker *w);
/* witness.c: sl_upstream_report_fn with the worker as ctx. */
void sl_worker_report(void *ctx, struct sl_endpoint *ep, bool refused);

#endif

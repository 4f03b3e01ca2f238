/* thread.h: a worker's thread, its listeners and its mailbox.
 *
 * Other threads reach a worker only through the mailbox: they leave the newest
 * fleet, the newest set of listeners, accepted sockets or an order, and wake
 * it. */
#ifndef SLUICE_CONTROL_THREAD_H
#define SLUICE_CONTROL_THREAD_H

#include <pthread.h>

#include "gateway/admin/admin.h"
#include "gateway/exchange/worker.h"

/* A listening address, with one socket per worker. Made by the control thread;
 * each worker closes its own socket when the listener disappears. */
struct sl_listener {
	int fd;                     /* this worker's */
	struct sl_tls_context *tls; /* ref, NULL when plain */
	bool h2c_only, h1_only;
};

struct sl_listener_set {
	struct sl_listener *items;
	uint32_t n;
};

struct sl_threads;

enum sl_order {
	SL_ORDER_RESCUE = 1, /* an engine was found dead */
	SL_ORDER_REOPEN = 2, /* the access log was rotated */
	SL_ORDER_DRAIN = 4,  /* no new connections; first notice */
	SL_ORDER_FINAL = 8,  /* the last GOAWAY */
	SL_ORDER_CLOSE = 16, /* the deadline: close what is left, then stop */
};

/* Starts n workers with their first fleet. The fleet's config says where the
 * access log goes. on_health: see worker.h, called in any thread. */
struct sl_threads *sl_threads_start(uint32_t n, struct sl_fleet *fleet,
                                    void (*on_health)(void *ctx, struct sl_endpoint *ep,
                                                      struct sl_metrics *metrics, uint64_t now_us),
                                    void *ctx);
void sl_threads_publish(struct sl_threads *all, struct sl_fleet *fleet);
/* sets[i] is for worker i; taken. */
void sl_threads_listen(struct sl_threads *all, struct sl_listener_set *sets);
void sl_threads_order(struct sl_threads *all, unsigned orders);
uint32_t sl_threads_count(const struct sl_threads *all);
/* Client connections open now, all workers together. */
uint32_t sl_threads_sessions(const struct sl_threads *all);
/* What worker i carries. */
void sl_threads_row(const struct sl_threads *all, uint32_t i, struct sl_worker_row *out_row);
/* After SL_ORDER_CLOSE: waits for the threads and frees everything. */
void sl_threads_join(struct sl_threads *all);

#endif

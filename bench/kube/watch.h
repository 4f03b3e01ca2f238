/* watch.h: watches: a stream of frames, one JSON object a line.
 *
 * A watch has a cursor, the resource version that it has told of; what comes
 * after it in the store's history is still to be told. It is told as its
 * client reads, and one that falls behind the history is ended, as the real
 * server ends it. An object whose labels leave the selector is DELETED to
 * this watch (as it was before, with the new resource version), one that
 * enters it ADDED. */
#ifndef SLUICE_BENCH_KUBE_WATCH_H
#define SLUICE_BENCH_KUBE_WATCH_H

#include "bench/kube/kube.h"

/* Answers a request for a watch. */
void sl_kapi_watch(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r);
/* Tells all watches what is new. */
void sl_kapi_watch_pump_all(struct sl_kapi *kube);
/* A BOOKMARK to those that allow it. */
void sl_kapi_watch_bookmark_all(struct sl_kapi *kube);
uint32_t sl_kapi_watch_count(const struct sl_kapi *kube);

/* The connection's ops. */
void sl_kapi_watch_drained(struct sl_sim_conn *conn);
void sl_kapi_watch_left(struct sl_sim_conn *conn);

enum sl_kapi_cut {
	SL_KAPI_CUT_FIN,   /* the connection ends without the last chunk */
	SL_KAPI_CUT_RESET, /* the same with RST */
	SL_KAPI_CUT_END,   /* the stream ends well, as at its time-out */
	SL_KAPI_CUTS,
};
/* Ends all watches now; with `middle`, in the middle of a frame. */
void sl_kapi_watch_cut(struct sl_kapi *kube, enum sl_kapi_cut how, bool middle);

#endif

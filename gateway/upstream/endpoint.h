/* endpoint.h: one engine: its address and identity, for as long as anybody
 * holds it.
 *
 * The identity survives reloads: an engine that is still configured keeps its
 * endpoint, and with it its connections, its slot in the router and what was
 * learned of it. Everything up to the judge is written once. */
#ifndef SLUICE_UPSTREAM_ENDPOINT_H
#define SLUICE_UPSTREAM_ENDPOINT_H

#include <pthread.h>
#include <stdatomic.h>

#include "gateway/net/socket.h"
#include "gateway/net/tls.h"
#include "sluice/config.h"
#include "sluice/gpu.h"

struct sl_domain;

#define SL_ENDPOINT_NAME_MAX 280

/* What its GPUs mean for it. All but the state is the control thread's. */
struct sl_endpoint_gpus {
	atomic_int state; /* enum sl_gpu_state */
	bool known;       /* there is an exporter that tells of them */
	uint32_t n;       /* that it computes on */
	double derate;
	char reason[SL_GPU_KEY_MAX + SL_GPU_REASON_MAX + 64]; /* "" while they are healthy */
};

struct sl_endpoint {
	atomic_uint refs;
	uint32_t id;                     /* small and unique among living endpoints */
	char name[SL_ENDPOINT_NAME_MAX]; /* "10.0.0.1:8000", also the Host sent */
	struct sl_sockaddr addr;
	enum sl_upstream_protocol protocol;
	struct sl_tls_context *tls; /* ref, NULL when plain */
	char *tls_server_name;      /* owned */
	struct sl_domain *domain;   /* borrowed; outlives it */
	uint32_t slot;              /* in the domain's router */

	pthread_mutex_t judge_lock;
	struct sl_judge judge;          /* guarded by judge_lock */
	struct sl_health_policy policy; /* guarded by judge_lock */
	atomic_int health;              /* the judge's last word, readable without the lock */
	atomic_int kind;                /* enum sl_engine_kind: what answers there */
	atomic_bool removed;            /* from the configuration: keep no connections */
	atomic_bool held;               /* its source wants no new requests here */
	struct sl_endpoint_gpus gpus;
	atomic_bool prefills_only; /* its role: clients get no answers from it */
	atomic_bool troubled;      /* live traffic has failed here since it last went well */
	atomic_uint_least64_t
	        life_us; /* its last event on any stream, a tenth of a second coarse */
	/* What of the judge's changes was logged and counted; guarded by judge_lock. */
	uint32_t told_changes;
	enum sl_health told_health;
	char apart[64]; /* what each request writes shares no cache line with the rest */
	struct sl_tally tally;
};

/* One reference, the caller's; in no domain, with id 0: who keeps several in one
 * sl_upstreams numbers them. name: "10.0.0.1:8000". tls_take: NULL when plain. */
struct sl_endpoint *sl_endpoint_new(const char *name, const struct sl_sockaddr *addr,
                                    enum sl_upstream_protocol protocol,
                                    struct sl_tls_context *tls_take, const char *tls_server_name,
                                    uint64_t now_us);
/* "10.0.0.1:8000", "[::1]:8000". */
void sl_endpoint_format_name(const char *host, uint16_t port, char *out_name);
/* It gets no new requests, however well it is: its source or its GPUs say so. */
static inline bool sl_endpoint_drains(struct sl_endpoint *ep)
{
	return atomic_load(&ep->held) || atomic_load(&ep->gpus.state) == (int)SL_GPU_STATE_FAILED;
}
struct sl_endpoint *sl_endpoint_ref(struct sl_endpoint *ep);
void sl_endpoint_unref(struct sl_endpoint *ep);

#endif

/* kube_api.h: one API server: where it is, how it is known, who we are there.
 *
 * What is not configured is what every pod finds in its environment and under
 * the service account's folder. The token is read for every question, so one
 * that was rotated is never missed; address and certificates again after a
 * failure. One question at a time. */
#ifndef SLUICE_DISCOVERY_KUBE_API_H
#define SLUICE_DISCOVERY_KUBE_API_H

#include "gateway/discovery/resolver.h"
#include "gateway/upstream/fetch.h"

#define KUBE_REASON_MAX 1024

struct kube_api {
	struct sl_loop *loop;                /* borrowed */
	const struct sl_discover_conf *conf; /* borrowed */
	struct sl_upstreams *upstreams;      /* owned */
	struct sl_endpoint *ep;              /* ref; NULL: none yet */
	struct sl_resolver *resolver;        /* borrowed */
	struct sl_question *question;        /* of its name, if it is one; NULL: none */
	void (*on_found)(void *ctx);         /* the question's end */
	void *ctx;
	char unfound[KUBE_REASON_MAX]; /* why it ended without an address */
	bool doubtful;                 /* look for it again */
	uint32_t n_endpoints;          /* made so far */
	char *prefix;                  /* owned: the URL's path, before every other */
	char *lines;                   /* owned: fields of the present question */
};

void kube_api_init(struct kube_api *api, struct sl_loop *loop, struct sl_metrics *metrics,
                   struct sl_resolver *resolver, const struct sl_discover_conf *conf);
void kube_api_fini(struct kube_api *api);
/* The namespace that is meant, in out_name of 256 bytes; "*": all. */
void kube_api_namespace(const struct kube_api *api, char *out_name);
/* 1: it can be asked. 0: its name is being looked up; on_found is called, once, in
 * a later turn: ep is there, or NULL and unfound says why. -1 with a reason. */
int kube_api_find(struct kube_api *api, void (*on_found)(void *ctx), void *ctx,
                  char reason[KUBE_REASON_MAX]);
/* Of a server that was found. NULL with a reason: we do not know who we are.
 * silence_us, timeout_us: as of a fetch. */
struct sl_fetch *kube_api_ask(struct kube_api *api, const char *path, uint64_t silence_us,
                              uint64_t timeout_us, const struct sl_fetch_events *events, void *user,
                              char reason[KUBE_REASON_MAX]);
/* It did not answer: where it is, and by whom it is signed, may have changed. */
void kube_api_doubt(struct kube_api *api);
/* "10.96.0.1:443", for what is said of it. */
const char *kube_api_name(const struct kube_api *api);

#endif

/* endpoint.c: see endpoint.h. */
#include "gateway/upstream/endpoint.h"

#include <stdio.h>
#include <stdlib.h>

void sl_endpoint_format_name(const char *host, uint16_t port, char *out_name)
{
	bool v6 = strchr(host, ':') != NULL;

	snprintf(out_name, SL_ENDPOINT_NAME_MAX, "%s%s%s:%u", v6 ? "[" : "", host, v6 ? "]" : "",
	         port);
}

struct sl_endpoint *sl_endpoint_new(const char *name, const struct sl_sockaddr *addr,
                                    enum sl_upstream_protocol protocol,
                                    struct sl_tls_context *tls_take, const char *tls_server_name,
                                    uint64_t now_us)
{
	struct sl_endpoint *ep = calloc(1, sizeof(*ep));

	if (!ep)
		abort();
	atomic_init(&ep->refs, 1);
	pthread_mutex_init(&ep->judge_lock, NULL);
	snprintf(ep->name, sizeof(ep->name), "%s", name);
	ep->addr = *addr;
	ep->protocol = protocol;
	ep->tls = tls_take;
	ep->tls_server_name = strdup(tls_server_name);
	sl_health_policy_default(&ep->policy);
	sl_judge_init(&ep->judge, now_us);
	atomic_init(&ep->health, (int)ep->judge.health);
	ep->gpus.derate = 1;
	return ep;
}

struct sl_endpoint *sl_endpoint_ref(struct sl_endpoint *ep)
{
	atomic_fetch_add_explicit(&ep->refs, 1, memory_order_relaxed);
	return ep;
}

void sl_endpoint_unref(struct sl_endpoint *ep)
{
	if (!ep || atomic_fetch_sub(&ep->refs, 1) != 1)
		return;
	pthread_mutex_destroy(&ep->judge_lock);
	sl_tls_context_unref(ep->tls);
	free(ep->tls_server_name);
	free(ep);
}

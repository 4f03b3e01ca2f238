/* endpoint.c: see endpoint.h. */
#include "gateway/upstream/endpoint.h"

#include <stdlib.h>

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

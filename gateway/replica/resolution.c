/* resolution.c: see resolution.h. Two hold it, the one that asks and the
 * thread; the last one frees it. */
#include "gateway/replica/resolution.h"

#include <netdb.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/net/detached.h"

struct resolution {
	atomic_uint refs;
	atomic_bool done;
	char *host; /* owned */
	uint16_t port;
	int rc;
	struct sl_sockaddr addr;
};

void resolution_drop(struct resolution *r)
{
	if (!r || atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	free(r->host);
	free(r);
}

static void *run(void *arg)
{
	struct resolution *r = arg;

	r->rc = sl_sockaddr_resolve(r->host, r->port, &r->addr);
	atomic_store(&r->done, true);
	resolution_drop(r);
	return NULL;
}

struct resolution *resolution_start(const char *host, uint16_t port)
{
	struct resolution *r = calloc(1, sizeof(*r));

	if (!r || !(r->host = strdup(host)))
		abort();
	r->port = port;
	atomic_init(&r->refs, 2);
	if (!sl_detached_start(run, r)) {
		r->rc = EAI_AGAIN;
		atomic_store(&r->done, true);
		atomic_store(&r->refs, 1);
	}
	return r;
}

bool resolution_done(const struct resolution *r, int *out_rc, struct sl_sockaddr *out_addr)
{
	if (!atomic_load(&r->done))
		return false;
	*out_rc = r->rc;
	*out_addr = r->addr;
	return true;
}

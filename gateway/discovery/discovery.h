/* discovery.h: the sources that the configuration names, and what they found. */
#ifndef SLUICE_DISCOVERY_DISCOVERY_H
#define SLUICE_DISCOVERY_DISCOVERY_H

#include "gateway/discovery/source.h"

struct sl_discovery;

/* on_found: some source's engines changed. Called at the end of a turn. */
struct sl_discovery *sl_discovery_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      void (*on_found)(void *ctx), void *ctx);
void sl_discovery_free(struct sl_discovery *d);
/* Starts the sources that the configuration names, ends those that it does not.
 * One that is the same as before goes on with what it knows. */
void sl_discovery_apply(struct sl_discovery *d, const struct sl_config *config);
/* What a source of the configuration found; borrowed until the next turn. NULL:
 * nothing was heard of it yet. */
struct sl_server_set *sl_discovery_find(struct sl_discovery *d,
                                        const struct sl_discover_conf *conf);
/* The addresses, in order, of a name that the configuration gives for a server's
 * host, or for that of GPUs' exporter; the same. */
struct sl_server_set *sl_discovery_find_host(struct sl_discovery *d, char *host);

/* For /fleet and the metrics: borrowed, valid until the next turn. */
struct sl_source_view {
	const char *name;
	const char *trouble; /* NULL: none */
	int64_t synced_ms;   /* ago; -1 never */
	uint32_t engines;
};
/* At most max; returns how many there are. */
uint32_t sl_discovery_view(struct sl_discovery *d, struct sl_source_view *out, uint32_t max);

#endif

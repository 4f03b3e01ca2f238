/* source.h: what finds engines for one pool: a file, DNS or Kubernetes.
 *
 * A driver does the I/O and hands over everything that it knows at once; what
 * it knew last stays when it is in trouble, because engines do not go away
 * when the one who names them does. Control thread only. */
#ifndef SLUICE_DISCOVERY_SOURCE_H
#define SLUICE_DISCOVERY_SOURCE_H

#include "gateway/discovery/resolver.h"
#include "gateway/net/loop.h"
#include "gateway/telemetry/metrics.h"
#include "sluice/config.h"

/* What changes all the time is told to the log no more often. */
#define SL_SOURCE_TELL_US 5000000u

struct sl_source {
	struct sl_source *next;
	struct sl_discovery *discovery; /* borrowed */
	struct sl_loop *loop;           /* borrowed */
	struct sl_metrics *metrics;     /* borrowed */
	struct sl_resolver *resolver;   /* borrowed */
	struct sl_discover_conf conf;   /* owned copy, strings too */
	char *name;                     /* owned, for logs: "kubernetes llm/llama", "file:/…" */
	const struct sl_source_driver *driver;
	void *state;                /* the driver's */
	struct sl_server_set *set;  /* ref, the last one; NULL: none yet */
	uint64_t synced_us;         /* when the source last said that this is all; 0 never */
	char *trouble;              /* owned; NULL: all is well */
	struct sl_timer tell_timer; /* how many it found */
	uint64_t told_us;           /* when the log was told; 0 never */
	uint32_t told_n;
	bool wanted; /* by the present configuration */
};

struct sl_source_driver {
	/* Begins; nothing is handed over before the loop's next turn. */
	void *(*open)(struct sl_source *s);
	void (*close)(void *state);
};

extern const struct sl_source_driver sl_file_driver, sl_dns_driver, sl_kube_driver;

/* Of that discovery, without a driver: the rest is zero, or the caller's. */
void sl_source_init(struct sl_source *s, struct sl_discovery *d);
/* What there is now. Handing over what was there already is a sign of life. */
void sl_source_found(struct sl_source *s, struct sl_server_set *set_take);
/* Why nothing new can be had; logged when it changes. NULL: it can again. */
void sl_source_trouble(struct sl_source *s, const char *reason);

#endif

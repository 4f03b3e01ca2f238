/* admin.h: the operators' HTTP interface, on the control thread.
 *
 * A small HTTP/1.1 server (GET and POST, short answers) on its own address:
 * /livez /readyz /metrics /fleet, POST /reload. It knows nothing of the
 * gateway: the control thread gives it a table of pages. */
#ifndef SLUICE_ADMIN_ADMIN_H
#define SLUICE_ADMIN_ADMIN_H

#include <stdio.h>

#include "sluice/err.h"
#include "sluice/probe.h"
#include "sluice/route.h"

struct event_base;
struct sockaddr;

struct sl_admin_page {
	const char *method; /* "GET" (HEAD too), "POST" */
	const char *path;
	const char *content_type;
	/* Writes the body; returns the HTTP status. */
	int (*write)(void *ctx, FILE *out);
};

struct sl_admin;
/* Listens; NULL with errno set if it cannot. pages: borrowed, ends with a
 * NULL path. At most 64 connections, 10 s for a request, 16 KiB heads. */
struct sl_admin *sl_admin_open(struct event_base *base, const struct sockaddr *addr,
                               unsigned addr_len, const struct sl_admin_page *pages, void *ctx);
void sl_admin_close(struct sl_admin *admin);
/* The port really bound (for port 0 in tests). */
uint16_t sl_admin_port(const struct sl_admin *admin);

/* One endpoint, as /fleet shows it. Borrowed strings. */
struct sl_fleet_row {
	const char *endpoint; /* "10.0.0.1:8000" */
	const char *pool, *cluster, *engine, *connector;
	char reason[SL_REASON_TEXT_MAX]; /* of its health state */
	bool ejected;
	uint64_t returns_in_ms;     /* when ejected: not before */
	uint32_t ejections, spared; /* so far; see sl_judge */
	uint64_t health_since_ms;   /* ago */
	const char *held;           /* why its source wants no new requests here; NULL */
	int64_t sample_age_ms;      /* of the last metrics page, -1 none */
	struct sl_engine_page page; /* last page; see probe.h */
	const char *gpus;           /* what its GPUs mean for it: "healthy"; NULL: nobody tells */
	const char *gpu_reason;     /* "" */
	uint32_t n_gpus;
	struct sl_endpoint_view view;
	const char *const *models;
	uint32_t n_models;
};
struct sl_fleet_model {
	const char *name;
	const char *const *aliases;
	uint32_t n_aliases;
	const char *clusters[SL_MAX_CLUSTERS]; /* that its requests go to first */
	uint32_t n_clusters;
	struct sl_model_view view;
};
/* How state is shared with other gateways. Borrowed strings. */
struct sl_fleet_redis {
	const char *url;
	bool connected;
	const char *reason; /* why not */
	uint64_t since_ms;  /* ago */
	uint32_t peers;     /* other gateways that are alive */
	int64_t heard_ms;   /* since the last message of one, -1: none yet */
};
/* A GPU, as its exporter's pages show it. Borrowed strings. What is not known:
 * NaN. */
struct sl_fleet_gpu {
	const char *gpu; /* UUID */
	const char *host, *exporter;
	const char *state, *reason;
	uint64_t since_ms; /* ago */
	double derate;
	double xid; /* the last one, whether it was acted on or not */
	double temperature, clock_mhz, corrected_errors, error_code;
};
struct sl_fleet_exporter {
	const char *url;
	const char *kind;    /* NULL: no page yet */
	const char *trouble; /* NULL: none */
	int64_t age_ms;      /* of its last page, -1: none yet */
	uint32_t gpus;
};
struct sl_fleet_gpus {
	const struct sl_fleet_gpu *gpus;
	uint32_t n_gpus;
	const struct sl_fleet_exporter *exporters;
	uint32_t n_exporters;
};
/* A change of an endpoint's health. */
struct sl_fleet_event {
	uint64_t wall_ms; /* Unix time */
	char endpoint[280];
	enum sl_health from, to;
	enum sl_reason cause;
	char reason[SL_REASON_TEXT_MAX];
};
/* A source of engines. Borrowed strings. */
struct sl_fleet_source {
	const char *name;
	const char *trouble; /* NULL: none */
	int64_t synced_ms;   /* since it last said that this is all, -1: not yet */
	uint32_t engines;
};
/* One worker thread. */
struct sl_worker_row {
	uint32_t live;        /* requests in progress */
	uint32_t connections; /* of clients, open */
	uint32_t unspoken;    /* of them, without a request so far */
	uint64_t given;       /* accepted here, handed over to another worker */
};
/* All that /fleet shows. */
struct sl_fleet_page {
	const char *version;
	const struct sl_fleet_row *rows;
	uint32_t n_rows;
	const struct sl_fleet_model *models;
	uint32_t n_models;
	const struct sl_worker_row *workers;
	uint32_t n_workers;
	const struct sl_fleet_source *sources;
	uint32_t n_sources;
	const struct sl_fleet_redis *redis;  /* NULL: left out */
	struct sl_fleet_gpus gpus;           /* without exporters: left out */
	const struct sl_fleet_event *events; /* newest first */
	uint32_t n_events;
};
/* {"version":…,"redis":{…},"endpoints":[…],"models":[…],"workers":[…],"events":[…]} */
void sl_fleet_write(FILE *out, const struct sl_fleet_page *page);
/* Its part about GPUs: ,"gpu_exporters":[…],"gpus":[…] */
void sl_fleet_gpus_write(FILE *out, const struct sl_fleet_gpus *gpus);
/* Prometheus lines of the same rows (sluice_endpoint_*{pool,endpoint,role}). */
void sl_fleet_metrics_write(FILE *out, const struct sl_fleet_row *rows, uint32_t n_rows);
/* And of the workers (sluice_worker_*{worker}). */
void sl_worker_metrics_write(FILE *out, const struct sl_worker_row *rows, uint32_t n_rows);

#endif

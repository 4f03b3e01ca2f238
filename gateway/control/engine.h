/* engine.h: an engine in service: where the configuration, or a source, has
 * it, and what is known of it. Control thread only. */
#ifndef SLUICE_CONTROL_ENGINE_H
#define SLUICE_CONTROL_ENGINE_H

#include "gateway/upstream/endpoint.h"

struct sl_probe_run;

/* Where an engine stands in a configuration. Borrowed. */
struct sl_engine_place {
	const struct sl_pool_conf *pool;
	const struct sl_server_conf *server;
	struct sl_server_set *set; /* that the server is in; NULL: in the file */
	struct sl_sockaddr addr;   /* where the server's host is now */
};

struct sl_engine {
	struct sl_engine *next;
	struct sl_endpoint *ep;          /* ref */
	const struct sl_pool_conf *pool; /* into the registry's config */
	const struct sl_server_conf *server;
	struct sl_server_set *set; /* ref: that holds the server; NULL: the config does */
	enum sl_role role;         /* the server's own, or the pool's */
	char **models;             /* owned: configured or learned names */
	bool *adapters;            /* owned; of the models: which are adapters (LoRA) */
	uint32_t n_models;
	bool models_known;
	bool models_fixed; /* the configuration, or its source, names them */
	char **presumed;   /* owned: what it may serve, while that is not known */
	uint32_t n_presumed;
	enum sl_engine_kind kind;   /* as configured or detected; AUTO: not known yet */
	char *probe_lines;          /* owned: fields that a probe has beside the usual ones */
	struct sl_engine_page page; /* the last metrics page */
	uint64_t page_us;           /* when; 0 never */
	struct sl_probe_run *probe; /* the prober's; NULL when stopped */

	/* The registry's, during reconcile. */
	uint64_t key;
	struct sl_engine *bucket_next;
	struct sl_engine_place wanted; /* server NULL: not any more */
	struct sl_domain *domain;      /* of one that is not in service yet */
};

/* Not yet in a domain. tls: NULL for a plain one; shared by reference. */
struct sl_engine *sl_engine_new(const struct sl_engine_place *at, struct sl_tls_context *tls,
                                uint64_t now_us);
void sl_engine_free(struct sl_engine *m);
/* The same engine, in a new configuration or set. */
void sl_engine_move(struct sl_engine *m, const struct sl_engine_place *to);
/* What the configuration says of its probes and models, which may have changed. */
void sl_engine_configure(struct sl_engine *m, const struct sl_config *config);
/* What the engine says it serves; true if that is news. Both are copied;
 * adapters: NULL, or which of the names are. */
bool sl_engine_set_models(struct sl_engine *m, char **names, const bool *adapters, uint32_t n);
/* It may serve what this one served, until it is known. */
void sl_engine_presume(struct sl_engine *m, const struct sl_engine *gone);
/* What its router is told. */
struct sl_endpoint_spec sl_engine_spec(const struct sl_config *config, const struct sl_engine *m);

/* Equal for equal places, to find them by. */
uint64_t sl_engine_key(const struct sl_engine_place *at);
/* The same engine: what it is called and how it is spoken to; at the same address. */
bool sl_engine_is_called(const struct sl_engine *m, const struct sl_engine_place *at);
bool sl_engine_is_at(const struct sl_engine *m, const struct sl_engine_place *at);

bool sl_pool_is_tls(const struct sl_pool_conf *pool);
/* Engines of both may share a TLS context. */
bool sl_pool_speaks_alike(const struct sl_pool_conf *a, const struct sl_pool_conf *b);
/* One reference; NULL with error filled in. */
struct sl_tls_context *sl_pool_tls_new(const struct sl_pool_conf *pool, char *error,
                                       size_t error_size);

#endif

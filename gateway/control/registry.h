/* registry.h: which engines there are, kept across reloads. Control thread only.
 *
 * reconcile() compares a configuration with what is there: engines that are
 * still wanted keep their endpoint (and with it connections, index and learned
 * rates), new ones get one, the others are let go. publish() makes an
 * immutable fleet of the present state for the workers. */
#ifndef SLUICE_CONTROL_REGISTRY_H
#define SLUICE_CONTROL_REGISTRY_H

#include "gateway/admin/admin.h"
#include "gateway/exchange/fleet.h"

struct sl_registry;
struct sl_probe_run;

/* A configured engine. */
struct sl_engine {
	struct sl_engine *next;
	struct sl_endpoint *ep;          /* ref */
	const struct sl_pool_conf *pool; /* into the registry's config */
	const struct sl_server_conf *server;
	char **models;  /* owned: configured or learned names */
	bool *adapters; /* owned; of the models: which are adapters (LoRA) */
	uint32_t n_models;
	bool models_known;
	bool models_fixed; /* the configuration names them */
	char *probe_lines; /* owned: fields that a probe has beside the usual ones */
	/* During reconcile: what the new configuration calls it; NULL: not any more. */
	const struct sl_pool_conf *next_pool;
	const struct sl_server_conf *next_server;
	struct sl_engine_page page; /* the last metrics page */
	uint64_t page_us;           /* when; 0 never */
	struct sl_probe_run *probe; /* the prober's; NULL when stopped */
};

struct sl_registry *sl_registry_new(void);
void sl_registry_free(struct sl_registry *r);
/* 0, or -1 with a message per trouble in error (a name that does not resolve,
 * authorities that cannot be read); then nothing has changed. */
SL_MUST_CHECK int sl_registry_reconcile(struct sl_registry *r, struct sl_config *config,
                                        uint64_t now_us, char *error, size_t error_size);
/* A new fleet of the present members, one reference for the caller. Routers
 * learn the models at the same time. */
struct sl_fleet *sl_registry_fleet(struct sl_registry *r);
/* Members that reconcile took out: the caller stops their probes, then forgets
 * them. */
struct sl_engine *sl_registry_engines(struct sl_registry *r);
struct sl_engine *sl_registry_take_removed(struct sl_registry *r);
void sl_engine_free(struct sl_engine *m);
/* What the engine says it serves; true if that is news. Both are copied;
 * adapters: NULL, or which of the names are. */
bool sl_engine_set_models(struct sl_engine *m, char **names, const bool *adapters, uint32_t n);

/* The pages' view. Rows and their strings are valid until the registry changes. */
uint32_t sl_registry_rows(struct sl_registry *r, uint64_t now_us, struct sl_fleet_row **out_rows);
/* The model names; valid until the registry or the fleet changes. */
uint32_t sl_registry_models(struct sl_registry *r, struct sl_fleet_model *out, uint32_t max);
/* Some model can be served now. */
bool sl_registry_ready(struct sl_registry *r);

#endif

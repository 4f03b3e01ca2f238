/* registry.h: which engines there are, kept across reloads. Control thread only.
 *
 * reconcile() compares a configuration with what is there: engines that are
 * still wanted keep their endpoint (and with it connections, index and learned
 * rates), new ones get one, the others are let go. publish() makes an
 * immutable fleet of the present state for the workers. */
#ifndef SLUICE_CONTROL_REGISTRY_H
#define SLUICE_CONTROL_REGISTRY_H

#include "gateway/admin/admin.h"
#include "gateway/control/engine.h"
#include "gateway/discovery/discovery.h"
#include "gateway/exchange/fleet.h"

struct sl_registry;

struct sl_registry *sl_registry_new(void);
void sl_registry_free(struct sl_registry *r);
/* 0, or -1 with a message in error (authorities that cannot be read); then nothing
 * has changed. The engines are those that the configuration names, as soon as their
 * names have addresses, and those that its sources found. */
SL_MUST_CHECK int sl_registry_reconcile(struct sl_registry *r, struct sl_config *config,
                                        struct sl_discovery *discovery, uint64_t now_us,
                                        char *error, size_t error_size);
/* A new fleet of the present members, one reference for the caller. Routers
 * learn the models at the same time. */
struct sl_fleet *sl_registry_fleet(struct sl_registry *r);
/* Members that reconcile took out: the caller stops their probes, then forgets
 * them. */
struct sl_engine *sl_registry_engines(struct sl_registry *r);
struct sl_engine *sl_registry_take_removed(struct sl_registry *r);

/* The pages' view. Rows and their strings are valid until the registry changes. */
uint32_t sl_registry_rows(struct sl_registry *r, uint64_t now_us, struct sl_fleet_row **out_rows);
/* The model names; valid until the registry or the fleet changes. */
uint32_t sl_registry_models(struct sl_registry *r, struct sl_fleet_model *out, uint32_t max);
/* Some model can be served now. */
bool sl_registry_ready(struct sl_registry *r);

#endif

/* registry_state.h: the inside of the registry, shared by registry.c, which
 * keeps it, and registry_view.c, which shows it. */
#ifndef SLUICE_CONTROL_REGISTRY_STATE_H
#define SLUICE_CONTROL_REGISTRY_STATE_H

#include "gateway/control/registry.h"
#include "gateway/control/wards.h"
#include "gateway/control/zalloc.h"

#define REGISTRY_COMPLAINT_MAX 768

struct sl_registry {
	struct sl_wards wards;
	struct sl_config *config;  /* ref, NULL before the first reconcile */
	struct sl_engine *members; /* in the order of the configuration */
	struct sl_engine *removed;
	struct sl_domain *domains;  /* owned, kept until exit */
	struct sl_endpoint **by_id; /* refs: an id is given again when only ours is left */
	uint32_t n_ids;
	struct sl_fleet_row *rows;
	uint32_t n_rows;
	uint32_t n_left_out; /* found engines that cannot be used, as last told */
	char left_out[REGISTRY_COMPLAINT_MAX];
	bool unheard; /* some source, or some host's name, has not been heard of yet */
};

#endif

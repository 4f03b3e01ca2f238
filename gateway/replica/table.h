/* table.h: the engines by the names that gateways share, and what was said
 * of each. Sorted by name; made again with every fleet. */
#ifndef SLUICE_REPLICA_TABLE_H
#define SLUICE_REPLICA_TABLE_H

#include "gateway/exchange/fleet.h"

#define TABLE_NONE UINT32_MAX

struct table_row {
	char *name;             /* owned: CLUSTER/POOL/ADDRESS */
	struct sl_endpoint *ep; /* ref */
	struct sl_load told;    /* what others have heard of our work there */
	struct sl_load now;     /* what there is to tell; see changed */
	bool changed;
	bool dead; /* what others have heard of its health */
};

struct table {
	struct table_row *rows; /* owned */
	uint32_t n;
	struct table_domain {
		struct sl_domain *domain; /* borrowed */
		uint32_t *row_of_slot;    /* owned; TABLE_NONE where nobody is */
		uint32_t n_slots;
	} * domains; /* owned; each once */
	uint32_t n_domains;
};

void table_fini(struct table *t);
/* What was said of an engine that stays is kept. */
void table_set(struct table *t, const struct sl_fleet *fleet);
/* A row, or TABLE_NONE. */
uint32_t table_find(const struct table *t, struct sl_span name);
/* The row of a domain's slot, or TABLE_NONE. */
uint32_t table_find_slot(const struct table *t, const struct sl_domain *domain, uint32_t slot);

#endif

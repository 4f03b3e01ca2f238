/* holders.h: the endpoints that hold one block, sorted by slot, each with the
 * entry that says so. One holder lies inside the struct, which is what nearly
 * every block of a fleet has; more lie in one array of 6 bytes each. */
#ifndef SLUICE_ROUTING_HOLDERS_H
#define SLUICE_ROUTING_HOLDERS_H

#include "sluice/base.h"

struct holders {
	uint16_t count;
	uint16_t cap; /* of `many`; 0: `one` is in use */
	union {
		struct {
			uint32_t entry;
			uint16_t slot;
		} one;
		void *many; /* owned: uint32_t entry[cap], then uint16_t slot[cap] */
	} u;
};

#define HOLDERS_NONE UINT32_MAX

void holders_init(struct holders *h);
void holders_fini(struct holders *h);
/* The entry of a slot, or HOLDERS_NONE. */
uint32_t holders_find(const struct holders *h, uint16_t slot);
/* The slot is not in the set yet; resp. is in it. */
void holders_add(struct holders *h, uint16_t slot, uint32_t entry);
void holders_del(struct holders *h, uint16_t slot);
/* h->count slots, ascending; valid until the set changes. */
const uint16_t *holders_slots(const struct holders *h);
/* Memory outside of the struct. */
uint64_t holders_bytes(const struct holders *h);

#endif

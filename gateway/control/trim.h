/* trim.h: gives memory back to the system when a storm is over.
 *
 * What thousands of requests needed at once stays with the allocator when they
 * have ended, scattered among what is still in use. Once a second the resident
 * memory is held against what is allocated; when much more is resident, and it
 * is not growing, the free pages are returned. Nothing of it runs in a worker. */
#ifndef SLUICE_CONTROL_TRIM_H
#define SLUICE_CONTROL_TRIM_H

#include "gateway/net/loop.h"

struct sl_trim {
	struct sl_loop *loop; /* borrowed */
	struct sl_timer timer;
	size_t last_bytes;  /* resident, and not allocated, a second ago */
	size_t floor_bytes; /* ... which no trimming gets rid of */
};

void sl_trim_start(struct sl_trim *t, struct sl_loop *loop);
void sl_trim_stop(struct sl_trim *t);

#endif

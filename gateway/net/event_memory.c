/* event_memory.c: see event_memory.h. */
#include "gateway/net/event_memory.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "sluice/base.h"

#define CELL_BYTES ((size_t)32)
#define REGION_BYTES ((size_t)64 * 1024 * 1024) /* of addresses; pages come as they are used */

struct cell {
	struct cell *next;
};

static struct {
	pthread_once_t once;
	pthread_mutex_t lock;
	char *base; /* NULL: the heap serves everything */
	size_t used;
	struct cell *spare; /* freed ones */
} region = { .once = PTHREAD_ONCE_INIT, .lock = PTHREAD_MUTEX_INITIALIZER };

static bool is_cell(const void *memory)
{
	const char *at = memory;

	return region.base && at >= region.base && at < region.base + REGION_BYTES;
}

/* NULL if the region is full. */
static void *take_cell(void)
{
	void *memory = NULL;

	pthread_mutex_lock(&region.lock);
	if (region.spare) {
		memory = region.spare;
		region.spare = region.spare->next;
	} else if (region.base && region.used < REGION_BYTES) {
		memory = region.base + region.used;
		region.used += CELL_BYTES;
	}
	pthread_mutex_unlock(&region.lock);
	return memory;
}

static void give_cell(struct cell *cell)
{
	pthread_mutex_lock(&region.lock);
	cell->next = region.spare;
	region.spare = cell;
	pthread_mutex_unlock(&region.lock);
}

static void *small_malloc(size_t size)
{
	void *memory = size <= CELL_BYTES ? take_cell() : NULL;

	return memory ? memory : malloc(size);
}

static void small_free(void *memory)
{
	if (is_cell(memory))
		give_cell(memory);
	else
		free(memory);
}

static void *small_realloc(void *memory, size_t size)
{
	void *moved;

	if (!is_cell(memory))
		return realloc(memory, size);
	moved = malloc(size);
	if (!moved)
		return NULL;
	memcpy(moved, memory, size < CELL_BYTES ? size : CELL_BYTES);
	give_cell(memory);
	return moved;
}

static void install(void)
{
	void *base = mmap(NULL, REGION_BYTES, PROT_READ | PROT_WRITE,
	                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	region.base = base == MAP_FAILED ? NULL : base;
	event_set_mem_functions(small_malloc, small_realloc, small_free);
}

void sl_event_memory_install(void)
{
	pthread_once(&region.once, install);
}

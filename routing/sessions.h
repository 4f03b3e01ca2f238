/* sessions.h: where the last turn of each session was decoded.
 *
 * Nouns
 *   turn     what a request that ended well has left in an engine's cache
 *   key      what the session is called: any number
 *
 * Invariants
 *   - At most SESSIONS_MAX turns, one per key; the least recently written one
 *     makes room. Memory is taken with the first turn, all of it (4.3 MiB),
 *     and does not grow.
 *   - A turn older than SESSIONS_AGE_US is not found.
 *
 * It refuses to know endpoints, prompts and whether what it remembers is
 * still true: see recall.h. */
#ifndef SLUICE_ROUTING_SESSIONS_H
#define SLUICE_ROUTING_SESSIONS_H

#include <stdbool.h>
#include <stdint.h>

#define SESSIONS_MAX 65536u
#define SESSIONS_AGE_US 3600000000u

struct turn {
	uint64_t boundary;       /* hash of the last whole block of its prompt */
	uint32_t boundary_bytes; /* where that block ends; 0: the prompt had none */
	uint32_t slot;           /* the engine that decoded it */
	uint64_t cache;          /* which of the caches that engine has had */
	uint64_t whole_bytes;    /* its prompt and its answer */
	uint64_t ended_us;
};

struct session;
struct sessions {
	struct session *list; /* owned; NULL until there is one; [0] is nobody */
	uint32_t *buckets;    /* owned */
	uint32_t count;
	uint32_t young, old; /* in list, 0: none */
	uint64_t seed;
};

/* seed: keeps clients from aiming their names at one bucket. */
void sessions_init(struct sessions *s, uint64_t seed);
void sessions_fini(struct sessions *s);
/* False if nothing recent is known. */
bool sessions_find(const struct sessions *s, uint64_t key, uint64_t now_us, struct turn *out_turn);
/* In place of the former turn of that key. */
void sessions_put(struct sessions *s, uint64_t key, const struct turn *turn);

#endif

/* sessions.c: see sessions.h. A chained hash table over one array, which is
 * also a list in order of age. */
#include "routing/sessions.h"

#include "routing/alloc.h"
#include "routing/chain.h"

struct session {
	uint64_t key;
	struct turn turn;
	uint32_t next; /* in its bucket */
	uint32_t younger, older;
};

void sessions_init(struct sessions *s, uint64_t seed)
{
	*s = (struct sessions){ .seed = seed };
}

void sessions_fini(struct sessions *s)
{
	free(s->list);
	free(s->buckets);
}

static uint32_t *bucket_of(const struct sessions *s, uint64_t key)
{
	return &s->buckets[chain_mix(s->seed, key) % SESSIONS_MAX];
}

static uint32_t find(const struct sessions *s, uint64_t key)
{
	uint32_t i = s->list ? *bucket_of(s, key) : 0;

	while (i && s->list[i].key != key)
		i = s->list[i].next;
	return i;
}

bool sessions_find(const struct sessions *s, uint64_t key, uint64_t now_us, struct turn *out_turn)
{
	uint32_t i = find(s, key);

	if (!i || now_us > s->list[i].turn.ended_us + SESSIONS_AGE_US)
		return false;
	*out_turn = s->list[i].turn;
	return true;
}

/* ---- order of age ----------------------------------------------------- */

static void unlink_age(struct sessions *s, uint32_t i)
{
	struct session *e = &s->list[i];

	*(e->younger ? &s->list[e->younger].older : &s->young) = e->older;
	*(e->older ? &s->list[e->older].younger : &s->old) = e->younger;
}

static void link_youngest(struct sessions *s, uint32_t i)
{
	struct session *e = &s->list[i];

	e->younger = 0;
	e->older = s->young;
	*(s->young ? &s->list[s->young].younger : &s->old) = i;
	s->young = i;
}

/* ---- membership ------------------------------------------------------- */

static void leave_bucket(struct sessions *s, uint32_t i)
{
	uint32_t *at = bucket_of(s, s->list[i].key);

	while (*at != i)
		at = &s->list[*at].next;
	*at = s->list[i].next;
}

static void join_bucket(struct sessions *s, uint32_t i, uint64_t key)
{
	uint32_t *bucket = bucket_of(s, key);

	s->list[i].key = key;
	s->list[i].next = *bucket;
	*bucket = i;
}

/* A place that is in no bucket and not in the order of age. */
static uint32_t take_place(struct sessions *s)
{
	uint32_t oldest = s->old;

	if (!s->list) {
		s->list = alloc_zero(SESSIONS_MAX + 1, sizeof(*s->list));
		s->buckets = alloc_zero(SESSIONS_MAX, sizeof(*s->buckets));
	}
	if (s->count < SESSIONS_MAX)
		return ++s->count;
	leave_bucket(s, oldest);
	unlink_age(s, oldest);
	return oldest;
}

void sessions_put(struct sessions *s, uint64_t key, const struct turn *turn)
{
	uint32_t i = find(s, key);

	if (i) {
		unlink_age(s, i);
	} else {
		i = take_place(s);
		join_bucket(s, i, key);
	}
	s->list[i].turn = *turn;
	link_youngest(s, i);
}

/* clients.c: see clients.h. */
#include "gateway/net/clients.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define SHARDS 16u
#define BUCKETS 4096u /* of a shard; a chain is short as long as clients are few */
#define SECOND_NS 1000000000u

struct sl_client {
	struct sl_client *next;
	uint64_t key;
	uint32_t place; /* shard and bucket */
	uint32_t n, requests;
};

struct shard {
	pthread_mutex_t lock;
	struct sl_client *buckets[BUCKETS]; /* owned chains */
	uint64_t spent_ns[BUCKETS];         /* the rate is used up until then; see arrive */
};

struct sl_clients {
	uint64_t seed; /* nobody shall be able to choose the chain he is in */
	struct shard shards[SHARDS];
};

struct sl_clients *sl_clients_new(void)
{
	struct sl_clients *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	if (getrandom(&c->seed, sizeof(c->seed), 0) < 0)
		c->seed = (uintptr_t)c;
	for (uint32_t i = 0; i < SHARDS; i++)
		pthread_mutex_init(&c->shards[i].lock, NULL);
	return c;
}

void sl_clients_free(struct sl_clients *c)
{
	if (!c)
		return;
	for (uint32_t i = 0; i < SHARDS; i++) {
		for (uint32_t b = 0; b < BUCKETS; b++) {
			for (struct sl_client *x = c->shards[i].buckets[b], *next; x; x = next) {
				next = x->next;
				free(x);
			}
		}
		pthread_mutex_destroy(&c->shards[i].lock);
	}
	free(c);
}

/* The /64, or what no /64 in use begins with: 0:0 and the IPv4 address. */
static bool find_key(const struct sl_sockaddr *peer, uint64_t *out_key)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)&peer->ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&peer->ss;

	if (peer->ss.ss_family == AF_INET) {
		*out_key = v4->sin_addr.s_addr;
	} else if (peer->ss.ss_family == AF_INET6) {
		bool mapped = IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr);

		*out_key = 0;
		memcpy(out_key, v6->sin6_addr.s6_addr + (mapped ? 12 : 0), mapped ? 4 : 8);
	} else {
		return false;
	}
	return true;
}

static uint32_t place_of(const struct sl_clients *c, uint64_t key)
{
	uint64_t h = (key ^ c->seed) * 0x9e3779b97f4a7c15ull;

	h = (h ^ h >> 32) * 0xd6e8feb86659fd93ull;
	return (uint32_t)(h >> 40) % (SHARDS * BUCKETS);
}

/* The link that points to the key's entry, or the NULL at the chain's end. */
static struct sl_client **find(struct shard *s, uint32_t place, uint64_t key)
{
	struct sl_client **at = &s->buckets[place / SHARDS];

	while (*at && (*at)->key != key)
		at = &(*at)->next;
	return at;
}

static struct sl_client *add(struct sl_client **at, uint64_t key, uint32_t place)
{
	struct sl_client *x = malloc(sizeof(*x));

	if (!x)
		abort();
	*x = (struct sl_client){ .key = key, .place = place };
	*at = x;
	return x;
}

bool sl_clients_enter(struct sl_clients *c, const struct sl_sockaddr *peer, uint32_t limit,
                      struct sl_client **out_client)
{
	struct sl_client **at;
	struct shard *s;
	uint32_t place;
	uint64_t key;
	bool room;

	if (!c || !find_key(peer, &key))
		return true;
	place = place_of(c, key);
	s = &c->shards[place % SHARDS];
	pthread_mutex_lock(&s->lock);
	at = find(s, place, key);
	room = !*at || (*at)->n < limit;
	if (room) {
		struct sl_client *x = *at ? *at : add(at, key, place);

		x->n++;
		*out_client = x;
	}
	pthread_mutex_unlock(&s->lock);
	return room;
}

static struct shard *shard_of(struct sl_clients *c, const struct sl_client *client)
{
	return &c->shards[client->place % SHARDS];
}

static void drop_if_unused(struct shard *s, struct sl_client *client)
{
	if (client->n || client->requests)
		return;
	*find(s, client->place, client->key) = client->next;
	free(client);
}

void sl_clients_leave(struct sl_clients *c, struct sl_client *client)
{
	struct shard *s;

	if (!client)
		return;
	s = shard_of(c, client);
	pthread_mutex_lock(&s->lock);
	client->n--;
	drop_if_unused(s, client);
	pthread_mutex_unlock(&s->lock);
}

bool sl_clients_begin(struct sl_clients *c, struct sl_client *client, uint32_t limit)
{
	struct shard *s = shard_of(c, client);
	bool room;

	pthread_mutex_lock(&s->lock);
	room = client->requests < limit;
	if (room)
		client->requests++;
	pthread_mutex_unlock(&s->lock);
	return room;
}

void sl_clients_finish(struct sl_clients *c, struct sl_client *client)
{
	struct shard *s = shard_of(c, client);

	pthread_mutex_lock(&s->lock);
	client->requests--;
	drop_if_unused(s, client);
	pthread_mutex_unlock(&s->lock);
}

uint64_t sl_clients_key(const struct sl_client *client)
{
	return client->key;
}

/* Each arrival uses up its share of a second, counted from now or from where the
 * ones before it have come to, which may not be more than a second ahead (the
 * generic cell rate algorithm, ITU-T I.371). */
static bool spend(uint64_t *spent_ns, uint32_t rate, uint64_t now_ns)
{
	uint64_t from = *spent_ns > now_ns ? *spent_ns : now_ns;
	uint64_t to = from + SECOND_NS / rate;

	if (to > now_ns + SECOND_NS)
		return false;
	*spent_ns = to;
	return true;
}

bool sl_clients_arrive(struct sl_clients *c, const struct sl_sockaddr *peer, uint32_t rate,
                       uint64_t now_us)
{
	struct shard *s;
	uint32_t place;
	uint64_t key;
	bool room;

	if (!c || !rate || !find_key(peer, &key))
		return true;
	place = place_of(c, key);
	s = &c->shards[place % SHARDS];
	pthread_mutex_lock(&s->lock);
	room = spend(&s->spent_ns[place / SHARDS], rate, now_us * 1000);
	pthread_mutex_unlock(&s->lock);
	return room;
}

uint32_t sl_clients_count(struct sl_clients *c, const struct sl_sockaddr *peer)
{
	const struct sl_client *x;
	struct shard *s;
	uint32_t place, n;
	uint64_t key;

	if (!find_key(peer, &key))
		return 0;
	place = place_of(c, key);
	s = &c->shards[place % SHARDS];
	pthread_mutex_lock(&s->lock);
	x = *find(s, place, key);
	n = x ? x->n : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}

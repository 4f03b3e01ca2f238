/* server_set.c: the engines that a source knows at one time.
 *
 * A set is filled by one hand and then only read; whoever keeps it holds a
 * reference, all in one thread. Every string is the set's own, never NULL. */
#include <stdlib.h>

#include "sluice/config.h"

/* Every string of a found server, by its place. */
static const size_t texts[] = {
	offsetof(struct sl_server_conf, addr.host),
	offsetof(struct sl_server_conf, found.id),
	offsetof(struct sl_server_conf, found.engine),
	offsetof(struct sl_server_conf, found.model),
	offsetof(struct sl_server_conf, found.kv_group),
	offsetof(struct sl_server_conf, found.node),
	offsetof(struct sl_server_conf, found.node_address),
	offsetof(struct sl_server_conf, found.namespace_),
	offsetof(struct sl_server_conf, found.pod),
	offsetof(struct sl_server_conf, found.gpus),
	offsetof(struct sl_server_conf, found.address),
};

static char **text_of(struct sl_server_conf *server, size_t k)
{
	return (char **)(void *)((char *)server + texts[k]);
}

static const char *text_in(const struct sl_server_conf *server, size_t k)
{
	return *(char *const *)(const void *)((const char *)server + texts[k]);
}

/* Most texts are empty, in thousands of servers: these share one. */
static char nothing[1];

static char *copy(struct sl_span value)
{
	char *text;

	if (!value.len)
		return nothing;
	text = malloc(value.len + 1);
	if (!text)
		abort();
	memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	return text;
}

static void let_go(char *text)
{
	if (text != nothing)
		free(text);
}

struct sl_server_set *sl_server_set_new(void)
{
	struct sl_server_set *set = calloc(1, sizeof(*set));

	if (!set)
		abort();
	set->refs = 1;
	return set;
}

struct sl_server_set *sl_server_set_ref(struct sl_server_set *set)
{
	set->refs++;
	return set;
}

static void free_texts(struct sl_server_conf *server)
{
	for (size_t k = 0; k < SL_COUNT(texts); k++) {
		let_go(*text_of(server, k));
		*text_of(server, k) = NULL;
	}
}

void sl_server_set_unref(struct sl_server_set *set)
{
	if (!set || --set->refs)
		return;
	for (uint32_t i = 0; i < set->n; i++)
		free_texts(&set->servers[i]);
	free(set->servers);
	free(set);
}

struct sl_server_conf *sl_server_set_add(struct sl_server_set *set, struct sl_span host,
                                         uint16_t port, struct sl_span id)
{
	struct sl_server_conf *server;

	if (set->n == set->size) {
		set->size = set->size ? 2 * set->size : 1;
		set->servers = realloc(set->servers, set->size * sizeof(*set->servers));
		if (!set->servers)
			abort(); /* as many as the source's answer had room for */
	}
	server = &set->servers[set->n++];
	*server = (struct sl_server_conf){ .addr.port = port, .found.is = true, .found.why = "" };
	for (size_t k = 0; k < SL_COUNT(texts); k++)
		*text_of(server, k) = copy(sl_span("", 0));
	sl_server_set_text(&server->addr.host, host);
	sl_server_set_text(&server->found.id, id);
	return server;
}

struct sl_server_conf *sl_server_set_copy(struct sl_server_set *set,
                                          const struct sl_server_conf *from)
{
	struct sl_server_conf *added = sl_server_set_add(set, sl_span("", 0), 0, sl_span("", 0));
	struct sl_server_conf owned = *added;

	*added = *from;
	for (size_t k = 0; k < SL_COUNT(texts); k++) {
		*text_of(added, k) = *text_of(&owned, k);
		sl_server_set_text(text_of(added, k), sl_span_str(text_in(from, k)));
	}
	return added;
}

/* By host and port, then by place. */
static int compare_places(const void *a, const void *b)
{
	const struct sl_server_conf *x = *(const struct sl_server_conf *const *)a;
	const struct sl_server_conf *y = *(const struct sl_server_conf *const *)b;
	int order = strcmp(x->addr.host, y->addr.host);

	if (order == 0)
		order = (x->addr.port > y->addr.port) - (x->addr.port < y->addr.port);
	return order ? order : (x > y) - (x < y);
}

static bool same_place(const struct sl_server_conf *a, const struct sl_server_conf *b)
{
	return a->addr.port == b->addr.port && !strcmp(a->addr.host, b->addr.host);
}

void sl_server_set_unique(struct sl_server_set *set)
{
	struct sl_server_conf **sorted;
	uint32_t kept = 0;

	if (set->n < 2)
		return;
	sorted = malloc(set->n * sizeof(struct sl_server_conf *));
	if (!sorted)
		abort();
	for (uint32_t i = 0; i < set->n; i++)
		sorted[i] = &set->servers[i];
	qsort(sorted, set->n, sizeof(struct sl_server_conf *), compare_places);
	/* The last of each run is compared with its equal before that is emptied. */
	for (uint32_t i = set->n - 1; i > 0; i--)
		if (same_place(sorted[i - 1], sorted[i]))
			free_texts(sorted[i]);
	free(sorted);
	for (uint32_t i = 0; i < set->n; i++)
		if (set->servers[i].addr.host)
			set->servers[kept++] = set->servers[i];
	set->n = kept;
}

void sl_server_set_text(char **field, struct sl_span value)
{
	let_go(*field);
	*field = copy(value);
}

/* Servers of the file have no texts but their host. */
static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

bool sl_server_equal(const struct sl_server_conf *a, const struct sl_server_conf *b)
{
	const struct sl_found *x = &a->found, *y = &b->found;

	if (a == b)
		return true;
	for (size_t k = 0; k < SL_COUNT(texts); k++)
		if (!same_text(text_in(a, k), text_in(b, k)))
			return false;
	return a->addr.port == b->addr.port && a->max_concurrent == b->max_concurrent &&
	       a->metrics_port == b->metrics_port && x->has_role == y->has_role &&
	       x->role == y->role && x->hold == y->hold && same_text(x->why, y->why) &&
	       x->metrics_port == y->metrics_port;
}

bool sl_server_set_equal(const struct sl_server_set *a, const struct sl_server_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!sl_server_equal(&a->servers[i], &b->servers[i]))
			return false;
	return true;
}

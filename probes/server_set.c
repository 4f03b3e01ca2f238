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
	offsetof(struct sl_server_conf, found.namespace_),
	offsetof(struct sl_server_conf, found.pod),
	offsetof(struct sl_server_conf, found.gpus),
};

static char **text_of(struct sl_server_conf *server, size_t k)
{
	return (char **)(void *)((char *)server + texts[k]);
}

static const char *text_in(const struct sl_server_conf *server, size_t k)
{
	return *(char *const *)(const void *)((const char *)server + texts[k]);
}

static char *copy(struct sl_span value)
{
	char *text = malloc(value.len + 1);

	if (!text)
		abort();
	if (value.len)
		memcpy(text, value.ptr, value.len);
	text[value.len] = '\0';
	return text;
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

void sl_server_set_unref(struct sl_server_set *set)
{
	if (!set || --set->refs)
		return;
	for (uint32_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < SL_COUNT(texts); k++)
			free(*text_of(&set->servers[i], k));
	free(set->servers);
	free(set);
}

struct sl_server_conf *sl_server_set_add(struct sl_server_set *set, struct sl_span host,
                                         uint16_t port, struct sl_span id)
{
	struct sl_server_conf *server;

	if (set->n == set->size) {
		set->size = set->size ? 2 * set->size : 16;
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

void sl_server_set_text(char **field, struct sl_span value)
{
	free(*field);
	*field = copy(value);
}

static bool equal(const struct sl_server_conf *a, const struct sl_server_conf *b)
{
	const struct sl_found *x = &a->found, *y = &b->found;

	for (size_t k = 0; k < SL_COUNT(texts); k++)
		if (strcmp(text_in(a, k), text_in(b, k)) != 0)
			return false;
	return a->addr.port == b->addr.port && a->max_concurrent == b->max_concurrent &&
	       x->has_role == y->has_role && x->role == y->role && x->hold == y->hold &&
	       !strcmp(x->why, y->why) && x->metrics_port == y->metrics_port;
}

bool sl_server_set_equal(const struct sl_server_set *a, const struct sl_server_set *b)
{
	if (a->n != b->n)
		return false;
	for (uint32_t i = 0; i < a->n; i++)
		if (!equal(&a->servers[i], &b->servers[i]))
			return false;
	return true;
}

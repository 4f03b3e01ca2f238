/* check_names.c: what has a name has it alone, and what is named exists.
 *
 * Names are looked up in sorted sets: a file of 100,000 words, all of them
 * names, is checked in a moment. */
#include <stdlib.h>

#include "gateway/config/checker.h"
#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

struct named {
	const char *name;
	const struct conf_word *word;    /* where it is written */
	const struct sl_pool_conf *pool; /* whose it is, or NULL */
	uint32_t order;
};

struct names {
	struct named *item;
	uint32_t n, room;
};

static void names_add(struct checker *c, struct names *set, const char *name,
                      const struct conf_word *word, const struct sl_pool_conf *pool)
{
	if (set->n == set->room) {
		uint32_t room = set->room ? 2 * set->room : 8;
		struct named *item = conf_alloc(c->arena, room * sizeof(*item));

		if (set->n > 0)
			memcpy(item, set->item, set->n * sizeof(*item));
		set->item = item;
		set->room = room;
	}
	set->item[set->n] = (struct named){ name, word, pool, set->n };
	set->n++;
}

static int by_name(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int diff = strcmp(a->name, b->name);

	return diff ? diff : (a->order > b->order) - (a->order < b->order);
}

static void names_sort(struct names *set)
{
	if (set->n > 0)
		qsort(set->item, set->n, sizeof(*set->item), by_name);
}

static int of_name(const void *name, const void *item)
{
	return strcmp(name, ((const struct named *)item)->name);
}

/* One of that name in a sorted set, or NULL. */
static const struct named *names_find(const struct names *set, const char *name)
{
	return set->n ? bsearch(name, set->item, set->n, sizeof(*set->item), of_name) : NULL;
}

/* Adds the arguments of every directive of that name in a block. */
static void add_arguments(struct checker *c, struct names *set, const struct conf_statement *block,
                          const char *directive)
{
	const struct sl_pool_conf *pool = NULL;

	if (block->directive && block->directive->block->size == sizeof(*pool))
		pool = conf_pool_of(block);
	for (const struct conf_statement *s = block->first; s; s = s->next) {
		if (s->broken || strcmp(s->words[0].text, directive) != 0)
			continue;
		for (uint32_t i = 1; i < s->n_words; i++)
			names_add(c, set, s->words[i].text, &s->words[i], pool);
	}
}

/* Adds the blocks' own names; one left out stands at the directive itself. */
static void add_blocks(struct checker *c, struct names *set, const struct made *made)
{
	for (uint32_t i = 0; i < made->n; i++) {
		const struct conf_statement *s = made->item[i];

		if (s->broken)
			continue;
		if (s->n_words > 1)
			names_add(c, set, s->words[1].text, &s->words[1], NULL);
		else if (s->directive->fallback)
			names_add(c, set, s->directive->fallback, &s->words[0], NULL);
	}
}

/* ---- once ------------------------------------------------------------- */

static void complain_of_duplicates(struct checker *c, struct names *set, const char *what)
{
	const struct named *first = set->item;

	names_sort(set);
	for (uint32_t i = 1; i < set->n; i++) {
		const struct named *again = &set->item[i];

		if (strcmp(first->name, again->name) != 0) {
			first = again;
			continue;
		}
		conf_complain(c->report, &again->word->at, NULL,
		              "%s '%s' is given twice; first in %s:%u", what,
		              conf_show(c->arena, again->name), first->word->at.source->path,
		              first->word->at.line);
	}
}

static void check_blocks_once(struct checker *c, const struct made *made, const char *what)
{
	struct names set = { 0 };

	add_blocks(c, &set, made);
	complain_of_duplicates(c, &set, what);
}

static const char *address_key(struct checker *c, const struct sl_addr_conf *addr)
{
	return conf_sprintf(c->arena, "%s:%u", *addr->host ? addr->host : "*", addr->port);
}

static void check_listens_once(struct checker *c)
{
	struct names set = { 0 };

	for (uint32_t i = 0; i < c->listens.n; i++) {
		const struct conf_statement *s = c->listens.item[i];
		const struct sl_listen_conf *listen = s->object;

		if (!s->broken)
			names_add(c, &set, address_key(c, &listen->addr), &s->words[1], NULL);
	}
	complain_of_duplicates(c, &set, "the address");
}

static void check_servers_once(struct checker *c, const struct conf_statement *pool)
{
	struct names set = { 0 };

	for (const struct conf_statement *s = pool->first; s; s = s->next) {
		const struct sl_server_conf *server = s->object;

		if (server && !s->broken && s->directive->block->inside == CONF_SERVER)
			names_add(c, &set, address_key(c, &server->addr), &s->words[1], NULL);
	}
	complain_of_duplicates(c, &set, "the server");
}

/* Not even in two clusters: its engines would be counted twice. */
static void check_gateways_once(struct checker *c)
{
	struct names set = { 0 };

	for (uint32_t i = 0; i < c->gateways.n; i++) {
		const struct conf_statement *s = c->gateways.item[i];
		const struct sl_pool_conf *pool = conf_pool_of(s);

		if (!s->broken && pool->n_servers)
			names_add(c, &set, address_key(c, &pool->servers[0].addr), &s->words[1],
			          NULL);
	}
	complain_of_duplicates(c, &set, "the gateway");
}

/* Models and aliases share one space of names: what a client may ask for. */
static void check_models_once(struct checker *c)
{
	struct names set = { 0 };

	add_blocks(c, &set, &c->models);
	for (uint32_t i = 0; i < c->models.n; i++)
		add_arguments(c, &set, c->models.item[i], "alias");
	complain_of_duplicates(c, &set, "the model name");
}

static bool is_wildcard(const char *host)
{
	return *host == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static bool collide(const struct sl_addr_conf *a, const struct sl_addr_conf *b)
{
	return a->port == b->port &&
	       (is_wildcard(a->host) || is_wildcard(b->host) || strcmp(a->host, b->host) == 0);
}

static void check_admin_apart(struct checker *c)
{
	const struct sl_addr_conf *admin = &c->config->admin;

	for (uint32_t i = 0; i < c->listens.n; i++) {
		const struct conf_statement *s = c->listens.item[i];
		const struct sl_listen_conf *listen = s->object;

		if (!s->broken && !conf_was_broken(c->root, "admin") &&
		    collide(&listen->addr, admin))
			conf_complain(
			        c->report, &s->words[1].at, NULL,
			        "port %u is already that of admin (%s); expected another one, "
			        "or 'admin off;'",
			        admin->port, address_key(c, admin));
	}
}

/* ---- references ------------------------------------------------------- */

/* All that may be a pool: one that is misspelt, or in an unknown block, was
 * complained about, and what refers to it is no second error. */
static void add_meant_pools(struct checker *c, struct names *set,
                            const struct conf_statement *parent)
{
	for (const struct conf_statement *s = parent->first; s; s = s->next) {
		const struct conf_directive *d = s->directive;
		bool pool = d && d->block && d->block->inside == CONF_POOL;

		if ((pool || !d) && s->n_words > 1)
			names_add(c, set, s->words[1].text, &s->words[1], NULL);
		else if (pool)
			names_add(c, set, d->fallback, &s->words[0], NULL);
		if (!d || (d->block && d->block->inside == CONF_CLUSTER))
			add_meant_pools(c, set, s);
	}
}

static const char *nearest_pool(const struct checker *c, const char *name)
{
	struct conf_nearest nearest;

	conf_nearest_init(&nearest, name);
	for (uint32_t i = 0; i < c->pools.n; i++)
		conf_nearest_offer(&nearest, conf_pool_of(c->pools.item[i])->name);
	return nearest.best;
}

static void check_pools_exist(struct checker *c)
{
	struct names pools = { 0 }, used = { 0 };

	add_meant_pools(c, &pools, c->root);
	names_sort(&pools);
	for (uint32_t i = 0; i < c->models.n; i++)
		add_arguments(c, &used, c->models.item[i], "pools");
	for (uint32_t i = 0; i < used.n; i++) {
		const char *name = used.item[i].name;

		if (!names_find(&pools, name))
			conf_complain(c->report, &used.item[i].word->at, nearest_pool(c, name),
			              "pools: there is no pool '%s'", conf_show(c->arena, name));
	}
}

static bool has_open_end(const struct made *made)
{
	for (uint32_t i = 0; i < made->n; i++) {
		if (conf_pool_of(made->item[i])->n_models == 0 ||
		    conf_was_broken(made->item[i], "model"))
			return true;
	}
	return false;
}

/* Whether some pool does not say what it serves, and so may serve anything. */
static bool is_open_ended(const struct checker *c)
{
	return has_open_end(&c->pools) || has_open_end(&c->gateways) ||
	       c->pools.n + c->gateways.n == 0;
}

static void check_models_served(struct checker *c, const struct names *listed)
{
	if (is_open_ended(c))
		return;
	for (uint32_t i = 0; i < c->models.n; i++) {
		const struct conf_statement *s = c->models.item[i];

		if (s->broken || conf_was_meant(s, "pools") || names_find(listed, s->words[1].text))
			continue;
		conf_complain(c->report, &s->words[1].at, NULL,
		              "no pool serves model '%s'; expected it in the 'model' of a pool, or "
		              "'pools' here",
		              conf_show(c->arena, s->words[1].text));
	}
}

/* An alias that has a block of its own was complained about as given twice. */
static void check_aliases_free(struct checker *c, const struct names *listed)
{
	struct names aliases = { 0 }, blocks = { 0 };

	add_blocks(c, &blocks, &c->models);
	names_sort(&blocks);
	for (uint32_t i = 0; i < c->models.n; i++)
		add_arguments(c, &aliases, c->models.item[i], "alias");
	for (uint32_t i = 0; i < aliases.n; i++) {
		const struct named *alias = &aliases.item[i];
		const struct named *model = names_find(listed, alias->name);

		if (model && !names_find(&blocks, alias->name))
			conf_complain(c->report, &alias->word->at, NULL,
			              "alias '%s' is itself a model of pool '%s'",
			              conf_show(c->arena, alias->name), model->pool->name);
	}
}

void conf_check_names(struct checker *c)
{
	struct names listed = { 0 };

	check_blocks_once(c, &c->clusters, "the cluster");
	check_blocks_once(c, &c->pools, "the pool");
	check_models_once(c);
	check_listens_once(c);
	check_admin_apart(c);
	for (uint32_t i = 0; i < c->pools.n; i++) {
		check_servers_once(c, c->pools.item[i]);
		add_arguments(c, &listed, c->pools.item[i], "model");
	}
	check_gateways_once(c);
	for (uint32_t i = 0; i < c->gateways.n; i++)
		add_arguments(c, &listed, c->gateways.item[i], "model");
	names_sort(&listed);
	check_pools_exist(c);
	check_models_served(c, &listed);
	check_aliases_free(c, &listed);
}

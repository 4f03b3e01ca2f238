/* check.c: a list of checks, each about one thing, each with its reason in
 * its message. */
#include "gateway/config/check.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

/* vLLM's HTTP server closes idle connections after 5 s; a request that meets
 * the close on its way is lost. */
#define VLLM_KEEP_ALIVE_US UINT64_C(5000000)
/* A prefilling vLLM frees blocks that nobody fetched after 30 s. */
#define NIXL_LEASE_US UINT64_C(30000000)
#define MAX_PEM_BYTES (1u << 20)

/* The statements that made objects, in the order of the config's arrays. */
struct made {
	const struct conf_statement **item;
	uint32_t n;
};

struct checker {
	struct conf_arena *arena;
	struct conf_report *report;
	const struct conf_statement *root;
	const struct sl_config *config;
	struct made listens, pools, models, clusters;
};

static const struct sl_pool_conf *pool_of(const struct conf_statement *s)
{
	return s->object;
}

static void collect(struct checker *c, const struct conf_statement *parent, unsigned inside,
                    struct made *out)
{
	for (const struct conf_statement *s = parent->first; s; s = s->next) {
		if (!s->object || !s->directive || !s->directive->block)
			continue;
		if (s->directive->block->inside == CONF_CLUSTER)
			collect(c, s, inside, out);
		if (s->directive->block->inside != inside)
			continue;
		if ((out->n & (out->n - 1)) == 0) {
			size_t room = out->n ? 2 * (size_t)out->n : 1;
			const struct conf_statement **grown =
			        conf_alloc(c->arena, room * sizeof(*grown));

			if (out->n > 0)
				memcpy(grown, out->item, out->n * sizeof(*grown));
			out->item = grown;
		}
		out->item[out->n++] = s;
	}
}

/* The first argument of a directive that was given, and given well. */
static const struct conf_word *given(const struct conf_statement *parent, const char *name)
{
	const struct conf_statement *s = conf_statement_find(parent, name);

	return s && !s->broken && s->n_words > 1 ? &s->words[1] : NULL;
}

/* Whether it was complained about already. */
static bool is_broken(const struct conf_statement *parent, const char *name)
{
	const struct conf_statement *s = conf_statement_find(parent, name);

	return s && s->broken;
}

/* Whether somebody meant to write this directive, at any depth, even if it
 * was misspelt: then its absence is no news. */
static bool was_meant(const struct conf_statement *parent, const char *name)
{
	const char *const words[] = { name, NULL };

	for (const struct conf_statement *s = parent->first; s; s = s->next) {
		if (strcmp(s->words[0].text, name) == 0)
			return true;
		if (!s->directive && conf_nearest_of(s->words[0].text, words))
			return true;
		if (was_meant(s, name))
			return true;
	}
	return false;
}

/* ---- what must be there ----------------------------------------------- */

static void check_complete(struct checker *c)
{
	if (!was_meant(c->root, "listen"))
		conf_complain(c->report, &c->root->end, NULL,
		              "there is no 'listen'; expected at least one, such as: listen 8080;");
	if (!was_meant(c->root, "pool"))
		conf_complain(c->report, &c->root->end, NULL,
		              "there is no 'pool'; expected at least one, such as: "
		              "pool { server 127.0.0.1:8000; }");
	for (uint32_t i = 0; i < c->pools.n; i++) {
		if (c->pools.item[i]->block && !was_meant(c->pools.item[i], "server"))
			conf_complain(c->report, &c->pools.item[i]->words[0].at, NULL,
			              "this pool has no 'server'; expected at least one");
	}
	for (uint32_t i = 0; i < c->clusters.n; i++) {
		if (c->clusters.item[i]->block && !was_meant(c->clusters.item[i], "pool"))
			conf_complain(c->report, &c->clusters.item[i]->words[0].at, NULL,
			              "this cluster has no 'pool'; expected at least one");
	}
}

/* ---- what must be there once ------------------------------------------ */

struct named {
	const char *name;
	const struct conf_word *word;
	uint32_t order;
};

static int by_name(const void *left, const void *right)
{
	const struct named *a = left, *b = right;
	int diff = strcmp(a->name, b->name);

	return diff ? diff : (a->order > b->order) - (a->order < b->order);
}

static void add_named(struct named *list, uint32_t *n, const char *name,
                      const struct conf_word *word)
{
	list[*n] = (struct named){ .name = name, .word = word, .order = *n };
	++*n;
}

static void complain_of_duplicates(struct checker *c, struct named *list, uint32_t n,
                                   const char *what)
{
	const struct named *first = list;

	if (n > 0)
		qsort(list, n, sizeof(*list), by_name);
	for (uint32_t i = 1; i < n; i++) {
		if (strcmp(first->name, list[i].name) != 0) {
			first = &list[i];
			continue;
		}
		conf_complain(c->report, &list[i].word->at, NULL,
		              "%s '%s' is given twice; first in %s:%u", what, list[i].name,
		              first->word->at.source->path, first->word->at.line);
	}
}

/* Blocks whose first word is their name; a name left out stands at the
 * directive itself. */
static void check_names_of(struct checker *c, const struct made *made, const char *fallback,
                           const char *what)
{
	struct named *list = conf_alloc(c->arena, made->n * sizeof(*list) + 1);
	uint32_t n = 0;

	for (uint32_t i = 0; i < made->n; i++) {
		const struct conf_statement *s = made->item[i];

		if (s->broken)
			continue;
		if (s->n_words > 1)
			add_named(list, &n, s->words[1].text, &s->words[1]);
		else if (fallback)
			add_named(list, &n, fallback, &s->words[0]);
	}
	complain_of_duplicates(c, list, n, what);
}

static const char *address_key(struct checker *c, const struct sl_addr_conf *addr)
{
	return conf_sprintf(c->arena, "%s%s%s", *addr->host ? addr->host : "*", ":",
	                    conf_sprintf(c->arena, "%u", addr->port));
}

static void check_listens_once(struct checker *c)
{
	struct named *list = conf_alloc(c->arena, c->listens.n * sizeof(*list) + 1);
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->listens.n; i++) {
		const struct conf_statement *s = c->listens.item[i];
		const struct sl_listen_conf *listen = s->object;

		if (!s->broken)
			add_named(list, &n, address_key(c, &listen->addr), &s->words[1]);
	}
	complain_of_duplicates(c, list, n, "the address");
}

static bool is_wildcard(const char *host)
{
	return *host == '\0' || strcmp(host, "0.0.0.0") == 0 || strcmp(host, "::") == 0;
}

static void check_admin_apart(struct checker *c)
{
	const struct sl_addr_conf *admin = &c->config->admin;

	for (uint32_t i = 0; i < c->listens.n; i++) {
		const struct conf_statement *s = c->listens.item[i];
		const struct sl_addr_conf *addr = &((const struct sl_listen_conf *)s->object)->addr;

		if (s->broken || is_broken(c->root, "admin") || addr->port != admin->port)
			continue;
		if (is_wildcard(addr->host) || is_wildcard(admin->host) ||
		    strcmp(addr->host, admin->host) == 0)
			conf_complain(
			        c->report, &s->words[1].at, NULL,
			        "port %u is already that of admin (%s); expected another one, "
			        "or admin off;",
			        addr->port, address_key(c, admin));
	}
}

static void check_servers_of(struct checker *c, const struct conf_statement *pool)
{
	struct named *list = conf_alloc(c->arena, pool_of(pool)->n_servers * sizeof(*list) + 1);
	uint32_t n = 0;

	for (const struct conf_statement *s = pool->first; s; s = s->next) {
		const struct sl_server_conf *server = s->object;

		if (server && !s->broken)
			add_named(list, &n, address_key(c, &server->addr), &s->words[1]);
	}
	complain_of_duplicates(c, list, n, "the server");
}

static uint32_t count_names(const struct checker *c)
{
	uint32_t n = c->config->n_models;

	for (uint32_t i = 0; i < c->config->n_models; i++)
		n += c->config->models[i].n_aliases;
	return n;
}

/* Models and aliases share one space of names: what a client may ask for. */
static void check_models_once(struct checker *c)
{
	struct named *list = conf_alloc(c->arena, count_names(c) * sizeof(*list) + 1);
	uint32_t n = 0;

	for (uint32_t i = 0; i < c->models.n; i++) {
		const struct conf_statement *model = c->models.item[i];

		if (!model->broken)
			add_named(list, &n, model->words[1].text, &model->words[1]);
	}
	for (uint32_t i = 0; i < c->models.n; i++) {
		for (const struct conf_statement *s = c->models.item[i]->first; s; s = s->next) {
			if (s->broken || strcmp(s->words[0].text, "alias") != 0)
				continue;
			for (uint32_t k = 1; k < s->n_words; k++)
				add_named(list, &n, s->words[k].text, &s->words[k]);
		}
	}
	complain_of_duplicates(c, list, n, "the model name");
}

static void check_once(struct checker *c)
{
	check_names_of(c, &c->clusters, NULL, "the cluster");
	check_names_of(c, &c->pools, "default", "the pool");
	check_models_once(c);
	check_listens_once(c);
	check_admin_apart(c);
	for (uint32_t i = 0; i < c->pools.n; i++)
		check_servers_of(c, c->pools.item[i]);
}

/* ---- references ------------------------------------------------------- */

/* Pools that were meant count: a misspelt `pool` was complained about. */
static bool is_pool_name(const struct conf_statement *parent, const char *name)
{
	for (const struct conf_statement *s = parent->first; s; s = s->next) {
		bool pool = s->directive && s->directive->block &&
		            s->directive->block->inside == CONF_POOL;

		if ((pool || !s->directive) && s->n_words > 1 &&
		    strcmp(s->words[1].text, name) == 0)
			return true;
		if (pool && s->n_words == 1 && strcmp(name, s->directive->fallback) == 0)
			return true;
		if (!pool && is_pool_name(s, name))
			return true;
	}
	return false;
}

static const char *nearest_pool(const struct checker *c, const char *name)
{
	struct conf_nearest nearest;

	conf_nearest_init(&nearest, name);
	for (uint32_t i = 0; i < c->config->n_pools; i++)
		conf_nearest_offer(&nearest, c->config->pools[i].name);
	return nearest.best;
}

static void check_pools_of(struct checker *c, const struct conf_statement *model)
{
	for (const struct conf_statement *s = model->first; s; s = s->next) {
		if (s->broken || strcmp(s->words[0].text, "pools") != 0)
			continue;
		for (uint32_t i = 1; i < s->n_words; i++) {
			const char *name = s->words[i].text;

			if (!is_pool_name(c->root, name))
				conf_complain(c->report, &s->words[i].at, nearest_pool(c, name),
				              "pools: there is no pool '%s'", name);
		}
	}
}

static bool lists_model(const struct sl_pool_conf *pool, const char *name)
{
	for (uint32_t i = 0; i < pool->n_models; i++) {
		if (strcmp(pool->models[i], name) == 0)
			return true;
	}
	return false;
}

/* A model that no pool can have: each says what it serves, and none this. */
static void check_model_served(struct checker *c, const struct conf_statement *s)
{
	const struct sl_model_conf *model = s->object;

	if (s->broken || was_meant(s, "pools") || c->config->n_pools == 0)
		return;
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct sl_pool_conf *pool = pool_of(c->pools.item[i]);

		if (pool->n_models == 0 || is_broken(c->pools.item[i], "model") ||
		    lists_model(pool, model->name))
			return;
	}
	conf_complain(c->report, &s->words[1].at, NULL,
	              "no pool serves model '%s'; expected it in the 'model' of a pool, or 'pools' "
	              "here",
	              model->name);
}

static bool has_block(const struct sl_config *config, const char *model)
{
	for (uint32_t i = 0; i < config->n_models; i++) {
		if (config->models[i].name && strcmp(config->models[i].name, model) == 0)
			return true;
	}
	return false;
}

/* With a block of its own, the model was complained about as given twice. */
static void check_alias_free(struct checker *c, const struct conf_statement *s)
{
	for (uint32_t i = 1; i < s->n_words; i++) {
		for (uint32_t k = 0; k < c->config->n_pools; k++) {
			const struct sl_pool_conf *pool = &c->config->pools[k];

			if (lists_model(pool, s->words[i].text) &&
			    !has_block(c->config, s->words[i].text))
				conf_complain(c->report, &s->words[i].at, NULL,
				              "alias '%s' is itself a model of pool '%s'",
				              s->words[i].text, pool->name);
		}
	}
}

static void check_references(struct checker *c)
{
	for (uint32_t i = 0; i < c->models.n; i++) {
		const struct conf_statement *model = c->models.item[i];

		check_pools_of(c, model);
		check_model_served(c, model);
		for (const struct conf_statement *s = model->first; s; s = s->next) {
			if (!s->broken && strcmp(s->words[0].text, "alias") == 0)
				check_alias_free(c, s);
		}
	}
}

/* ---- prefill and decode ----------------------------------------------- */

static bool can_hand_off(const struct sl_pool_conf *prefill, const struct sl_pool_conf *decode)
{
	return decode->role == SL_ROLE_DECODE && decode->connector == prefill->connector &&
	       strcmp(decode->kv_group, prefill->kv_group) == 0;
}

/* What decides who can hand off to whom is in doubt. */
static bool hand_off_is_broken(const struct conf_statement *pool)
{
	return is_broken(pool, "role") || is_broken(pool, "connector") ||
	       is_broken(pool, "kv_group");
}

static bool has_decode_pool(const struct checker *c, const struct sl_pool_conf *prefill)
{
	for (uint32_t i = 0; i < c->pools.n; i++) {
		if (can_hand_off(prefill, pool_of(c->pools.item[i])) ||
		    hand_off_is_broken(c->pools.item[i]))
			return true;
	}
	return false;
}

static void check_hand_off(struct checker *c, const struct conf_statement *s)
{
	const struct sl_pool_conf *pool = pool_of(s);
	const struct conf_word *role = given(s, "role");

	if (!role || pool->role != SL_ROLE_PREFILL || hand_off_is_broken(s))
		return;
	if (pool->connector == SL_CONNECTOR_NONE)
		conf_complain(
		        c->report, &role->at, NULL,
		        "a prefill pool without a connector could hand nothing over; expected "
		        "'connector nixl;' in this pool");
	else if (!has_decode_pool(c, pool))
		conf_complain(
		        c->report, &role->at, NULL,
		        "no pool could take over from this one; expected a pool of role decode "
		        "with the same connector and kv_group");
}

/* ---- values that must fit together ------------------------------------ */

static void check_engine_limits(struct checker *c, const struct conf_statement *s)
{
	const struct sl_pool_conf *pool = pool_of(s);
	const struct conf_word *idle = given(s, "idle_timeout"), *lease = given(s, "lease");

	if (idle && pool->engine == SL_ENGINE_VLLM && !is_broken(s, "engine") &&
	    pool->idle_timeout_us >= VLLM_KEEP_ALIVE_US)
		conf_complain(c->report, &idle->at, NULL,
		              "idle_timeout: vLLM closes a connection that was idle for 5s, and a "
		              "request sent at that moment is lost; expected less than 5s");
	if (lease && pool->connector == SL_CONNECTOR_NIXL && !is_broken(s, "connector") &&
	    pool->lease_us >= NIXL_LEASE_US)
		conf_complain(
		        c->report, &lease->at, NULL,
		        "lease: a prefill engine frees blocks that nobody fetched after 30s, "
		        "and a decode engine that reads them later answers nonsense; expected "
		        "less than 30s");
}

static bool is_tls(enum sl_upstream_protocol protocol)
{
	return protocol == SL_UP_H1_TLS || protocol == SL_UP_H2_TLS;
}

/* What would have no effect is refused, or it would look like protection. */
static void check_upstream_tls(struct checker *c, const struct conf_statement *s)
{
	static const char *const names[] = { "tls_ca", "tls_server_name", "tls_verify" };
	const struct sl_pool_conf *pool = pool_of(s);
	bool matters[] = { *pool->tls_ca != '\0', *pool->tls_server_name != '\0',
		           !pool->tls_verify };

	if (is_broken(s, "protocol"))
		return;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		const struct conf_word *word = given(s, names[i]);

		if (word && matters[i] && !is_tls(pool->protocol))
			conf_complain(c->report, &word->at, NULL,
			              "%s has no effect without TLS; expected 'protocol tls;' or "
			              "'protocol h2-tls;'",
			              names[i]);
	}
	if (given(s, "tls_ca") && *pool->tls_ca && is_tls(pool->protocol) && !pool->tls_verify)
		conf_complain(c->report, &given(s, "tls_ca")->at, NULL,
		              "tls_ca has no effect with tls_verify off");
}

static void check_memory(struct checker *c)
{
	const struct conf_word *limit = given(c->root, "body_limit");
	const struct conf_word *memory = given(c->root, "request_memory");
	const struct conf_word *word = limit ? limit : memory;

	if (word && c->config->body_limit > c->config->request_memory &&
	    !is_broken(c->root, "body_limit") && !is_broken(c->root, "request_memory"))
		conf_complain(c->report, &word->at, NULL,
		              "body_limit is more than request_memory: a body of that size could "
		              "never be taken");
}

/* ---- TLS files -------------------------------------------------------- */

/* NULL, or why the file cannot be what the directive wants. What is read may
 * be a private key: it goes again at once. */
static const char *pem_problem(struct checker *c, const char *path, const char *label)
{
	struct conf_arena scratch;
	struct conf_source *file;
	const char *ending = conf_sprintf(c->arena, "%s-----", label);
	const char *problem = NULL;

	conf_arena_init(&scratch);
	file = conf_source_read(&scratch, path, MAX_PEM_BYTES, &problem);
	if (file) {
		if (!memmem(file->text, file->len, "-----BEGIN ", 11) ||
		    !memmem(file->text, file->len, ending, strlen(ending)))
			problem = conf_sprintf(c->arena, "holds no PEM %s", label);
		explicit_bzero(file->text, file->len);
	}
	conf_arena_fini(&scratch);
	return problem;
}

static void check_pem(struct checker *c, const struct conf_statement *parent, const char *name,
                      const char *path, const char *label)
{
	const struct conf_word *word = given(parent, name);
	const char *problem = word ? pem_problem(c, path, label) : NULL;

	if (problem)
		conf_complain(c->report, &word->at, NULL, "%s: %s: %s", name, path, problem);
}

static void check_listen_tls(struct checker *c, const struct conf_statement *s)
{
	const struct sl_listen_conf *listen = s->object;
	const struct conf_statement *tls = conf_statement_find(s, "tls");
	const struct conf_word *protocol = given(s, "protocol");

	if (!tls || tls->broken)
		return;
	if (!was_meant(tls, "certificate") || !was_meant(tls, "key"))
		conf_complain(c->report, &tls->words[0].at, NULL,
		              "tls needs both a certificate and a key");
	check_pem(c, tls, "certificate", listen->certificate, "CERTIFICATE");
	check_pem(c, tls, "key", listen->key, "PRIVATE KEY");
	if (protocol && listen->h2c_only)
		conf_complain(c->report, &protocol->at, NULL,
		              "protocol: h2c is HTTP/2 without TLS; expected auto or http/1.1");
}

static void check_fit(struct checker *c)
{
	check_memory(c);
	for (uint32_t i = 0; i < c->listens.n; i++)
		check_listen_tls(c, c->listens.item[i]);
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *s = c->pools.item[i];

		check_hand_off(c, s);
		check_engine_limits(c, s);
		check_upstream_tls(c, s);
		check_pem(c, s, "tls_ca", pool_of(s)->tls_ca, "CERTIFICATE");
	}
}

void conf_check(struct conf_arena *a, struct conf_report *report, const struct conf_statement *root,
                const struct sl_config *config)
{
	struct checker c = { .arena = a, .report = report, .root = root, .config = config };

	collect(&c, root, CONF_LISTEN, &c.listens);
	collect(&c, root, CONF_POOL, &c.pools);
	collect(&c, root, CONF_MODEL, &c.models);
	collect(&c, root, CONF_CLUSTER, &c.clusters);
	check_complete(&c);
	check_once(&c);
	check_references(&c);
	check_fit(&c);
}

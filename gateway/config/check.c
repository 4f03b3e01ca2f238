/* check.c: a list of checks, each about one thing, each with its reason in
 * its message. Those about names are in check_names.c. */
#include "gateway/config/check.h"

#include <string.h>

#include "gateway/config/checker.h"
#include "gateway/config/table.h"

/* vLLM's HTTP server closes idle connections after 5 s; a request that meets
 * the close on its way is lost. */
#define VLLM_KEEP_ALIVE_US UINT64_C(5000000)
/* A prefilling vLLM frees blocks that nobody fetched after 30 s. */
#define NIXL_LEASE_US UINT64_C(30000000)
#define MAX_PEM_BYTES (1u << 20)

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

/* ---- what must be there ----------------------------------------------- */

static void check_complete(struct checker *c)
{
	if (!conf_was_meant(c->root, "listen"))
		conf_complain(c->report, &c->root->end, NULL,
		              "there is no 'listen'; expected at least one, such as: listen 8080;");
	if (!conf_was_meant(c->root, "pool") && !conf_was_meant(c->root, "gateway"))
		conf_complain(c->report, &c->root->end, NULL,
		              "there is no 'pool'; expected at least one, such as: "
		              "pool { server 127.0.0.1:8000; }");
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *s = c->pools.item[i];

		if (s->block && !conf_was_meant(s, "server") && !conf_was_meant(s, "discover"))
			conf_complain(c->report, &s->words[0].at, NULL,
			              "this pool has no 'server'; expected at least one, or a "
			              "'discover'");
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
	return conf_was_broken(pool, "role") || conf_was_broken(pool, "connector") ||
	       conf_was_broken(pool, "kv_group");
}

static bool has_decode_pool(const struct checker *c, const struct sl_pool_conf *prefill)
{
	for (uint32_t i = 0; i < c->pools.n; i++) {
		if (can_hand_off(prefill, conf_pool_of(c->pools.item[i])) ||
		    hand_off_is_broken(c->pools.item[i]))
			return true;
	}
	return false;
}

static void check_hand_off(struct checker *c, const struct conf_statement *s)
{
	const struct sl_pool_conf *pool = conf_pool_of(s);
	const struct conf_word *role = conf_given(s, "role");

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
	const struct sl_pool_conf *pool = conf_pool_of(s);
	const struct conf_word *idle = conf_given(s, "idle_timeout"),
	                       *lease = conf_given(s, "lease");

	if (idle && (pool->engine == SL_ENGINE_VLLM || pool->engine == SL_ENGINE_AUTO) &&
	    !conf_was_broken(s, "engine") && pool->idle_timeout_us >= VLLM_KEEP_ALIVE_US)
		conf_complain(c->report, &idle->at, NULL,
		              "idle_timeout: vLLM closes a connection that was idle for 5s, and a "
		              "request sent at that moment is lost; expected less than 5s");
	if (lease && pool->connector == SL_CONNECTOR_NIXL && !conf_was_broken(s, "connector") &&
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
	const struct sl_pool_conf *pool = conf_pool_of(s);
	bool matters[] = { *pool->tls_ca != '\0', *pool->tls_server_name != '\0',
		           !pool->tls_verify };

	if (conf_was_broken(s, "protocol"))
		return;
	for (size_t i = 0; i < SL_COUNT(names); i++) {
		const struct conf_word *word = conf_given(s, names[i]);

		if (word && matters[i] && !is_tls(pool->protocol))
			conf_complain(c->report, &word->at, NULL,
			              "%s has no effect without TLS; expected 'protocol tls;' or "
			              "'protocol h2-tls;'",
			              names[i]);
	}
	if (conf_given(s, "tls_ca") && *pool->tls_ca && is_tls(pool->protocol) && !pool->tls_verify)
		conf_complain(c->report, &conf_given(s, "tls_ca")->at, NULL,
		              "tls_ca has no effect with tls_verify off");
}

/* A gateway's URL has said already whether there is TLS. */
static void check_scheme(struct checker *c, const struct conf_statement *s)
{
	const struct conf_word *protocol = conf_given(s, "protocol");
	bool https = s->n_words > 1 && strncmp(s->words[1].text, "https:", 6) == 0;

	if (protocol && is_tls(conf_pool_of(s)->protocol) != https)
		conf_complain(c->report, &protocol->at, NULL,
		              "protocol: '%s' does not go with the URL; expected %s",
		              protocol->text, https ? "h2-tls or tls" : "h2c or http/1.1");
}

static void check_memory(struct checker *c)
{
	const struct conf_word *limit = conf_given(c->root, "body_limit");
	const struct conf_word *memory = conf_given(c->root, "request_memory");
	const struct conf_word *word = limit ? limit : memory;

	if (word && c->config->body_limit > c->config->request_memory &&
	    !conf_was_broken(c->root, "body_limit") && !conf_was_broken(c->root, "request_memory"))
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
	const struct conf_word *word = conf_given(parent, name);
	const char *problem = word ? pem_problem(c, path, label) : NULL;

	if (problem)
		conf_complain(c->report, &word->at, NULL, "%s: %s: %s", name, path, problem);
}

static void check_listen_tls(struct checker *c, const struct conf_statement *s)
{
	const struct sl_listen_conf *listen = s->object;
	const struct conf_statement *tls = conf_statement_find(s, "tls");
	const struct conf_word *protocol = conf_given(s, "protocol");

	if (!tls || tls->broken)
		return;
	if (!conf_was_meant(tls, "certificate") || !conf_was_meant(tls, "key"))
		conf_complain(c->report, &tls->words[0].at, NULL,
		              "tls needs both a certificate and a key");
	check_pem(c, tls, "certificate", listen->certificate, "CERTIFICATE");
	check_pem(c, tls, "key", listen->key, "PRIVATE KEY");
	if (protocol && listen->h2c_only)
		conf_complain(c->report, &protocol->at, NULL,
		              "protocol: h2c is HTTP/2 without TLS; expected auto or http/1.1");
}

/* The whole state is told three times per expiry, and changes before that. */
static void check_redis(struct checker *c)
{
	const struct conf_statement *s = conf_statement_find(c->root, "redis");
	const struct sl_redis_conf *redis = c->config->redis;
	const struct conf_word *user, *interval;

	if (!redis || !s)
		return;
	user = conf_given(s, "user");
	if (user && !conf_was_meant(s, "password"))
		conf_complain(c->report, &user->at, NULL, "user needs a password");
	interval = conf_given(s, "publish_interval");
	if (interval && redis->publish_interval_us * 3 > redis->expiry_us)
		conf_complain(c->report, &interval->at, NULL,
		              "publish_interval is more than a third of expiry: a living gateway "
		              "could be taken for a dead one");
}

static void check_fit(struct checker *c)
{
	check_memory(c);
	check_redis(c);
	for (uint32_t i = 0; i < c->listens.n; i++)
		check_listen_tls(c, c->listens.item[i]);
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *s = c->pools.item[i];

		check_hand_off(c, s);
		check_engine_limits(c, s);
		check_upstream_tls(c, s);
		check_pem(c, s, "tls_ca", conf_pool_of(s)->tls_ca, "CERTIFICATE");
	}
	for (uint32_t i = 0; i < c->gateways.n; i++) {
		const struct conf_statement *s = c->gateways.item[i];

		check_scheme(c, s);
		check_upstream_tls(c, s);
		check_pem(c, s, "tls_ca", conf_pool_of(s)->tls_ca, "CERTIFICATE");
	}
}

void conf_check(struct conf_arena *a, struct conf_report *report, const struct conf_statement *root,
                const struct sl_config *config)
{
	struct checker c = { .arena = a, .report = report, .root = root, .config = config };

	collect(&c, root, CONF_LISTEN, &c.listens);
	collect(&c, root, CONF_POOL, &c.pools);
	collect(&c, root, CONF_GATEWAY, &c.gateways);
	collect(&c, root, CONF_MODEL, &c.models);
	collect(&c, root, CONF_CLUSTER, &c.clusters);
	check_complete(&c);
	conf_check_names(&c);
	conf_check_clusters(&c);
	conf_check_discover(&c);
	conf_check_signals(&c);
	conf_check_gpu(&c);
	check_fit(&c);
}

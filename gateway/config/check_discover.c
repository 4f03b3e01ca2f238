/* check_discover.c: sources of engines say enough, and nothing that their kind
 * does not know. */
#include "gateway/config/checker.h"
#include "gateway/config/table.h"

/* What would have no effect is refused; a default, which -T writes, is not. */
static void check_readers(struct checker *c, const struct conf_statement *s)
{
	const struct sl_discover_conf *conf = s->object;
	const struct {
		const char *name;
		bool matters;
	} readers[] = {
		{ "preset", conf->preset != SL_KUBE_PLAIN },
		{ "watch", conf->watch != SL_WATCH_PODS },
		{ "namespace", *conf->namespace_ != '\0' },
		{ "service", *conf->service != '\0' },
		{ "inference_pool", *conf->inference_pool != '\0' },
		{ "selector", *conf->selector != '\0' },
		{ "role_label", *conf->role_label != '\0' },
		{ "model_label", *conf->model_label != '\0' },
		{ "pair_label", *conf->pair_label != '\0' },
		{ "port", conf->port != 0 },
		{ "metrics_port", conf->metrics_port != 0 },
		{ "api", *conf->api != '\0' },
		{ "api_token", *conf->api_token != '\0' },
		{ "api_ca", *conf->api_ca != '\0' },
	};

	if (conf->target.kind == SL_DISCOVER_KUBERNETES)
		return;
	for (size_t i = 0; i < SL_COUNT(readers); i++) {
		const struct conf_word *word = conf_given(s, readers[i].name);

		if (word && readers[i].matters)
			conf_complain(c->report, &word->at, NULL,
			              "%s has no effect here; only 'discover kubernetes' reads it",
			              readers[i].name);
	}
}

static void no_effect(struct checker *c, const struct conf_statement *s, const char *name,
                      const char *value, const char *why)
{
	const struct conf_word *word = conf_given(s, name);

	if (word && *value)
		conf_complain(c->report, &word->at, NULL, "%s has no effect %s", name, why);
}

static void check_api(struct checker *c, const struct conf_statement *s)
{
	const char *api = ((const struct sl_discover_conf *)s->object)->api;
	const struct conf_word *word = conf_given(s, "api");
	size_t skip = !strncmp(api, "https://", 8) ? 8 : !strncmp(api, "http://", 7) ? 7 : 0;

	if (word && *api && (!skip || !api[skip] || api[skip] == '/'))
		conf_complain(c->report, &word->at, NULL,
		              "api: '%s' is no URL; expected https://HOST[:PORT]", api);
}

/* Every pod of a namespace would be taken for an engine. */
static void check_kubernetes(struct checker *c, const struct conf_statement *s)
{
	const struct sl_discover_conf *conf = s->object;

	check_api(c, s);
	if (conf->watch == SL_WATCH_SLICES) {
		no_effect(c, s, "inference_pool", conf->inference_pool,
		          "with 'watch endpointslices'");
		if (!conf_was_meant(s, "service"))
			conf_complain(c->report, &s->words[0].at, NULL,
			              "'watch endpointslices' needs the 'service' they belong to");
		if (conf->preset != SL_KUBE_PLAIN && conf_given(s, "preset"))
			conf_complain(c->report, &conf_given(s, "preset")->at, NULL,
			              "preset: EndpointSlices have no labels of engines; expected "
			              "'watch pods'");
		return;
	}
	if (*conf->inference_pool)
		no_effect(c, s, "service", conf->service,
		          "with an 'inference_pool', whose selector is taken");
	if (conf->preset != SL_KUBE_PLAIN || conf_was_broken(s, "preset"))
		return;
	if (!conf_was_meant(s, "selector") && !conf_was_meant(s, "inference_pool"))
		conf_complain(c->report, &s->words[0].at, NULL,
		              "which pods are engines? expected 'preset', 'selector', "
		              "'inference_pool', or 'watch endpointslices' with a 'service'");
	if (!*conf->inference_pool)
		no_effect(c, s, "service", conf->service,
		          "without a preset or 'watch endpointslices'");
}

static void check_source(struct checker *c, const struct conf_statement *s)
{
	const struct sl_discover_conf *conf = s->object;

	if (!conf || s->broken)
		return;
	check_readers(c, s);
	if (conf->target.kind == SL_DISCOVER_KUBERNETES)
		check_kubernetes(c, s);
}

/* The C library asks no more than three. */
static void check_resolvers(struct checker *c)
{
	const struct conf_word *word = conf_given(c->root, "resolver");

	if (word && c->config->n_resolvers > 3)
		conf_complain(c->report, &word->at, NULL,
		              "resolver: %u name servers; expected at most 3",
		              c->config->n_resolvers);
}

void conf_check_discover(struct checker *c)
{
	check_resolvers(c);
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *s = c->pools.item[i]->first;

		for (; s; s = s->next)
			if (s->directive && s->directive->block &&
			    s->directive->block->inside == CONF_DISCOVER)
				check_source(c, s);
	}
}

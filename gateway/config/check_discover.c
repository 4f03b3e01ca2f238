/* check_discover.c: sources of engines say enough, and nothing that their kind
 * does not know. */
#include "gateway/config/checker.h"
#include "gateway/config/table.h"

static void check_readers(struct checker *c, const struct conf_statement *s)
{
	static const char *const names[] = {
		"preset",       "watch", "namespace",  "service",     "inference_pool",
		"selector",     "port",  "role_label", "model_label", "pair_label",
		"metrics_port", "api",   "api_token",  "api_ca",
	};
	const struct sl_discover_conf *conf = s->object;

	for (size_t i = 0; i < SL_COUNT(names); i++) {
		const struct conf_word *word = conf_given(s, names[i]);

		if (word && conf->target.kind != SL_DISCOVER_KUBERNETES)
			conf_complain(c->report, &word->at, NULL,
			              "%s has no effect here; only 'discover kubernetes' reads it",
			              names[i]);
	}
}

/* Every pod of a namespace would be taken for an engine. */
static void check_kubernetes(struct checker *c, const struct conf_statement *s)
{
	const struct sl_discover_conf *conf = s->object;

	if (conf->watch == SL_WATCH_SLICES) {
		if (!conf_was_meant(s, "service"))
			conf_complain(c->report, &s->words[0].at, NULL,
			              "'watch endpointslices' needs the 'service' they belong to");
		if (conf->preset != SL_KUBE_PLAIN && conf_given(s, "preset"))
			conf_complain(c->report, &conf_given(s, "preset")->at, NULL,
			              "preset: EndpointSlices have no labels of engines; expected "
			              "'watch pods'");
		return;
	}
	if (conf->preset == SL_KUBE_PLAIN && !conf_was_broken(s, "preset") &&
	    !conf_was_meant(s, "selector") && !conf_was_meant(s, "inference_pool"))
		conf_complain(c->report, &s->words[0].at, NULL,
		              "which pods are engines? expected 'preset', 'selector', "
		              "'inference_pool', or 'watch endpointslices' with a 'service'");
	if (conf->preset == SL_KUBE_PLAIN && conf_given(s, "service"))
		conf_complain(c->report, &conf_given(s, "service")->at, NULL,
		              "service has no effect without a preset or 'watch endpointslices'");
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

void conf_check_discover(struct checker *c)
{
	for (uint32_t i = 0; i < c->pools.n; i++) {
		const struct conf_statement *s = c->pools.item[i]->first;

		for (; s; s = s->next)
			if (s->directive && s->directive->block &&
			    s->directive->block->inside == CONF_DISCOVER)
				check_source(c, s);
	}
}

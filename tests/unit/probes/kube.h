/* kube.h: what the tests of Kubernetes' objects share: a store that is fed JSON,
 * and its engines as text. */
#ifndef SLUICE_TEST_KUBE_H
#define SLUICE_TEST_KUBE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/kube.h"

static inline struct sl_discover_conf kube_conf(enum sl_kube_preset preset)
{
	static char none[] = "";

	return (struct sl_discover_conf){
		.target = { SL_DISCOVER_KUBERNETES, none, 0 },
		.preset = preset,
		.api = none,
		.api_token = none,
		.api_ca = none,
		.namespace_ = none,
		.service = none,
		.inference_pool = none,
		.selector = none,
		.role_label = none,
		.model_label = none,
		.pair_label = none,
	};
}

static inline void kube_put(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_store_put(ctx, o);
}

static inline void kube_del(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_store_del(ctx, o);
}

static const struct sl_kube_sink kube_sink = { kube_put, kube_del };
static const struct sl_kube_sink kube_unsink = { kube_del, kube_put };

static inline void kube_add(struct sl_kube_store *store, const char *json)
{
	assert_int_equal(sl_kube_item_read(sl_span_str(json), &kube_sink, store), 0);
}

static inline void kube_remove(struct sl_kube_store *store, const char *json)
{
	assert_int_equal(sl_kube_item_read(sl_span_str(json), &kube_unsink, store), 0);
}

/* The hash of an image stands as "image". */
static inline void kube_group(char *out, size_t size, const char *group)
{
	const char *at = strchr(group, '@');

	if (at)
		snprintf(out, size, "%.*s@image", (int)(at - group), group);
	else
		snprintf(out, size, "%s", group);
}

/* "HOST:PORT ID role=… hold=… group=… engine=… model=… metrics=… node=…@…;" for each,
 * what is not said left out. Owned by the caller. */
static inline char *kube_dump(const struct sl_server_set *set)
{
	static const char *const roles[] = { "both", "prefill", "decode" };
	char *text, group[256];
	size_t len;
	FILE *out = open_memstream(&text, &len);

	for (uint32_t i = 0; i < set->n; i++) {
		const struct sl_server_conf *s = &set->servers[i];
		const struct sl_found *f = &s->found;

		assert_true(f->is);
		fprintf(out, "%s:%u %s", s->addr.host, s->addr.port, f->id);
		kube_group(group, sizeof(group), f->kv_group);
		if (f->has_role)
			fprintf(out, " role=%s", roles[f->role]);
		if (f->hold)
			fprintf(out, " hold=%s", f->why);
		if (*group)
			fprintf(out, " group=%s", group);
		if (*f->engine)
			fprintf(out, " engine=%s", f->engine);
		if (*f->model)
			fprintf(out, " model=%s", f->model);
		if (f->metrics_port)
			fprintf(out, " metrics=%u", f->metrics_port);
		if (*f->node)
			fprintf(out, " node=%s", f->node);
		if (*f->node_address)
			fprintf(out, "@%s", f->node_address);
		fputc(';', out);
	}
	fclose(out);
	return text;
}

static inline void kube_expect(const struct sl_kube_store *store, const char *wanted)
{
	struct sl_server_set *set = sl_kube_store_engines(store);
	char *text = kube_dump(set);

	assert_string_equal(text, wanted);
	free(text);
	sl_server_set_unref(set);
}

/* A pod whose parts are given; labels and containers as JSON. */
#define POD(name, labels, spec, status)                                                            \
	"{\"metadata\":{\"namespace\":\"llm\",\"name\":\"" name "\",\"uid\":\"u-" name             \
	"\",\"labels\":{" labels "}},\"spec\":{" spec "},\"status\":{" status "}}"
#define AT(ip)                                                                                     \
	"\"phase\":\"Running\",\"podIP\":\"" ip "\",\"conditions\":[{\"type\":"                    \
	"\"Initialized\",\"status\":\"False\"},{\"type\":\"Ready\",\"status\":\"True\"}]"
#define UNREADY(ip)                                                                                \
	"\"phase\":\"Running\",\"podIP\":\"" ip                                                    \
	"\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]"
#define MAIN(port)                                                                                 \
	"\"containers\":[{\"name\":\"main\",\"image\":\"vllm:1\",\"ports\":[{"                     \
	"\"containerPort\":" #port "}]}]"

#endif

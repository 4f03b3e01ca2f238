/* kube_fuzz.c: any bytes as an API server's answer: first byte: its shape, the
 * preset, what is watched; second byte: how it is split. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/kube.h"

static char none[] = "", some[] = "llm-d.ai/role";

struct reader {
	struct sl_kube_store *store;
	struct sl_kube_rules *rules;
	struct sl_kube_listing listing;
	enum sl_kube_shape shape;
	char *version;
	uint64_t parts, sum;
};

static void put(void *ctx, const struct sl_kube_object *o)
{
	struct reader *r = ctx;

	sl_kube_store_put(r->store, o);
	sl_kube_rules_take_pool(r->rules, o);
}

static void del(void *ctx, const struct sl_kube_object *o)
{
	sl_kube_store_del(((struct reader *)ctx)->store, o);
}

static const struct sl_kube_sink sink = { put, del };

static void on_part(void *ctx, enum sl_kube_part part, struct sl_span json)
{
	struct sl_kube_status status = { 0 };
	struct reader *r = ctx;
	int rc = 0;

	assert(json.len >= 2 && json.len <= SL_KUBE_OBJECT_MAX && json.ptr[0] == '{');
	r->parts++;
	for (size_t i = 0; i < json.len; i++)
		r->sum = 31 * r->sum + (unsigned char)json.ptr[i];
	if (part == SL_KUBE_PART_METADATA)
		rc = sl_kube_listing_read(&r->listing, json);
	else if (r->shape == SL_KUBE_LIST)
		rc = sl_kube_item_read(json, &sink, r);
	else
		sl_kube_frame_read(json, &sink, r, &r->version, &status);
	assert(rc == 0 || rc == SL_E_BAD_JSON);
	sl_kube_status_read(json, &status);
	assert(memchr(status.message, '\0', sizeof(status.message)));
}

static void check_engines(const struct sl_kube_store *store, bool slices)
{
	struct sl_server_set *a = sl_kube_store_engines(store), *b = sl_kube_store_engines(store);

	assert(sl_server_set_equal(a, b));
	for (uint32_t i = 0; i < a->n; i++) {
		const struct sl_server_conf *s = &a->servers[i];

		assert(s->addr.port && *s->addr.host);
		assert(strspn(s->addr.host, "0123456789abcdefABCDEF.:") == strlen(s->addr.host));
		assert(s->found.hold == (*s->found.why != '\0'));
		assert(!i || !slices || strcmp(s->found.id, a->servers[i - 1].found.id) > 0);
	}
	sl_server_set_unref(a);
	sl_server_set_unref(b);
}

static struct reader read_all(const uint8_t *data, size_t len, uint8_t how, size_t step)
{
	struct sl_discover_conf conf = {
		.preset = (enum sl_kube_preset)(how % SL_KUBE_PRESET_COUNT),
		.watch = how & 8 ? SL_WATCH_SLICES : SL_WATCH_PODS,
		.service = none,
		.inference_pool = how & 16 ? some : none,
		.selector = none,
		.role_label = how & 32 ? some : none,
		.model_label = none,
		.pair_label = how & 32 ? some : none,
	};
	struct sl_kube_rules rules;
	struct reader r = { .shape = how & 64 ? SL_KUBE_LIST : SL_KUBE_OBJECTS, .rules = &rules };
	struct sl_kube_stream *s = sl_kube_stream_new(on_part, &r);

	sl_kube_rules_init(&rules, &conf);
	r.store = sl_kube_store_new(&rules);
	sl_kube_stream_reset(s, r.shape);
	sl_kube_store_begin(r.store);
	for (size_t at = 0; at < len; at += step) {
		size_t n = len - at < step ? len - at : step;
		char *piece = malloc(n); /* exactly as long as it says */

		memcpy(piece, data + at, n);
		sl_kube_stream_feed(s, piece, n);
		free(piece);
	}
	r.sum += (uint64_t)(sl_kube_stream_finish(s) == 0);
	check_engines(r.store, conf.watch == SL_WATCH_SLICES);
	free(sl_kube_list_path(&rules, SL_KUBE_PODS, "n", 1, r.listing.next ? r.listing.next : ""));
	sl_kube_store_end(r.store);
	sl_kube_stream_free(s);
	sl_kube_store_free(r.store);
	sl_kube_rules_fini(&rules);
	sl_kube_listing_fini(&r.listing);
	free(r.version);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct reader whole, split;

	if (len < 2)
		return 0;
	whole = read_all(data + 2, len - 2, data[0], len);
	split = read_all(data + 2, len - 2, data[0], 1u + data[1] % 16u);
	assert(whole.parts == split.parts && whole.sum == split.sum);
	return 0;
}

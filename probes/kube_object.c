/* kube_object.c: lists' items, watches' frames, and the server's words on
 * failures, each one JSON object of bounded size.
 *
 * resourceVersion and continue are opaque: kept and sent back, never compared. */
#include <stdlib.h>

#include "probes/kube_object.h"

#define GONE 410
#define INITIAL_END "k8s.io/initial-events-end"

static void replace(char **at, const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	free(*at);
	*at = copy;
}

/* NULL unless it is one object. */
static cJSON *parse(struct sl_span json)
{
	cJSON *root = cJSON_ParseWithLength(json.ptr, json.len);

	if (cJSON_IsObject(root))
		return root;
	cJSON_Delete(root);
	return NULL;
}

/* ---- values ---------------------------------------------------------- */

uint16_t kube_port(const cJSON *number)
{
	if (!cJSON_IsNumber(number) || number->valuedouble < 1 || number->valuedouble > 65535)
		return 0;
	return (uint16_t)number->valuedouble;
}

uint16_t kube_port_text(const char *text)
{
	uint32_t port = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return 0;
		port = 10 * port + (uint32_t)(*text - '0');
		if (port > 65535)
			return 0;
	}
	return (uint16_t)port;
}

uint16_t kube_served_port(const cJSON *owner, const char *key, uint16_t except)
{
	const cJSON *p = kube_first(kube_find(owner, "ports"));
	uint16_t first = 0;

	for (; p; p = p->next) {
		uint16_t port = kube_port(kube_find(p, key));
		const char *protocol = kube_text(p, "protocol");

		if (!port || port == except || (*protocol && strcmp(protocol, "TCP") != 0))
			continue;
		if (!strncmp(kube_text(p, "name"), "http", 4))
			return port;
		if (!first)
			first = port;
	}
	return first;
}

bool kube_is_address(const char *text)
{
	static const char v4[] = "0123456789.", v6[] = "0123456789abcdefABCDEF.:";
	const char *set = strchr(text, ':') ? v6 : v4;

	return *text && strspn(text, set) == strlen(text);
}

const char *kube_short_text(const cJSON *json, const char *name)
{
	const char *text = kube_text(json, name);

	return strlen(text) <= KUBE_TEXT_MAX ? text : "";
}

struct kube_identity kube_identity_of(const struct sl_kube_object *o)
{
	const cJSON *meta = kube_find(kube_json(o), "metadata");

	return (struct kube_identity){
		.namespace_ = kube_short_text(meta, "namespace"),
		.name = kube_short_text(meta, "name"),
		.uid = kube_short_text(meta, "uid"),
		.labels = kube_find(meta, "labels"),
		.annotations = kube_find(meta, "annotations"),
		.terminating = *kube_text(meta, "deletionTimestamp") != '\0',
	};
}

const char *kube_mark(const struct kube_identity *id, const char *key)
{
	const char *value = key ? kube_short_text(id->labels, key) : "";

	return *value || !key ? value : kube_short_text(id->annotations, key);
}

/* ---- lists ----------------------------------------------------------- */

void sl_kube_listing_fini(struct sl_kube_listing *l)
{
	free(l->version);
	free(l->next);
	*l = (struct sl_kube_listing){ 0 };
}

int sl_kube_listing_read(struct sl_kube_listing *l, struct sl_span json)
{
	cJSON *root = parse(json);

	if (!root)
		return SL_E_BAD_JSON;
	replace(&l->version, kube_text(root, "resourceVersion"));
	replace(&l->next, kube_text(root, "continue"));
	cJSON_Delete(root);
	return 0;
}

int sl_kube_item_read(struct sl_span json, const struct sl_kube_sink *sink, void *ctx)
{
	cJSON *root = parse(json);

	if (!root)
		return SL_E_BAD_JSON;
	sink->put(ctx, kube_object(root));
	cJSON_Delete(root);
	return 0;
}

/* ---- failures -------------------------------------------------------- */

static void status_of(const cJSON *status, struct sl_kube_status *out)
{
	const cJSON *code = kube_find(status, "code");
	const char *text = kube_text(status, "message");
	size_t n = 0;

	out->code = cJSON_IsNumber(code) ? code->valueint : 0;
	for (; *text && n + 1 < sizeof(out->message); text++)
		out->message[n++] = *text >= ' ' && *text <= '~' ? *text : ' ';
	out->message[n] = '\0';
}

void sl_kube_status_read(struct sl_span json, struct sl_kube_status *out_status)
{
	cJSON *root = parse(json);

	status_of(root, out_status);
	cJSON_Delete(root);
}

/* ---- frames ---------------------------------------------------------- */

static enum sl_kube_event changed(const cJSON *object, const struct sl_kube_sink *sink, void *ctx)
{
	sink->put(ctx, kube_object(object));
	return SL_KUBE_CHANGED;
}

static enum sl_kube_event deleted(const cJSON *object, const struct sl_kube_sink *sink, void *ctx)
{
	sink->del(ctx, kube_object(object));
	return SL_KUBE_CHANGED;
}

static enum sl_kube_event bookmark(const cJSON *object, const struct sl_kube_sink *sink, void *ctx)
{
	const struct kube_identity id = kube_identity_of(kube_object(object));

	(void)sink;
	(void)ctx;
	return strcmp(kube_text(id.annotations, INITIAL_END), "true") ? SL_KUBE_BOOKMARK
	                                                              : SL_KUBE_INITIAL;
}

static const struct {
	const char *type;
	enum sl_kube_event (*fn)(const cJSON *object, const struct sl_kube_sink *sink, void *ctx);
} frame_types[] = {
	{ "ADDED", changed },
	{ "MODIFIED", changed },
	{ "DELETED", deleted },
	{ "BOOKMARK", bookmark },
};

static enum sl_kube_event frame_of(const cJSON *root, const struct sl_kube_sink *sink, void *ctx,
                                   char **version, struct sl_kube_status *out_status)
{
	const char *type = kube_text(root, "type"), *at;
	const cJSON *object = kube_find(root, "object");
	enum sl_kube_event event;

	if (!cJSON_IsObject(object))
		return SL_KUBE_UNKNOWN;
	if (!strcmp(type, "ERROR")) {
		status_of(object, out_status);
		return out_status->code == GONE ? SL_KUBE_EXPIRED : SL_KUBE_ERROR;
	}
	at = kube_text(kube_find(object, "metadata"), "resourceVersion");
	for (size_t i = 0; *at && i < SL_COUNT(frame_types); i++) {
		if (strcmp(type, frame_types[i].type) != 0)
			continue;
		event = frame_types[i].fn(object, sink, ctx);
		replace(version, at);
		return event;
	}
	return SL_KUBE_UNKNOWN;
}

enum sl_kube_event sl_kube_frame_read(struct sl_span json, const struct sl_kube_sink *sink,
                                      void *ctx, char **version, struct sl_kube_status *out_status)
{
	enum sl_kube_event event = SL_KUBE_UNKNOWN;
	cJSON *root = parse(json);

	if (root)
		event = frame_of(root, sink, ctx, version, out_status);
	cJSON_Delete(root);
	return event;
}

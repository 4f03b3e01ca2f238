/* write.c: see write.h. */
#include "bench/kube/write.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/kube/filter.h"
#include "bench/kube/read.h"

static const char *text_of(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? text : "";
}

static void set_text(cJSON *object, const char *key, const char *text)
{
	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	cJSON_AddStringToObject(object, key, text);
}

/* ---- what is sent ---------------------------------------------------- */

static void bad_json(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	char message[SL_KAPI_WRONG_BYTES];

	snprintf(message, sizeof(message),
	         "the object provided is unrecognized (must be of type %s): couldn't get "
	         "version/kind; json parse error",
	         r->resource->kind);
	sl_kapi_answer_bad(conn, r, message);
}

static bool right_kind(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                       const cJSON *object)
{
	const char *kind = text_of(object, "kind"), *version = text_of(object, "apiVersion");
	char message[SL_KAPI_WRONG_BYTES];

	if ((!*kind || !strcmp(kind, r->resource->kind)) &&
	    (!*version || !strcmp(version, r->resource->api_version)))
		return true;
	snprintf(message, sizeof(message),
	         "%.60s in version \"%.60s\" cannot be handled as a %s: converting (v1.%.60s) to "
	         "(v1.%s): unknown conversion",
	         kind, version, r->resource->kind, kind, r->resource->kind);
	sl_kapi_answer_bad(conn, r, message);
	return false;
}

static bool right_namespace(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                            cJSON *metadata)
{
	const char *given = text_of(metadata, "namespace");

	if (*given && strcmp(given, r->namespace_) != 0) {
		sl_kapi_answer_bad(conn, r,
		                   "the namespace of the provided object does not match the "
		                   "namespace sent on the request");
		return false;
	}
	set_text(metadata, "namespace", r->namespace_);
	return true;
}

/* The body as an object of this kind with metadata; NULL: answered. */
static cJSON *read_object(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	cJSON *object = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	cJSON *metadata;

	if (!cJSON_IsObject(object)) {
		cJSON_Delete(object);
		bad_json(conn, r);
		return NULL;
	}
	metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	if (!cJSON_IsObject(metadata)) {
		cJSON_DeleteItemFromObjectCaseSensitive(object, "metadata");
		metadata = cJSON_AddObjectToObject(object, "metadata");
	}
	if (!right_kind(conn, r, object) || !right_namespace(conn, r, metadata)) {
		cJSON_Delete(object);
		return NULL;
	}
	set_text(object, "kind", r->resource->kind);
	set_text(object, "apiVersion", r->resource->api_version);
	return object;
}

static void answer_object(struct sl_sim_conn *conn, const struct sl_kapi_request *r, int status,
                          const struct sl_kapi_version *v)
{
	sl_kapi_answer(conn, r, status, sl_span(v->text, v->len));
}

/* Takes the object. */
static void commit(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                   int status, cJSON *object)
{
	const struct sl_kapi_version *v =
	        sl_kapi_store_put(&kube->store, r->resource->index, object);

	cJSON_Delete(object);
	sl_kapi_changed(kube);
	answer_object(conn, r, status, v);
}

/* ---- create ---------------------------------------------------------- */

static void no_name(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	static const char why[] = "Required value: name or generateName is required";
	char message[SL_KAPI_WRONG_BYTES];

	snprintf(message, sizeof(message), "%s \"\" is invalid: metadata.name: %s",
	         r->resource->kind, why);
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 422,
	                                                .reason = "Invalid",
	                                                .message = message,
	                                                .group = r->resource->group,
	                                                .kind = r->resource->kind,
	                                                .cause_reason = "FieldValueRequired",
	                                                .cause_message = why,
	                                                .cause_field = "metadata.name" });
}

static void exists(struct sl_sim_conn *conn, const struct sl_kapi_request *r, const char *name)
{
	char message[SL_KAPI_WRONG_BYTES];

	snprintf(message, sizeof(message), "%s \"%s\" already exists",
	         sl_kapi_resource_full_name(r->resource), name);
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 409,
	                                                .reason = "AlreadyExists",
	                                                .message = message,
	                                                .name = name,
	                                                .group = r->resource->group,
	                                                .kind = r->resource->plural });
}

static void generate_name(struct sl_kapi *kube, cJSON *metadata)
{
	static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
	const char *prefix = text_of(metadata, "generateName");
	uint64_t random = sl_rng_next(&kube->rng);
	char name[254];
	size_t n;

	if (!*prefix || *text_of(metadata, "name"))
		return;
	n = (size_t)snprintf(name, sizeof(name) - 5, "%.240s", prefix);
	for (unsigned i = 0; i < 5; i++, random /= sizeof(letters) - 1)
		name[n++] = letters[random % (sizeof(letters) - 1)];
	name[n] = 0;
	set_text(metadata, "name", name);
}

/* What the server adds to a new object. */
static void stamp(struct sl_kapi *kube, const struct sl_kapi_request *r, cJSON *metadata)
{
	char uid[40], now[24];

	sl_kapi_uuid(kube, uid);
	sl_kapi_time_text(now);
	set_text(metadata, "uid", uid);
	set_text(metadata, "creationTimestamp", now);
	if (r->resource->custom) {
		cJSON_DeleteItemFromObjectCaseSensitive(metadata, "generation");
		cJSON_AddNumberToObject(metadata, "generation", 1);
	}
}

void sl_kapi_create(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	cJSON *object = read_object(conn, r), *metadata;
	const char *name;
	char key[520];

	if (!object)
		return;
	metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	generate_name(kube, metadata);
	name = text_of(metadata, "name");
	snprintf(key, sizeof(key), "%s/%.253s", r->namespace_, name);
	if (*name && *r->namespace_ && strlen(name) < 254 &&
	    !sl_kapi_store_find(&kube->store, r->resource->index, key)) {
		stamp(kube, r, metadata);
		commit(kube, conn, r, 201, object);
		return;
	}
	if (*name && *r->namespace_ && strlen(name) < 254)
		exists(conn, r, name);
	else
		no_name(conn, r);
	cJSON_Delete(object);
}

/* ---- update and patch ------------------------------------------------ */

static void conflict(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	char message[SL_KAPI_WRONG_BYTES];

	snprintf(message, sizeof(message),
	         "Operation cannot be fulfilled on %s \"%.100s\": the object has been modified; "
	         "please apply your changes to the latest version and try again",
	         sl_kapi_resource_full_name(r->resource), r->name);
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 409,
	                                                .reason = "Conflict",
	                                                .message = message,
	                                                .name = r->name,
	                                                .group = r->resource->group,
	                                                .kind = r->resource->plural });
}

static void replace(cJSON *object, const char *key, const cJSON *from)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(from, key);

	cJSON_DeleteItemFromObjectCaseSensitive(object, key);
	if (item)
		cJSON_AddItemToObject(object, key, cJSON_Duplicate(item, true));
}

/* What a client cannot change comes from the object as it is; of a status,
 * everything else; of a custom resource, its status (which has a path of its
 * own). */
static void keep_fixed(const struct sl_kapi_request *r, cJSON *object, const cJSON *before)
{
	static const char *const fixed[] = { "name", "namespace", "uid", "creationTimestamp" };
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	const cJSON *old = cJSON_GetObjectItemCaseSensitive(before, "metadata");
	const cJSON *item;

	for (size_t i = 0; i < SL_COUNT(fixed); i++)
		replace(metadata, fixed[i], old);
	if (r->resource->custom && !r->status)
		replace(object, "status", before);
	if (!r->status)
		return;
	cJSON_ArrayForEach(item, before) if (strcmp(item->string, "status") != 0)
	        replace(object, item->string, before);
}

/* A custom resource's generation counts its specs. */
static void count_generation(const struct sl_kapi_request *r, cJSON *object, const cJSON *before)
{
	cJSON *generation = cJSON_GetObjectItemCaseSensitive(
	        cJSON_GetObjectItemCaseSensitive(object, "metadata"), "generation");

	if (r->resource->custom && generation &&
	    !cJSON_Compare(cJSON_GetObjectItemCaseSensitive(object, "spec"),
	                   cJSON_GetObjectItemCaseSensitive(before, "spec"), true))
		cJSON_SetNumberValue(generation, generation->valuedouble + 1);
}

/* Takes the object, which replaces `v`. */
static void change(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                   const struct sl_kapi_version *v, cJSON *object)
{
	cJSON *before = sl_kapi_version_parse(v);
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	const char *rv = text_of(metadata, "resourceVersion");
	bool same, old = *rv && strtoull(rv, NULL, 10) != v->rv;

	keep_fixed(r, object, before);
	metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	replace(metadata, "resourceVersion", cJSON_GetObjectItemCaseSensitive(before, "metadata"));
	same = cJSON_Compare(object, before, true);
	count_generation(r, object, before);
	cJSON_Delete(before);
	if (!same && !old) {
		commit(kube, conn, r, 200, object);
		return;
	}
	cJSON_Delete(object);
	if (old)
		conflict(conn, r);
	else
		answer_object(conn, r, 200, v);
}

void sl_kapi_update(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	cJSON *object = read_object(conn, r);
	const struct sl_kapi_version *v = sl_kapi_named(kube, r);
	char message[SL_KAPI_WRONG_BYTES];
	const char *name;

	if (!object)
		return;
	name = text_of(cJSON_GetObjectItemCaseSensitive(object, "metadata"), "name");
	if (!strcmp(name, r->name) && v) {
		change(kube, conn, r, v, object);
		return;
	}
	snprintf(message, sizeof(message),
	         "the name of the object (%.100s) does not match the name on the URL (%.100s)",
	         name, r->name);
	if (strcmp(name, r->name) != 0)
		sl_kapi_answer_bad(conn, r, message);
	else
		sl_kapi_answer_not_found(conn, r, r->name);
	cJSON_Delete(object);
}

/* RFC 7386. Depth is bounded by cJSON's own limit of nesting. */
static void merge(cJSON *object, const cJSON *patch)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, patch)
	{
		cJSON *there = cJSON_GetObjectItemCaseSensitive(object, item->string);

		if (cJSON_IsObject(item) && !cJSON_IsObject(there)) {
			cJSON_DeleteItemFromObjectCaseSensitive(object, item->string);
			there = cJSON_AddObjectToObject(object, item->string);
		}
		if (cJSON_IsObject(item))
			merge(there, item);
		else if (cJSON_IsNull(item))
			cJSON_DeleteItemFromObjectCaseSensitive(object, item->string);
		else
			replace(object, item->string, patch);
	}
}

void sl_kapi_patch(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	const struct sl_kapi_version *v = sl_kapi_named(kube, r);
	cJSON *patch, *object;

	if (strncmp(r->content_type, "application/merge-patch+json", 28) != 0) {
		sl_kapi_answer_status(
		        conn, r,
		        &(struct sl_kapi_status){ .code = 415,
		                                  .reason = "UnsupportedMediaType",
		                                  .message = "415: Unsupported Media Type",
		                                  .details = true });
		return;
	}
	if (!v) {
		sl_kapi_answer_not_found(conn, r, r->name);
		return;
	}
	patch = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	if (!cJSON_IsObject(patch)) {
		cJSON_Delete(patch);
		sl_kapi_answer_bad(conn, r, "error decoding patch: it is no JSON object");
		return;
	}
	object = sl_kapi_version_parse(v);
	merge(object, patch);
	cJSON_Delete(patch);
	if (!cJSON_IsObject(cJSON_GetObjectItemCaseSensitive(object, "metadata"))) {
		cJSON_Delete(object);
		sl_kapi_answer_bad(conn, r, "the patch leaves no metadata");
		return;
	}
	change(kube, conn, r, v, object);
}

/* ---- delete ---------------------------------------------------------- */

void sl_kapi_mark_terminating(cJSON *object, unsigned grace_s)
{
	cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
	char now[24];

	sl_kapi_time_text(now);
	set_text(metadata, "deletionTimestamp", now);
	cJSON_DeleteItemFromObjectCaseSensitive(metadata, "deletionGracePeriodSeconds");
	cJSON_AddNumberToObject(metadata, "deletionGracePeriodSeconds", grace_s);
}

void sl_kapi_delete(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	const struct sl_kapi_version *v = sl_kapi_named(kube, r);
	struct sl_kapi_status done = { .code = 200,
		                       .name = r->name,
		                       .group = r->resource->group,
		                       .kind = r->resource->plural };
	char uid[40];
	int64_t grace_s;

	if (!v) {
		sl_kapi_answer_not_found(conn, r, r->name);
		return;
	}
	if (!sl_kapi_number_param(conn, r, "gracePeriodSeconds", &grace_s))
		return;
	if (grace_s > 0 && r->resource->index == SL_KAPI_PODS && !v->facts.terminating) {
		cJSON *object = sl_kapi_version_parse(v);

		sl_kapi_mark_terminating(object, (unsigned)grace_s);
		commit(kube, conn, r, 200, object);
		return;
	}
	memcpy(uid, v->uid, sizeof(uid));
	done.uid = uid;
	sl_kapi_store_del(&kube->store, r->resource->index, v->key);
	sl_kapi_changed(kube);
	sl_kapi_answer_status(conn, r, &done);
}

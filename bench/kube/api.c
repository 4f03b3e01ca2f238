/* api.c: from a request to who answers it: authentication, authorization,
 * faults, paths. */
#include <stdio.h>

#include "bench/kube/control.h"
#include "bench/kube/kube.h"
#include "bench/kube/read.h"
#include "bench/kube/watch.h"
#include "bench/kube/write.h"

typedef void (*serve_fn)(struct sl_kapi *kube, struct sl_sim_conn *conn,
                         const struct sl_kapi_request *r);

/* ---- who may --------------------------------------------------------- */

static void unauthorized(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 401,
	                                                .reason = "Unauthorized",
	                                                .message = "Unauthorized" });
}

/* In the words of RBAC. */
static void forbidden(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	const struct sl_kapi_resource *resource = r->resource;
	const char *full = sl_kapi_resource_full_name(resource);
	char what[600], where[300] = "at the cluster scope", message[1400];

	snprintf(what, sizeof(what), "%s \"%.253s\"", full, r->name);
	if (*r->namespace_)
		snprintf(where, sizeof(where), "in the namespace \"%s\"", r->namespace_);
	snprintf(message, sizeof(message),
	         "%s is forbidden: User \"system:serviceaccount:default:client\" cannot %s "
	         "resource \"%s%s\" in API group \"%s\" %s",
	         *r->name ? what : full, sl_kapi_verb_name(r->verb), resource->plural,
	         r->status ? "/status" : "", resource->group, where);
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 403,
	                                                .reason = "Forbidden",
	                                                .message = message,
	                                                .name = r->name,
	                                                .group = resource->group,
	                                                .kind = resource->plural });
}

/* "Bearer TOKEN", or with -denied behind it. */
static bool has_token(const struct sl_kapi_request *r, const char *token, const char *suffix)
{
	char wanted[1100];

	snprintf(wanted, sizeof(wanted), "Bearer %s%s", token, suffix);
	return !strcmp(r->token, wanted);
}

static bool is_forbidden(const struct sl_kapi *kube, const struct sl_kapi_request *r)
{
	const char *what = kube->opt.forbid, *colon = what ? strchr(what, ':') : NULL;
	const char *verb = sl_kapi_verb_name(r->verb);

	if (kube->opt.token && has_token(r, kube->opt.token, "-denied"))
		return true;
	if (!what)
		return false;
	if (colon && (strncmp(what, verb, strlen(verb)) != 0 || what[strlen(verb)] != ':'))
		return false;
	return !strcmp(colon ? colon + 1 : what, r->resource->plural);
}

static bool may_enter(const struct sl_kapi *kube, const struct sl_kapi_request *r)
{
	return !kube->opt.token || has_token(r, kube->opt.token, "") ||
	       has_token(r, kube->opt.token, "-denied");
}

/* ---- faults ---------------------------------------------------------- */

static const struct sl_kapi_status *fault_status(int code)
{
	static const struct sl_kapi_status table[] = {
		{ .code = 401, .reason = "Unauthorized", .message = "Unauthorized" },
		{ .code = 429,
		  .reason = "TooManyRequests",
		  .message = "storage is (re)initializing",
		  .retry_after_s = 1 },
		{ .code = 500,
		  .reason = "InternalError",
		  .message = "Internal error occurred: the stand-in was told to fail" },
		{ .code = 503,
		  .reason = "ServiceUnavailable",
		  .message = "the server is currently unable to handle the request" },
		{ .code = 504,
		  .reason = "Timeout",
		  .message = "Timeout: request did not complete within the allotted timeout" },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (table[i].code == code)
			return &table[i];
	return NULL;
}

static bool answer_fault(struct sl_kapi *kube, struct sl_sim_conn *conn,
                         const struct sl_kapi_request *r)
{
	struct sl_kapi_faults *f = &kube->faults;
	const struct sl_kapi_status *status = fault_status(f->status);

	if (!f->status || (f->verb != SL_KAPI_NO_VERB && f->verb != r->verb))
		return false;
	if (f->status == 403)
		forbidden(conn, r);
	else
		sl_kapi_answer_status(
		        conn, r, status ? status : &(struct sl_kapi_status){ .code = f->status });
	if (--f->status_count == 0)
		f->status = 0;
	return true;
}

/* ---- paths ----------------------------------------------------------- */

static void no_resource(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	if (!r->group_known) {
		sl_kapi_answer_text(conn, 404, "404 page not found\n");
		return;
	}
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){
	                              .code = 404,
	                              .reason = "NotFound",
	                              .message = "the server could not find the requested resource",
	                              .details = true });
}

static void no_verb(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	(void)kube;
	sl_kapi_answer_status(
	        conn, r,
	        &(struct sl_kapi_status){
	                .code = 405,
	                .reason = "MethodNotAllowed",
	                .message = "the server does not allow this method on the requested "
	                           "resource",
	                .details = true });
}

static void serve_resource(struct sl_kapi *kube, struct sl_sim_conn *conn,
                           const struct sl_kapi_request *r)
{
	static const serve_fn verbs[] = {
		[SL_KAPI_GET] = sl_kapi_get,       [SL_KAPI_LIST] = sl_kapi_list,
		[SL_KAPI_WATCH] = sl_kapi_watch,   [SL_KAPI_CREATE] = sl_kapi_create,
		[SL_KAPI_UPDATE] = sl_kapi_update, [SL_KAPI_PATCH] = sl_kapi_patch,
		[SL_KAPI_DELETE] = sl_kapi_delete, [SL_KAPI_NO_VERB] = no_verb,
	};

	kube->asked[r->verb]++;
	if (answer_fault(kube, conn, r))
		return;
	if (is_forbidden(kube, r))
		forbidden(conn, r);
	else
		verbs[r->verb](kube, conn, r);
}

static bool serve_health(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	static const char *const paths[] = { "/readyz", "/livez", "/healthz" };

	for (size_t i = 0; i < SL_COUNT(paths); i++)
		if (!strcmp(paths[i], r->path)) {
			sl_kapi_answer_text(conn, 200, "ok");
			return true;
		}
	if (strcmp(r->path, "/version") != 0)
		return false;
	sl_kapi_answer(
	        conn, r, 200,
	        SL_SPAN("{\"major\":\"1\",\"minor\":\"31\",\"gitVersion\":\"v1.31.0-sluice\","
	                "\"compiler\":\"c11\"}"));
	return true;
}

void sl_kapi_api_serve(struct sl_kapi *kube, struct sl_sim_conn *conn)
{
	static struct sl_kapi_request r;

	if (!sl_kapi_request_read(&r, conn)) {
		sl_kapi_answer_text(conn, 400, "400 Bad Request");
		return;
	}
	if (sl_kapi_control_serve(kube, conn, &r))
		return;
	if (kube->faults.hold) {
		conn->held = true;
		return;
	}
	if (!may_enter(kube, &r))
		unauthorized(conn, &r);
	else if (r.resource)
		serve_resource(kube, conn, &r);
	else if (!serve_health(conn, &r))
		no_resource(conn, &r);
}

void sl_kapi_api_release(struct sl_kapi *kube)
{
	struct sl_sim_conn *next;

	for (struct sl_sim_conn *c = kube->conns.first; c; c = next) {
		next = c->next;
		if (!c->held)
			continue;
		c->held = false;
		sl_kapi_api_serve(kube, c);
	}
}

/* control.c: see control.h. */
#include "bench/kube/control.h"

#include <stdlib.h>

#include "bench/kube/churn.h"
#include "bench/kube/filter.h"
#include "bench/kube/watch.h"

#define PREFIX "/stand-in/"

/* What a command does with its JSON object; NULL, or what is wrong with it. */
typedef const char *(*command_fn)(struct sl_kapi *kube, const cJSON *json);

static double number(const cJSON *json, const char *key, double otherwise)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(json, key);

	return cJSON_IsNumber(item) ? item->valuedouble : otherwise;
}

static const char *word(const cJSON *json, const char *key)
{
	return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));
}

static bool flag(const cJSON *json, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, key));
}

/* ---- commands -------------------------------------------------------- */

static bool read_kinds(const cJSON *json, unsigned *out_kinds)
{
	const cJSON *kinds = cJSON_GetObjectItemCaseSensitive(json, "kinds"), *item;
	unsigned all = (1u << SL_KAPI_CHANGES) - 1, bits = 0;

	cJSON_ArrayForEach(item, kinds)
	{
		unsigned before = bits;

		for (unsigned i = 0; cJSON_IsString(item) && i < SL_KAPI_CHANGES; i++)
			if (!strcmp(item->valuestring, sl_kapi_change_name(i)))
				bits |= 1u << i;
		if (bits == before)
			return false;
	}
	*out_kinds = kinds ? bits : all;
	return true;
}

static const char *do_churn(struct sl_kapi *kube, const cJSON *json)
{
	double per_s = number(json, "per_s", -1), count = number(json, "count", 0);
	unsigned kinds;

	if (!read_kinds(json, &kinds))
		return "kinds are ready, address, label, delete and create, each once";
	if (per_s > 1e5 || count < 0 || count > 1e5)
		return "per_s and count go to 100000";
	if (count > 0)
		sl_kapi_churn_make(kube, (unsigned)count, kinds);
	if (per_s >= 0)
		sl_kapi_churn_set(kube, per_s, kinds);
	return NULL;
}

static const char *do_compact(struct sl_kapi *kube, const cJSON *json)
{
	(void)json;
	sl_kapi_watch_pump_all(kube);
	sl_kapi_store_compact(&kube->store);
	return NULL;
}

static const char *do_cut(struct sl_kapi *kube, const cJSON *json)
{
	static const char *const names[SL_KAPI_CUTS] = {
		[SL_KAPI_CUT_FIN] = "fin",
		[SL_KAPI_CUT_RESET] = "reset",
		[SL_KAPI_CUT_END] = "end",
	};
	const char *how = word(json, "how");

	for (unsigned i = 0; i < SL_KAPI_CUTS; i++)
		if (!strcmp(how ? how : "fin", names[i])) {
			sl_kapi_watch_cut(kube, (enum sl_kapi_cut)i, flag(json, "middle"));
			return NULL;
		}
	return "how is fin, reset or end";
}

static const char *do_split(struct sl_kapi *kube, const cJSON *json)
{
	double bytes = number(json, "bytes", -1);

	if (bytes < 0 || bytes > 1e9)
		return "bytes is needed; 0 is whole frames";
	kube->faults.split_bytes = (uint32_t)bytes;
	return NULL;
}

static const char *do_hold(struct sl_kapi *kube, const cJSON *json)
{
	kube->faults.hold = flag(json, "on");
	if (kube->faults.hold)
		return NULL;
	sl_kapi_api_release(kube);
	sl_kapi_watch_pump_all(kube);
	return NULL;
}

static const char *do_status(struct sl_kapi *kube, const cJSON *json)
{
	double code = number(json, "code", -1), count = number(json, "count", 0);
	const char *verb = word(json, "verb");
	enum sl_kapi_verb v = SL_KAPI_GET;

	while (verb && v < SL_KAPI_NO_VERB && strcmp(verb, sl_kapi_verb_name(v)) != 0)
		v++;
	if ((code != 0 && (code < 400 || code > 599)) || count < 0 || count > 1e9)
		return "code is 400 to 599, or 0 for none";
	if (verb && v == SL_KAPI_NO_VERB)
		return "verb is get, list, watch, create, update, patch or delete";
	kube->faults.status = (int)code;
	kube->faults.status_count = count >= 1 ? (uint32_t)count : UINT32_MAX;
	kube->faults.verb = verb ? v : SL_KAPI_NO_VERB;
	return NULL;
}

static const char *do_bookmark(struct sl_kapi *kube, const cJSON *json)
{
	(void)json;
	sl_kapi_watch_bookmark_all(kube);
	return NULL;
}

/* The answer is sent before the port closes. */
static const char *do_restart(struct sl_kapi *kube, const cJSON *json)
{
	double down_s = number(json, "down_s", 0), rv = number(json, "resource_version", 0);

	if (down_s < 0 || down_s > 86400 || rv < 0)
		return "down_s is seconds, resource_version the next one";
	kube->down_us = (uint64_t)(down_s * 1e6);
	sl_kapi_store_compact(&kube->store);
	if (rv >= 1)
		kube->store.rv = kube->store.oldest = (uint64_t)rv;
	event_active(&kube->restart, EV_TIMEOUT, 0);
	return NULL;
}

/* ---- what it knows --------------------------------------------------- */

static void put_endpoint(struct sl_sim_buf *out, const struct sl_kapi_version *v)
{
	const struct sl_kapi_facts *f = &v->facts;

	sl_sim_buf_printf(out,
	                  "{\"namespace\":\"%.*s\",\"name\":\"%s\",\"ip\":\"%s\",\"port\":%u,"
	                  "\"ready\":%s,\"terminating\":%s,\"phase\":\"%s\",\"role\":\"%s\"}",
	                  (int)v->ns_len, v->key, v->name, f->ip, f->port,
	                  f->ready ? "true" : "false", f->terminating ? "true" : "false", f->phase,
	                  f->role);
}

static void answer_endpoints(struct sl_kapi *kube, struct sl_sim_conn *conn,
                             const struct sl_kapi_request *r)
{
	static struct sl_kapi_request asked;
	static struct sl_kapi_filter filter;
	const struct sl_kapi_set *pods = &kube->store.sets[SL_KAPI_PODS];
	struct sl_sim_buf json = { 0 };
	unsigned n = 0;

	asked = *r;
	asked.resource = sl_kapi_resource_at(SL_KAPI_PODS);
	if (!sl_kapi_filter_read(&filter, conn, &asked))
		return;
	sl_sim_buf_printf(&json, "{\"resourceVersion\":\"%llu\",\"endpoints\":[",
	                  (unsigned long long)kube->store.rv);
	for (uint32_t i = 0; i < pods->n; i++) {
		if (!sl_kapi_filter_match(&filter, pods->sorted[i]))
			continue;
		sl_sim_buf_str(&json, n++ ? "," : "");
		put_endpoint(&json, pods->sorted[i]);
	}
	sl_sim_buf_str(&json, "]}");
	sl_kapi_answer(conn, r, 200, sl_sim_buf_span(&json));
	sl_sim_buf_fini(&json);
}

static void answer_state(struct sl_kapi *kube, struct sl_sim_conn *conn,
                         const struct sl_kapi_request *r)
{
	struct sl_sim_buf json = { 0 };

	sl_sim_buf_printf(&json,
	                  "{\"resourceVersion\":\"%llu\",\"oldest\":\"%llu\",\"pods\":%u,"
	                  "\"endpointslices\":%u,\"inferencepools\":%u,\"watches\":%u,"
	                  "\"changes\":%llu,\"cuts\":%llu,\"asked\":{",
	                  (unsigned long long)kube->store.rv,
	                  (unsigned long long)kube->store.oldest, kube->store.sets[SL_KAPI_PODS].n,
	                  kube->store.sets[SL_KAPI_SLICES].n, kube->store.sets[SL_KAPI_POOLS].n,
	                  sl_kapi_watch_count(kube), (unsigned long long)kube->changes,
	                  (unsigned long long)kube->cuts);
	for (unsigned v = 0; v < SL_KAPI_NO_VERB; v++)
		sl_sim_buf_printf(&json, "%s\"%s\":%llu", v ? "," : "",
		                  sl_kapi_verb_name((enum sl_kapi_verb)v),
		                  (unsigned long long)kube->asked[v]);
	sl_sim_buf_str(&json, "}}");
	sl_kapi_answer(conn, r, 200, sl_sim_buf_span(&json));
	sl_sim_buf_fini(&json);
}

/* ---- paths ----------------------------------------------------------- */

static command_fn find_command(const char *name)
{
	static const struct {
		const char *name;
		command_fn run;
	} table[] = {
		{ "churn", do_churn },     { "compact", do_compact },   { "cut", do_cut },
		{ "split", do_split },     { "hold", do_hold },         { "status", do_status },
		{ "restart", do_restart }, { "bookmark", do_bookmark },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (!strcmp(table[i].name, name))
			return table[i].run;
	return NULL;
}

static void run_command(struct sl_kapi *kube, struct sl_sim_conn *conn,
                        const struct sl_kapi_request *r, command_fn run)
{
	cJSON *json = conn->body.len ? cJSON_ParseWithLength(conn->body.ptr, conn->body.len)
	                             : cJSON_CreateObject();
	const char *wrong = cJSON_IsObject(json) ? run(kube, json) : "not a JSON object";

	cJSON_Delete(json);
	if (wrong)
		sl_kapi_answer_bad(conn, r, wrong);
	else
		sl_kapi_answer(conn, r, 200, SL_SPAN("{\"ok\":true}"));
}

bool sl_kapi_control_serve(struct sl_kapi *kube, struct sl_sim_conn *conn,
                           const struct sl_kapi_request *r)
{
	const char *name = r->path + sizeof(PREFIX) - 1;
	command_fn run;

	if (strncmp(r->path, PREFIX, sizeof(PREFIX) - 1) != 0)
		return false;
	run = strcmp(r->method, "POST") != 0 ? NULL : find_command(name);
	if (run)
		run_command(kube, conn, r, run);
	else if (!strcmp(r->method, "GET") && !strcmp(name, "endpoints"))
		answer_endpoints(kube, conn, r);
	else if (!strcmp(r->method, "GET") && !strcmp(name, "state"))
		answer_state(kube, conn, r);
	else
		sl_kapi_answer_text(conn, 404, "404 page not found\n");
	return true;
}

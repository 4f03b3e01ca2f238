/* admin.c: see admin.h. */
#include "bench/sim/admin.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "bench/sim/engine_life.h"
#include "bench/sim/error.h"
#include "bench/sim/exporter.h"
#include "bench/sim/pages.h"
#include "bench/sim/peer.h"

static uint32_t open_requests(const struct sl_sim_engine *e)
{
	uint32_t n = 0;

	for (const struct sl_sim_conn *c = e->conns.first; c; c = c->next)
		n += c->state == SL_SIM_CONN_BUSY && strstr(c->head.path, "/v1/");
	return n;
}

static void add_number(struct sl_sim_buf *b, const char *key, double value)
{
	sl_sim_buf_printf(b, "%s\"%s\":%.15g", b->len > 1 ? "," : "", key, value);
}

static void answer_state(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_tally *t = &e->tally;
	const struct {
		const char *key;
		double value;
	} rows[] = {
		{ "port", e->port },
		{ "open_requests", open_requests(e) },
		{ "running", e->batch.running.n },
		{ "waiting", e->batch.waiting.n },
		{ "fetching", e->batch.fetching.n },
		{ "connections", e->conns.n },
		{ "connections_total", (double)t->connections },
		{ "kv_blocks", e->sim->opt.kv_blocks },
		{ "held_blocks", sl_sim_kv_held(e->kv) },
		{ "pinned_blocks", e->handoffs.n_blocks },
		{ "handoffs", e->handoffs.n },
		{ "expired", (double)e->handoffs.expired },
		{ "late", (double)e->handoffs.late },
		{ "requests", (double)t->requests },
		{ "prefill_legs", (double)t->prefill_legs },
		{ "decode_legs", (double)t->decode_legs },
		{ "local", (double)t->local },
		{ "aborted", (double)t->aborted },
		{ "last_abort_ms", t->last_abort_us < 0 ? -1 : (double)t->last_abort_us / 1000 },
		{ "tokens_sent", (double)t->tokens_sent },
		{ "fetched_tokens", (double)e->metrics.fetched_tokens },
		{ "pulls_served", (double)t->pulls_served },
		{ "pulls_refused", (double)t->pulls_refused },
		{ "released", (double)t->released },
		{ "corrupted", (double)t->corrupted },
		{ "preemptions", (double)e->batch.preemptions },
		{ "steps", (double)e->batch.steps },
		{ "adapters_running", e->batch.n_adapters },
		{ "adapter_loads", (double)t->adapter_loads },
		{ "pages", (double)t->pages },
		{ "health_checks", (double)t->health_checks },
		{ "gpu_slow", e->gpu_slow },
		{ "prefix_queries_tokens", (double)e->batch.prefix_queries_tokens },
		{ "prefix_hits_tokens", (double)e->batch.prefix_hits_tokens },
	};
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_str(&b, "{");
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		add_number(&b, rows[i].key, rows[i].value);
	sl_sim_buf_printf(&b, ",\"engine_id\":\"%s\",\"dead\":%s}", e->id,
	                  e->dead ? "true" : "false");
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

static void answer_last(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_conn_reply(conn, 200, "application/octet-stream", NULL,
	                  sl_sim_buf_span(&e->last_body));
}

static void answer_last_head(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	sl_sim_conn_reply(conn, 200, "text/plain", NULL, sl_sim_buf_span(&e->last_head));
}

/* Takes a member out of the object; true if it was `true`. */
static bool take_flag(cJSON *json, const char *name)
{
	cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(json, name);
	bool is = cJSON_IsTrue(item);

	cJSON_Delete(item);
	return is;
}

/* "stop": what SIGTERM would do to this engine alone; "" if it is absent. */
static bool take_stop(cJSON *json, bool *out_wanted, enum sl_sim_stop *out_how)
{
	cJSON *item = cJSON_DetachItemFromObjectCaseSensitive(json, "stop");
	bool ok = !item || (cJSON_IsString(item) && sl_sim_stop_read(item->valuestring, out_how));

	*out_wanted = item && ok;
	cJSON_Delete(item);
	return ok;
}

/* {"clear":true} first, then the faults that the object names; then what is
 * done at once: "restart", "expire_now", "forget", "die", "stop". */
static const char *apply_faults(struct sl_sim_conn *conn, struct sl_sim_engine *e, cJSON *json)
{
	bool restart = take_flag(json, "restart"), expire = take_flag(json, "expire_now");
	bool forget = take_flag(json, "forget"), die = take_flag(json, "die"), stop;
	enum sl_sim_stop how = SL_SIM_STOP_EXIT;
	const char *wrong;

	if (!take_stop(json, &stop, &how))
		return "stop must be exit, abort, stall or drain";
	if (restart)
		sl_sim_engine_restart(e, conn);
	wrong = sl_sim_faults_read(&e->faults, json);
	if (wrong)
		return wrong;
	if (expire)
		sl_sim_handoff_expire(&e->handoffs, e->kv, UINT64_MAX);
	if (forget)
		sl_sim_kv_forget(e->kv);
	if (stop)
		sl_sim_engine_stop(e, how, conn);
	sl_sim_pages_heed_faults(e);
	sl_sim_engine_heed_faults(e);
	if (die)
		sl_sim_engine_die(e);
	return NULL;
}

static void answer_fault(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	const char *wrong =
	        cJSON_IsObject(json) ? apply_faults(conn, e, json) : "not a JSON object";

	cJSON_Delete(json);
	if (wrong)
		sl_sim_error_reply(conn, 400, "BadRequestError", NULL, sl_span_str(wrong), NULL);
	else
		sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"ok\":true}"));
}

typedef void (*answer_fn)(struct sl_sim_conn *conn, struct sl_sim_engine *e);

static answer_fn find_answer(const struct sl_sim_conn *conn)
{
	static const struct {
		const char *path, *method;
		answer_fn answer;
	} paths[] = {
		{ "/sim/state", "GET", answer_state },
		{ "/sim/last", "GET", answer_last },
		{ "/sim/last/head", "GET", answer_last_head },
		{ "/sim/fault", "POST", answer_fault },
		{ "/sim/kv", "POST", sl_sim_peer_serve },
	};

	for (size_t i = 0; i < SL_COUNT(paths); i++)
		if (!strcmp(paths[i].path, conn->head.path) &&
		    !strcmp(paths[i].method, conn->head.method))
			return paths[i].answer;
	return NULL;
}

bool sl_sim_admin_at_engine(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	answer_fn answer = find_answer(conn);

	if (answer)
		answer(conn, e);
	return answer;
}

static struct sl_sim_engine *engine_of(const struct sl_sim_conn *conn, struct sl_sim *sim)
{
	const char *at = strstr(conn->head.query, "engine=");
	unsigned long k = at ? strtoul(at + 7, NULL, 10) : 0;

	return k < sim->opt.count ? &sim->engines[k] : NULL;
}

bool sl_sim_admin_at_port(struct sl_sim_conn *conn, struct sl_sim *sim)
{
	struct sl_sim_engine *e = engine_of(conn, sim);
	answer_fn answer = find_answer(conn);

	if (!strcmp(conn->head.path, "/sim/gpu")) {
		sl_sim_exporter_serve(conn, sim);
		return true;
	}
	if (!answer)
		return false;
	if (!e)
		sl_sim_error_reply(conn, 404, "NotFoundError", NULL,
		                   SL_SPAN("no engine of that number"), NULL);
	else if (answer == sl_sim_peer_serve)
		sl_sim_error_reply(conn, 404, "NotFoundError", NULL, SL_SPAN("ask an engine"),
		                   NULL);
	else
		answer(conn, e);
	return true;
}

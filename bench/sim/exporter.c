/* exporter.c: see exporter.h. */
#include "bench/sim/exporter.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

#include "bench/sim/error.h"
#include "bench/sim/gpu_page.h"

/* ---- the page -------------------------------------------------------- */

static void make_page(struct sl_sim_exporter *x, struct sl_sim_buf *out)
{
	const struct sl_sim *sim = x->sim;
	struct sl_sim_gpu_view view = {
		.opt = &sim->opt,
		.gpus = &x->gpus,
		.load = x->load,
		.now_us = sl_sim_now_us(),
		.start_us = x->start_us,
		.unix_ms = sl_sim_unix_s() * 1000,
	};

	for (uint32_t i = 0; i < sim->opt.count; i++) {
		x->load[i].busy = sim->engines[i].batch.stepping;
		x->load[i].memory = sl_sim_kv_usage(sim->engines[i].kv);
	}
	sl_sim_gpu_page(out, &view);
}

static void answer_metrics(struct sl_sim_conn *conn, struct sl_sim_exporter *x)
{
	struct sl_sim_buf page = { 0 };

	if (!x->gpus.stale)
		make_page(x, &page);
	sl_sim_conn_reply(conn, x->gpus.status ? (int)x->gpus.status : 200,
	                  "text/plain; version=0.0.4; charset=utf-8", NULL,
	                  sl_sim_buf_span(x->gpus.stale ? &x->kept : &page));
	sl_sim_buf_fini(&page);
}

static void on_request(struct sl_sim_conn *conn)
{
	struct sl_sim_exporter *x = conn->list->owner;
	const char *path = conn->head.path;

	if (!strcmp(path, "/sim/gpu"))
		sl_sim_exporter_serve(conn, x->sim);
	else if (x->gpus.hang)
		conn->held = true;
	else if (!strcmp(path, "/metrics"))
		answer_metrics(conn, x);
	else if (!strcmp(path, "/health"))
		sl_sim_conn_reply(conn, 200, "text/plain; charset=utf-8", NULL, SL_SPAN("KO"));
	else
		sl_sim_conn_reply(conn, 404, "text/plain; charset=utf-8", NULL,
		                  SL_SPAN("404 page not found\n"));
}

static const struct sl_sim_conn_ops conn_ops = { .request = on_request };

/* ---- life ------------------------------------------------------------ */

static void on_accepted(int fd, void *arg)
{
	struct sl_sim_exporter *x = arg;

	sl_sim_conn_new(&x->conns, fd);
}

static int listen_or_not(struct sl_sim_exporter *x)
{
	if (x->gpus.down)
		sl_sim_listener_close(&x->listener);
	else if (x->listener.fd < 0)
		return sl_sim_listener_open(&x->listener, x->sim->net.base,
		                            &x->sim->opt.gpu_exporter, on_accepted, x);
	return 0;
}

int sl_sim_exporter_init(struct sl_sim_exporter *x, struct sl_sim *sim)
{
	const struct sl_sim_options *opt = &sim->opt;

	*x = (struct sl_sim_exporter){ .sim = sim, .listener.fd = -1 };
	x->conns = (struct sl_sim_conn_list){ &sim->net, &conn_ops, .owner = x, .fields = "" };
	x->start_us = sl_sim_now_us();
	x->load = calloc(opt->count, sizeof(*x->load));
	if (!x->load)
		abort();
	sl_sim_gpus_init(&x->gpus, opt->gpu_host, opt->listen.port, opt->count,
	                 opt->gpus_per_engine);
	return listen_or_not(x);
}

static void close_conns(struct sl_sim_exporter *x, const struct sl_sim_conn *but)
{
	struct sl_sim_conn *conn = x->conns.first, *next;

	for (; conn; conn = next) {
		next = conn->next;
		if (conn != but)
			sl_sim_conn_close(conn, false);
	}
}

void sl_sim_exporter_fini(struct sl_sim_exporter *x)
{
	sl_sim_listener_close(&x->listener);
	close_conns(x, NULL);
	sl_sim_gpus_fini(&x->gpus);
	sl_sim_buf_fini(&x->kept);
	free(x->load);
}

/* ---- /sim/gpu -------------------------------------------------------- */

static struct sl_sim_conn *find_held(struct sl_sim_exporter *x)
{
	struct sl_sim_conn *conn = x->conns.first;

	while (conn && !(conn->held && conn->state == SL_SIM_CONN_BUSY))
		conn = conn->next;
	return conn;
}

static void heed_faults(struct sl_sim_exporter *x, struct sl_sim_conn *asking)
{
	struct sl_sim_conn *conn;

	for (uint32_t i = 0; i < x->sim->opt.count; i++)
		x->sim->engines[i].gpu_slow = sl_sim_gpus_slow(&x->gpus, i);
	if (listen_or_not(x) != 0)
		x->gpus.down = true;
	if (x->gpus.down)
		close_conns(x, asking);
	while (!x->gpus.hang && (conn = find_held(x))) {
		conn->held = false;
		on_request(conn);
	}
}

static void answer_change(struct sl_sim_conn *conn, struct sl_sim_exporter *x)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	struct sl_sim_buf page = { 0 };
	const char *wrong;

	if (!x->gpus.stale)
		make_page(x, &page);
	wrong = sl_sim_gpus_read(&x->gpus, json, sl_sim_now_us());
	cJSON_Delete(json);
	if (page.len && x->gpus.stale) {
		sl_sim_buf_fini(&x->kept);
		x->kept = page;
	} else {
		sl_sim_buf_fini(&page);
	}
	if (wrong) {
		sl_sim_error_reply(conn, 400, "BadRequestError", NULL, sl_span_str(wrong), NULL);
		return;
	}
	heed_faults(x, conn);
	sl_sim_conn_reply(conn, 200, "application/json", NULL, SL_SPAN("{\"ok\":true}"));
}

static void answer_list(struct sl_sim_conn *conn, const struct sl_sim_exporter *x)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_buf_printf(&b, "{\"host\":\"%s\",\"gpus\":[", x->sim->opt.gpu_host);
	for (uint32_t i = 0; i < x->gpus.n; i++) {
		const struct sl_sim_gpu *gpu = &x->gpus.all[i];
		uint32_t engine = i / x->gpus.per_engine;

		sl_sim_buf_printf(&b,
		                  "%s{\"gpu\":%u,\"uuid\":\"%s\",\"serial\":\"%s\",\"engine\":%u,"
		                  "\"port\":%u,\"xid\":%u,\"vanished\":%s,\"slow\":%g}",
		                  i ? "," : "", i, gpu->uuid, gpu->serial, engine,
		                  x->sim->engines[engine].port, gpu->xid,
		                  gpu->vanished ? "true" : "false", gpu->slow);
	}
	sl_sim_buf_str(&b, "]}");
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_sim_buf_span(&b));
	sl_sim_buf_fini(&b);
}

void sl_sim_exporter_serve(struct sl_sim_conn *conn, struct sl_sim *sim)
{
	if (!sim->exporter)
		sl_sim_error_reply(conn, 404, "NotFoundError", NULL,
		                   SL_SPAN("no --gpu-exporter, no GPUs"), NULL);
	else if (!strcmp(conn->head.method, "POST"))
		answer_change(conn, sim->exporter);
	else
		answer_list(conn, sim->exporter);
}

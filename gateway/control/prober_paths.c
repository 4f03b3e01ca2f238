/* prober_paths.c: where an engine is asked what: as its pool says, else as its
 * dialect does. */
#include <stdio.h>

#include "gateway/control/prober_state.h"

enum sl_engine_kind prober_configured_kind(const struct sl_engine *engine)
{
	if (engine->pool->engine != SL_ENGINE_AUTO)
		return engine->pool->engine;
	return sl_engine_kind_find(sl_span_str(engine->server->found.engine));
}

/* What an answer there is read as; `otherwise` if the dialect has no such path. */
static enum sl_answer_form form_of(enum sl_engine_kind kind, enum sl_probe_question question,
                                   const char *path, enum sl_answer_form otherwise)
{
	const struct sl_probe_path *known;

	for (unsigned k = 0; (known = sl_dialect_path(kind, question, k)); k++)
		if (!strcmp(known->path, path))
			return known->form;
	return otherwise;
}

static bool configured_path(const struct sl_probe_run *r, enum sl_probe_question question,
                            const char *path, enum sl_answer_form otherwise,
                            struct sl_probe_path *out_path)
{
	*out_path =
	        (struct sl_probe_path){ path, form_of(r->engine->kind, question, path, otherwise) };
	return *path == '/';
}

/* Signals that an operator maps are in a page, whatever else tells the load. */
static bool page_path(const struct sl_probe_run *r, unsigned k, struct sl_probe_path *out_path)
{
	const struct sl_probe_path *known;

	for (unsigned i = 0; (known = sl_dialect_path(r->engine->kind, SL_ASK_LOAD, i)); i++) {
		if (known->form != SL_ANSWER_PAGE || k--)
			continue;
		*out_path = *known;
		return true;
	}
	*out_path = (struct sl_probe_path){ "/metrics", SL_ANSWER_PAGE };
	return k == 0 && !sl_dialect_path(r->engine->kind, SL_ASK_LOAD, 0);
}

bool prober_path(const struct sl_probe_run *r, enum sl_probe_question question, unsigned k,
                 struct sl_probe_path *out_path)
{
	const struct sl_pool_conf *pool = r->engine->pool;
	const struct sl_probe_path *known;

	if (question == SL_ASK_HEALTH && *pool->health_path)
		return k == 0 &&
		       configured_path(r, question, pool->health_path, SL_ANSWER_NOTHING, out_path);
	if (question == SL_ASK_LOAD && *pool->metrics_path)
		return k == 0 &&
		       configured_path(r, question, pool->metrics_path, SL_ANSWER_PAGE, out_path);
	if (question == SL_ASK_LOAD && pool->n_signals)
		return page_path(r, k, out_path);
	known = sl_dialect_path(r->engine->kind, question, k);
	if (known)
		*out_path = *known;
	return known != NULL;
}

/* ---- another port ---------------------------------------------------- */

static uint16_t metrics_port(const struct sl_engine *engine)
{
	if (engine->server->metrics_port)
		return (uint16_t)engine->server->metrics_port;
	if (engine->server->found.metrics_port)
		return engine->server->found.metrics_port;
	if (engine->pool->metrics_port)
		return (uint16_t)engine->pool->metrics_port;
	return sl_dialect_metrics_port(engine->kind);
}

/* A page beside HTTP/2 in clear is still HTTP/1.1. */
static struct sl_endpoint *make_load_endpoint(const struct sl_endpoint *ep, const char *host,
                                              uint16_t port)
{
	enum sl_upstream_protocol protocol = ep->protocol == SL_UP_H2C ? SL_UP_H1 : ep->protocol;
	char name[SL_ENDPOINT_NAME_MAX];
	struct sl_sockaddr addr = ep->addr;
	struct sl_endpoint *made;

	sl_sockaddr_set_port(&addr, port);
	sl_endpoint_format_name(host, port, name);
	made = sl_endpoint_new(name, &addr, protocol, ep->tls ? sl_tls_context_ref(ep->tls) : NULL,
	                       ep->tls_server_name, 0);
	made->id = ep->id;
	return made;
}

struct sl_endpoint *prober_load_endpoint(struct sl_probe_run *r)
{
	const char *host = r->engine->server->addr.host;
	uint16_t port = metrics_port(r->engine);
	char name[SL_ENDPOINT_NAME_MAX];

	if (!port || port == r->engine->server->addr.port) {
		prober_drop_load_endpoint(r);
		return r->ep;
	}
	sl_endpoint_format_name(host, port, name);
	if (r->page_ep && strcmp(r->page_ep->name, name) != 0)
		prober_drop_load_endpoint(r);
	if (!r->page_ep)
		r->page_ep = make_load_endpoint(r->ep, host, port);
	return r->page_ep;
}

void prober_drop_load_endpoint(struct sl_probe_run *r)
{
	if (!r->page_ep)
		return;
	sl_upstreams_retire(r->prober->pages, r->page_ep);
	sl_endpoint_unref(r->page_ep);
	r->page_ep = NULL;
}

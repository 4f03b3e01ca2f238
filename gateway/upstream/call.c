/* call.c: pools of links, and the calls that use them. See call.h, pool.h. */
#include "gateway/upstream/call.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "gateway/upstream/pool.h"

/* ---- links ----------------------------------------------------------- */

void sl_link_move(struct sl_link *link, struct sl_link **list)
{
	if (link->list) {
		if (link->prev)
			link->prev->next = link->next;
		else
			*link->list = link->next;
		if (link->next)
			link->next->prev = link->prev;
		if (link->list == &link->pool->idle)
			link->pool->n_idle--;
	}
	link->list = list;
	link->prev = NULL;
	link->next = NULL;
	if (!list)
		return;
	link->next = *list;
	if (*list)
		(*list)->prev = link;
	*list = link;
	if (list == &link->pool->idle)
		link->pool->n_idle++;
}

static void free_link(void *arg)
{
	struct sl_link *link = arg;

	if (link->h2)
		sl_h2_free(link->h2);
	sl_outbuf_fini(&link->in);
	free(link);
}

static void on_connect_timeout(void *arg)
{
	struct sl_link *link = arg;

	/* As if the kernel had said so: one path for every failure. */
	link->conn.ended = true;
	link->conn.ops->on_closed(link, SL_E_UPSTREAM_CONNECT);
}

static struct sl_tls *link_tls(const struct sl_endpoint *ep, int fd)
{
	return ep->tls ? sl_tls_new(ep->tls, fd, ep->tls_server_name) : NULL;
}

struct sl_link *sl_link_open(struct sl_pool *pool, const struct sl_conn_ops *ops,
                             uint64_t connect_timeout_us)
{
	struct sl_loop *loop = pool->all->loop;
	int fd = sl_socket_connect(&pool->ep->addr);
	struct sl_link *link;

	if (fd < 0)
		return NULL;
	link = calloc(1, sizeof(*link));
	if (!link)
		abort();
	link->pool = pool;
	link->grave.fn = free_link;
	link->grave.arg = link;
	link->timer.fn = on_connect_timeout;
	link->timer.arg = link;
	sl_conn_init(&link->conn, loop, fd, link_tls(pool->ep, fd), true, ops, link);
	link->conn.read_bytes = SL_CALL_STEP;
	sl_timer_arm(loop, &link->timer, connect_timeout_us);
	sl_conn_start(&link->conn);
	sl_metric_add(pool->all->metrics, SL_M_UPSTREAM_CONNECTS, 1);
	return link;
}

void sl_link_close(struct sl_link *link)
{
	struct sl_loop *loop = link->pool->all->loop;

	if (link->closed)
		return;
	link->closed = true;
	sl_link_move(link, NULL);
	sl_timer_disarm(loop, &link->timer);
	sl_conn_close(&link->conn);
	sl_loop_bury(loop, &link->grave);
}

/* ---- pools ----------------------------------------------------------- */

static struct sl_pool *pool_of(struct sl_upstreams *u, struct sl_endpoint *ep)
{
	struct sl_pool *pool;

	if (ep->id >= u->n_pools) {
		uint32_t n = ep->id + 64;

		u->pools = realloc(u->pools, n * sizeof(*u->pools));
		if (!u->pools)
			abort();
		memset(u->pools + u->n_pools, 0, (n - u->n_pools) * sizeof(*u->pools));
		u->n_pools = n;
	}
	pool = u->pools[ep->id];
	if (pool && pool->ep == ep)
		return pool;
	/* An id is only given again when its endpoint is gone, and that holds
	 * only after its pool was retired. */
	assert(!pool);
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		abort();
	pool->all = u;
	pool->ep = sl_endpoint_ref(ep);
	pool->retired = atomic_load(&ep->removed);
	u->pools[ep->id] = pool;
	return pool;
}

void sl_pool_settle(struct sl_pool *pool)
{
	if (!pool->retired || pool->n_calls || pool->idle || pool->shared)
		return;
	if (pool->all->pools[pool->ep->id] == pool)
		pool->all->pools[pool->ep->id] = NULL;
	sl_endpoint_unref(pool->ep);
	free(pool);
}

static void close_idle(struct sl_pool *pool)
{
	struct sl_link *next;

	while (pool->idle)
		sl_link_close(pool->idle);
	for (struct sl_link *link = pool->shared; link; link = next) {
		next = link->next;
		link->going_away = true;
		if (sl_h2_streams(link->h2) == 0)
			sl_link_close(link);
	}
}

void sl_upstreams_retire(struct sl_upstreams *u, const struct sl_endpoint *ep)
{
	struct sl_pool *pool = ep->id < u->n_pools ? u->pools[ep->id] : NULL;

	if (!pool || pool->ep != ep)
		return;
	pool->retired = true;
	close_idle(pool);
	sl_pool_settle(pool);
}

static void fail_doomed(void *arg)
{
	struct sl_upstreams *u = arg;
	struct sl_call *call;

	while ((call = u->doomed)) {
		u->doomed = call->next_doomed;
		sl_call_fail(call, SL_E_UPSTREAM_CONNECT, false);
	}
}

struct sl_upstreams *sl_upstreams_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                      sl_upstream_report_fn report, void *ctx)
{
	struct sl_upstreams *u = calloc(1, sizeof(*u));

	if (!u)
		abort();
	u->doom_task.fn = fail_doomed;
	u->doom_task.arg = u;
	u->loop = loop;
	u->metrics = metrics;
	u->report = report;
	u->ctx = ctx;
	return u;
}

void sl_upstreams_free(struct sl_upstreams *u)
{
	for (uint32_t i = 0; i < u->n_pools; i++) {
		struct sl_pool *pool = u->pools[i];

		if (!pool)
			continue;
		assert(!pool->n_calls);
		close_idle(pool);
		pool->retired = true;
		sl_pool_settle(pool);
	}
	sl_loop_undefer(u->loop, &u->doom_task);
	sl_spares_fini(&u->spare_calls);
	free(u->pools);
	free(u);
}

void sl_upstreams_tidy(struct sl_upstreams *u)
{
	sl_spares_tidy(&u->spare_calls);
}

/* ---- calls ----------------------------------------------------------- */

static void free_call(struct sl_call *call)
{
	struct sl_pool *pool = call->pool;

	sl_spares_give(&pool->all->spare_calls, call);
	pool->n_calls--;
	sl_pool_settle(pool);
}

void sl_call_doom(struct sl_call *call)
{
	struct sl_upstreams *u = call->pool->all;

	call->link = NULL;
	call->next_doomed = u->doomed;
	u->doomed = call;
	sl_loop_defer(u->loop, &u->doom_task);
}

static void undoom(struct sl_call *call)
{
	struct sl_call **at = &call->pool->all->doomed;

	while (*at && *at != call)
		at = &(*at)->next_doomed;
	if (*at)
		*at = call->next_doomed;
}

void sl_call_succeed(struct sl_call *call)
{
	const struct sl_call_events *events = call->events;
	void *user = call->user;

	free_call(call);
	events->on_end(user);
}

void sl_call_fail(struct sl_call *call, int err, bool sent)
{
	const struct sl_call_events *events = call->events;
	void *user = call->user;
	bool started = call->started;

	call->pool->all->report(call->pool->all->ctx, call->pool->ep, err == SL_E_UPSTREAM_CONNECT);
	free_call(call);
	events->on_fail(user, err, started, sent);
}

static bool is_h2(const struct sl_endpoint *ep)
{
	return ep->protocol == SL_UP_H2C || ep->protocol == SL_UP_H2_TLS;
}

struct sl_call *sl_call_start(struct sl_upstreams *u, struct sl_endpoint *ep,
                              const struct sl_call_limits *limits,
                              const struct sl_call_request *request,
                              const struct sl_call_events *events, void *user)
{
	struct sl_call *call = sl_spares_take(&u->spare_calls, sizeof(*call));

	*call = (struct sl_call){
		.pool = pool_of(u, ep),
		.request = *request,
		.limits = *limits,
		.events = events,
		.user = user,
	};
	call->pool->n_calls++;
	if (is_h2(ep))
		sl_h2_link_send(call->pool, call);
	else
		sl_h1_link_send(call->pool, call, false);
	return call;
}

void sl_call_cancel(struct sl_call *call)
{
	if (!call->link)
		undoom(call);
	else if (is_h2(call->pool->ep))
		sl_h2_link_cancel(call);
	else
		sl_h1_link_cancel(call);
	free_call(call);
}

bool sl_call_sent(const struct sl_call *call)
{
	return call->link && call->link->conn.ready && sl_conn_unsent(&call->link->conn) == 0;
}

void sl_call_pause(struct sl_call *call)
{
	call->paused = true;
	if (!is_h2(call->pool->ep) && call->link)
		sl_conn_pause(&call->link->conn);
}

void sl_call_resume(struct sl_call *call, uint32_t step)
{
	call->paused = false;
	if (is_h2(call->pool->ep))
		sl_h2_link_resume(call);
	else if (call->link) {
		call->link->conn.read_bytes = step;
		sl_conn_resume(&call->link->conn);
	}
}

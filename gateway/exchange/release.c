/* release.c: a prefill whose client has left still pins its blocks on the
 * prefill engine until the lease ends. There is no call to let go of them;
 * but a decode engine that is given the parameters and then loses its client
 * tells the prefill engine to free them. So that is what is done here.
 *
 * Not for a prefill that ends in the very moment its client leaves: its answer
 * meets a closed connection, nobody has the parameters, the lease must end. */
#include <stdlib.h>

#include "gateway/exchange/exchange.h"

#define RELEASE_LIMIT_US 5000000u

struct sl_release {
	struct sl_release *next, *prev; /* in worker->releases */
	struct sl_worker *worker;
	struct sl_call *call;
	struct sl_endpoint *ep; /* ref */
	struct sl_timer timer;
	struct sl_grave grave;
	char *text; /* owned: method, path, lines, more lines, body */
};

static void free_release(void *arg)
{
	struct sl_release *r = arg;

	sl_endpoint_unref(r->ep);
	free(r->text);
	free(r);
}

static void finish(struct sl_release *r)
{
	sl_timer_disarm(&r->worker->loop, &r->timer);
	if (r->prev)
		r->prev->next = r->next;
	else
		r->worker->releases = r->next;
	if (r->next)
		r->next->prev = r->prev;
	r->grave.fn = free_release;
	r->grave.arg = r;
	sl_loop_bury(&r->worker->loop, &r->grave);
}

static void stop(void *arg)
{
	struct sl_release *r = arg;

	sl_call_cancel(r->call);
	finish(r);
}

/* The engine has taken the request up: its client leaves now. */
static void on_head(void *user, const struct sl_head *head)
{
	struct sl_release *r = user;

	if (head->status == 200)
		sl_metric_add(r->worker->metrics, SL_M_HANDOFFS_RELEASED, 1);
	stop(r);
}

static void on_body(void *user, const char *data, size_t len)
{
	(void)user;
	(void)data;
	(void)len;
}

static void on_end(void *user)
{
	finish(user);
}

static void on_fail(void *user, int err, bool started, bool sent)
{
	(void)err;
	(void)started;
	(void)sent;
	finish(user);
}

static const struct sl_call_events events = { on_head, on_body, on_end, on_fail };

static struct sl_span copy(char **at, struct sl_span from)
{
	struct sl_span to = sl_span(*at, from.len);

	if (from.len)
		memcpy(*at, from.ptr, from.len);
	*at += from.len;
	return to;
}

/* As a stream, because then the engine answers as soon as it has accepted. */
static void write_body(const struct sl_exchange *x, struct sl_splice *s)
{
	sl_splice_init(s, &x->facts, x->body);
	for (enum sl_field f = 0; f < SL_F_COUNT; f++)
		if (sl_field_private(f) && sl_facts_has(&x->facts, f))
			sl_splice_remove(s, f);
	sl_splice_set(s, SL_F_STREAM, SL_SPAN("true"));
	sl_splice_set(s, SL_F_KV_TRANSFER_PARAMS, x->kv_params);
}

static struct sl_call_request copy_request(struct sl_release *r, const struct sl_exchange *x,
                                           struct sl_span prefix)
{
	struct sl_splice s;
	size_t body_len;
	char *at;
	struct sl_call_request request;

	write_body(x, &s);
	body_len = sl_splice_len(&s);
	r->text = malloc(prefix.len + x->target.len + x->lines.len + x->more_lines.len + body_len +
	                 1);
	if (!r->text)
		abort();
	at = r->text;
	request.method = copy(&at, sl_exchange_method(x));
	request.path = copy(&at, prefix);
	request.path.len += copy(&at, sl_exchange_path(x)).len;
	request.lines = copy(&at, sl_span(x->lines.data, x->lines.len));
	request.more_lines = copy(&at, sl_span(x->more_lines.data, x->more_lines.len));
	request.body = sl_span(at, sl_splice_write(&s, at));
	request.has_body = true;
	request.once = true;
	return request;
}

void sl_release_handoff(struct sl_exchange *x)
{
	struct sl_worker *w = x->worker;
	const struct sl_pool_conf *pool =
	        x->decode_ep ? sl_fleet_pool(x->fleet, x->decode_ep) : NULL;
	struct sl_call_limits limits;
	struct sl_call_request request;
	struct sl_release *r;

	x->handoff_open = false;
	/* A decode engine that has the request frees the blocks by itself when
	 * its connection closes. */
	if (!pool || (x->call && x->leg == SL_LEG_DECODE && sl_call_sent(x->call)))
		return;
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	r->worker = w;
	r->next = w->releases;
	if (r->next)
		r->next->prev = r;
	w->releases = r;
	r->ep = sl_endpoint_ref(x->decode_ep);
	r->timer.fn = stop;
	r->timer.arg = r;
	request = copy_request(r, x, sl_span_str(sl_leg_prefix(pool, x->decode_ep)));
	limits = (struct sl_call_limits){ pool->connect_timeout_us, pool->idle_timeout_us,
		                          pool->max_idle, 0 };
	r->call = sl_call_start(w->upstreams, r->ep, &limits, &request, &events, r);
	sl_timer_arm(&w->loop, &r->timer, RELEASE_LIMIT_US);
}

void sl_worker_stop_releases(struct sl_worker *w)
{
	while (w->releases)
		stop(w->releases);
}

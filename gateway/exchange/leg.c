/* leg.c: connectors: what each engine of a placement is sent.
 *
 *   none  one engine does both; the client's body, minus what a client may
 *         not assert
 *   nixl  vLLM's NIXL connector, in sequence: the prefill engine computes one
 *         token and answers with parameters, which the decode engine is given
 *         byte for byte, whatever is in them */
#include "gateway/exchange/exchange.h"

static const char nixl_prefill_params[] =
        "{\"do_remote_decode\":true,\"do_remote_prefill\":false,\"remote_engine_id\":null,"
        "\"remote_block_ids\":null,\"remote_host\":null,\"remote_port\":null}";

/* ---- bodies ---------------------------------------------------------- */

/* What holds for every leg. */
static void edit_common(const struct sl_exchange *x, struct sl_splice *s, char *name_json)
{
	for (enum sl_field f = 0; f < SL_F_COUNT; f++)
		if (sl_facts_has(&x->facts, f) && sl_field_private(f))
			sl_splice_remove(s, f);
	if (x->rename_model)
		sl_splice_set(s, SL_F_MODEL,
		              sl_span(name_json, sl_json_quote(name_json, sl_exchange_model(x))));
}

/* One token, not streamed: the answer is the parameters. */
static void edit_prefill(const struct sl_exchange *x, struct sl_splice *s)
{
	const struct sl_facts *facts = &x->facts;

	if (sl_facts_has(facts, SL_F_STREAM))
		sl_splice_set(s, SL_F_STREAM, SL_SPAN("false"));
	sl_splice_remove(s, SL_F_STREAM_OPTIONS);
	sl_splice_remove(s, SL_F_MIN_TOKENS);
	sl_splice_remove(s, SL_F_MIN_COMPLETION_TOKENS);
	sl_splice_remove(s, SL_F_BEST_OF);
	sl_splice_set(s, SL_F_MAX_TOKENS, SL_SPAN("1"));
	if (sl_facts_has(facts, SL_F_MAX_COMPLETION_TOKENS))
		sl_splice_set(s, SL_F_MAX_COMPLETION_TOKENS, SL_SPAN("1"));
	if (sl_facts_has(facts, SL_F_N))
		sl_splice_set(s, SL_F_N, SL_SPAN("1"));
	sl_splice_set(s, SL_F_KV_TRANSFER_PARAMS,
	              sl_span(nixl_prefill_params, sizeof(nixl_prefill_params) - 1));
}

/* The body of a leg: the client's own bytes where nothing changes. */
static struct sl_span leg_body(struct sl_exchange *x, enum sl_leg leg)
{
	char name_json[6 * 256 + 2];
	struct sl_splice s;
	size_t len;

	if (!x->scanning)
		return sl_span(x->body, x->body_len);
	sl_splice_init(&s, &x->facts, x->body);
	edit_common(x, &s, name_json);
	if (leg == SL_LEG_PREFILL)
		edit_prefill(x, &s);
	else if (x->kv_params.len)
		sl_splice_set(&s, SL_F_KV_TRANSFER_PARAMS, x->kv_params);
	if (s.n == 0 && s.n_insert == 0)
		return sl_span(x->body, x->body_len);
	len = sl_splice_len(&s);
	x->sent_body.off = x->sent_body.len = 0;
	x->sent_body.len = sl_splice_write(&s, sl_outbuf_reserve(&x->sent_body, len));
	return sl_span(x->sent_body.data, x->sent_body.len);
}

/* ---- fields ---------------------------------------------------------- */

static void put_line(struct sl_outbuf *out, struct sl_span name, struct sl_span value)
{
	sl_outbuf_add(out, name.ptr, name.len);
	sl_outbuf_add(out, ": ", 2);
	sl_outbuf_add(out, value.ptr, value.len);
	sl_outbuf_add(out, "\r\n", 2);
}

/* The client's fields, without its Authorization where the pool has a key. */
static struct sl_span client_lines(struct sl_exchange *x, const struct sl_pool_conf *pool)
{
	static const char key[] = "authorization: ";
	char *at, *end, *stop;

	if (!*pool->api_key || !x->has_auth)
		return sl_span(x->lines.data, x->lines.len);
	end = x->lines.data + x->lines.len;
	for (at = x->lines.data; at < end; at = stop) {
		stop = (char *)memchr(at, '\n', (size_t)(end - at)) + 1;
		if ((size_t)(stop - at) > sizeof(key) && !memcmp(at, key, sizeof(key) - 1)) {
			memmove(at, stop, (size_t)(end - stop));
			x->lines.len -= (size_t)(stop - at);
			end -= stop - at;
			stop = at;
		}
	}
	return sl_span(x->lines.data, x->lines.len);
}

static struct sl_span gateway_lines(struct sl_exchange *x, const struct sl_pool_conf *pool)
{
	struct sl_outbuf *out = &x->more_lines;

	out->off = out->len = 0;
	/* The same on both legs: older engines pair them by it. */
	put_line(out, SL_SPAN("x-request-id"), sl_exchange_request_id(x));
	if (pool->gateway)
		sl_outbuf_add(out, SL_HOPS_LINE, sizeof(SL_HOPS_LINE) - 1);
	if (*pool->api_key) {
		sl_outbuf_add(out, "authorization: Bearer ", 22);
		sl_outbuf_add(out, pool->api_key, strlen(pool->api_key));
		sl_outbuf_add(out, "\r\n", 2);
	}
	return sl_span(out->data, out->len);
}

/* ---- path ------------------------------------------------------------ */

const char *sl_leg_prefix(const struct sl_pool_conf *pool, const struct sl_endpoint *ep)
{
	if (*pool->path_prefix)
		return *pool->path_prefix == '/' ? pool->path_prefix : "";
	return sl_dialect_prefix((enum sl_engine_kind)atomic_load(&ep->kind));
}

static struct sl_span leg_path(struct sl_exchange *x, const struct sl_pool_conf *pool,
                               const struct sl_endpoint *ep)
{
	struct sl_span prefix = sl_span_str(sl_leg_prefix(pool, ep)), path = sl_exchange_path(x);

	if (!prefix.len)
		return path;
	x->sent_path.off = x->sent_path.len = 0;
	sl_outbuf_add(&x->sent_path, prefix.ptr, prefix.len);
	sl_outbuf_add(&x->sent_path, path.ptr, path.len);
	return sl_span(x->sent_path.data, x->sent_path.len);
}

/* ---- starting -------------------------------------------------------- */

static void forget_answer(struct sl_exchange *x)
{
	x->status = 0;
	x->answer_length = -1;
	x->event_stream = x->passing = x->raw = false;
	x->held.off = x->held.len = 0;
	x->n_held_fields = 0;
	sl_sse_fini(&x->sse);
	sl_sse_init(&x->sse);
	sl_usage_init(&x->usage);
}

static void forget_handoff(struct sl_exchange *x, enum sl_leg leg)
{
	if (leg == SL_LEG_PREFILL) {
		x->handoff.off = x->handoff.len = 0;
		x->handoff_open = false;
	}
	if (leg == SL_LEG_PREFILL || x->decision.chosen.placement != SL_PLACE_REMOTE)
		x->kv_params = sl_span("", 0);
}

static void set_limits(struct sl_exchange *x, enum sl_leg leg, const struct sl_pool_conf *pool)
{
	x->leg_limit_us = leg == SL_LEG_PREFILL ? pool->prefill_timeout_us
	                  : x->streams          ? pool->first_event_timeout_us
	                                        : pool->answer_timeout_us;
	x->idle_limit_us = pool->stream_idle_timeout_us;
	x->answer_limit_us = pool->answer_timeout_us;
	if (leg == SL_LEG_PREFILL)
		x->lease_us = pool->lease_us;
}

/* NULL: it has left. */
static const struct sl_pool_conf *pool_of(struct sl_exchange *x, const struct sl_endpoint *ep)
{
	const struct sl_pool_conf *pool = sl_fleet_pool(x->fleet, ep);

	if (!pool) { /* or it is newer than the fleet we have */
		x->worker->refresh(x->worker);
		pool = sl_fleet_pool(x->worker->fleet, ep);
	}
	return pool;
}

int sl_leg_start(struct sl_exchange *x, enum sl_leg leg)
{
	struct sl_worker *w = x->worker;
	struct sl_endpoint *ep = leg == SL_LEG_PREFILL ? x->prefill_ep : x->decode_ep;
	const struct sl_pool_conf *pool = pool_of(x, ep);
	struct sl_call_limits limits;
	struct sl_call_request request;

	x->leg = leg;
	sl_exchange_set_state(x, leg == SL_LEG_PREFILL ? SL_X_PREFILL : SL_X_DECODE);
	if (!pool)
		return SL_E_NO_ENDPOINT;
	forget_handoff(x, leg);
	forget_answer(x);
	limits = (struct sl_call_limits){ pool->connect_timeout_us, pool->idle_timeout_us,
		                          pool->max_idle, 0 };
	request = (struct sl_call_request){
		.method = sl_exchange_method(x),
		.path = leg_path(x, pool, ep),
		.lines = client_lines(x, pool),
		.more_lines = gateway_lines(x, pool),
		.body = leg_body(x, leg),
		.has_body = x->has_body,
		.once = leg == SL_LEG_DECODE && x->kv_params.len > 0,
	};
	set_limits(x, leg, pool);
	x->attempts++;
	sl_metric_add_at(w->metrics, SL_M_LEGS, (unsigned)leg, 1);
	x->call = sl_call_start(w->upstreams, ep, &limits, &request, &sl_relay_call_events, x);
	sl_witness_begin(x, pool);
	sl_exchange_arm(x, x->stuck_us && x->stuck_us < x->leg_limit_us ? x->stuck_us
	                                                                : x->leg_limit_us);
	return 0;
}

/* intake.c: a request comes in: its head, its body, what it asks for. */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/downstream/answer.h"
#include "gateway/exchange/exchange.h"

#define MODEL_NAME_MAX 512

/* ---- paths ----------------------------------------------------------- */

struct path_rule {
	struct sl_span path;
	const char *methods; /* as Allow lists them */
	enum sl_api api;
	void (*answer)(struct sl_exchange *x); /* answered here, not by an engine */
};

static void answer_models(struct sl_exchange *x);
static void answer_health(struct sl_exchange *x);

static const struct path_rule rules[] = {
	{ { "/v1/chat/completions", 20 }, "POST", SL_API_CHAT, NULL },
	{ { "/v1/completions", 15 }, "POST", SL_API_COMPLETIONS, NULL },
	{ { "/v1/embeddings", 14 }, "POST", SL_API_EMBEDDINGS, NULL },
	/* HEAD is GET without the body; the session leaves it out */
	{ { "/v1/models", 10 }, "GET, HEAD", SL_API_OTHER, answer_models },
	{ { "/health", 7 }, "GET, HEAD", SL_API_OTHER, answer_health },
};

static struct sl_span without_query(struct sl_span path)
{
	const char *mark = memchr(path.ptr, '?', path.len);

	return mark ? sl_span(path.ptr, (size_t)(mark - path.ptr)) : path;
}

static bool starts_with(struct sl_span s, struct sl_span start)
{
	return s.len >= start.len && memcmp(s.ptr, start.ptr, start.len) == 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* `%XX` may stand for what could not be written plainly, and not for what would
 * change the path (/ \ %), end it (controls) or hide it: unreserved characters
 * need no escape (RFC 3986 §2.3). */
static bool is_good_escape(const char *at, size_t len)
{
	int high = len < 3 ? -1 : hex_digit(at[1]);
	int low = len < 3 ? -1 : hex_digit(at[2]);
	int c = high * 16 + low;

	if (high < 0 || low < 0 || c < ' ' || c == 0x7f)
		return false;
	return !(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z' && c < 0x80) &&
	       !strchr("-._~/\\%", c);
}

/* What could mean another path to an engine than to us is not passed on. */
static bool is_ambiguous(struct sl_span path)
{
	if (memmem(path.ptr, path.len, "/.", 2) || memmem(path.ptr, path.len, "//", 2) ||
	    memchr(path.ptr, '\\', path.len))
		return true;
	for (size_t i = 0; i < path.len; i++)
		if (path.ptr[i] == '%' && !is_good_escape(path.ptr + i, path.len - i))
			return true;
	return false;
}

/* ---- methods --------------------------------------------------------- */

/* What an engine may be asked. Not TRACE, which would echo what we added. */
static const char passed_on[] = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

static bool is_listed(const char *list, struct sl_span method)
{
	const char *at = list;

	for (size_t n; *at; at += n + strspn(at + n, ", ")) {
		n = strcspn(at, ",");
		if (sl_span_eq(sl_span(at, n), method))
			return true;
	}
	return false;
}

/* RFC 9110 §15.6.2: what nobody here has heard of is not merely not allowed. */
static int refuse_method(struct sl_span method)
{
	return is_listed(passed_on, method) || sl_span_eq(method, SL_SPAN("TRACE"))
	               ? SL_E_METHOD
	               : SL_E_METHOD_UNKNOWN;
}

/* ---- the model list -------------------------------------------------- */

static size_t model_entry(char *out, const struct sl_route *route)
{
	size_t n = (size_t)sprintf(out, "{\"id\":");

	n += sl_json_quote(out + n, sl_span_str(route->name));
	n += (size_t)sprintf(out + n,
	                     ",\"object\":\"model\",\"created\":0,\"owned_by\":\"sluice\"");
	if (route->alias) {
		n += (size_t)sprintf(out + n, ",\"parent\":");
		n += sl_json_quote(out + n, sl_span_str(route->target));
	}
	out[n++] = '}';
	return n;
}

static size_t entry_room(const struct sl_route *route)
{
	return 6 * (strlen(route->name) + strlen(route->target)) + 120;
}

static void finish_here(struct sl_exchange *x, const char *body, size_t len)
{
	x->status = 200;
	x->sent_bytes = (int64_t)len;
	x->passing = false;
	sl_answer_json(x->stream, body, len, sl_exchange_request_id(x));
	sl_exchange_answered(x);
}

static void answer_models(struct sl_exchange *x)
{
	const struct sl_fleet *fleet = x->worker->fleet;
	size_t room = 64, n;
	char *out;

	for (uint32_t i = 0; i < fleet->n_routes; i++)
		room += entry_room(&fleet->routes[i]);
	out = malloc(room);
	if (!out)
		abort();
	n = (size_t)sprintf(out, "{\"object\":\"list\",\"data\":[");
	for (uint32_t i = 0; i < fleet->n_routes; i++) {
		if (x->from_gateway && !fleet->routes[i].local)
			continue;
		if (out[n - 1] != '[')
			out[n++] = ',';
		n += model_entry(out + n, &fleet->routes[i]);
	}
	n += (size_t)sprintf(out + n, "]}");
	finish_here(x, out, n);
	free(out);
}

/* The name as clients mean it: SDKs write the slash in `org/model` as %2F. No
 * engine sees this path, so nobody can take it for another one. */
static struct sl_span unescape(struct sl_span escaped, char *buf)
{
	size_t n = 0;

	for (size_t i = 0; i < escaped.len && n < MODEL_NAME_MAX; i++) {
		int high = i + 2 < escaped.len ? hex_digit(escaped.ptr[i + 1]) : -1;
		int low = i + 2 < escaped.len ? hex_digit(escaped.ptr[i + 2]) : -1;

		if (escaped.ptr[i] == '%' && high >= 0 && low >= 0) {
			buf[n++] = (char)(high * 16 + low);
			i += 2;
		} else {
			buf[n++] = escaped.ptr[i];
		}
	}
	return sl_span(buf, n);
}

static void answer_model(struct sl_exchange *x, struct sl_span escaped)
{
	char name[MODEL_NAME_MAX];
	const struct sl_route *route = sl_fleet_find(x->worker->fleet, unescape(escaped, name));
	char *out;

	if (!route) {
		sl_exchange_fail(x, SL_E_MODEL_NOT_FOUND, NULL, "model");
		return;
	}
	out = malloc(entry_room(route));
	if (!out)
		abort();
	finish_here(x, out, model_entry(out, route));
	free(out);
}

/* For load balancers, and for gateways whose cluster we are. */
static void answer_health(struct sl_exchange *x)
{
	x->is_probe = true;
	if (sl_fleet_ready(x->worker->fleet, x->from_gateway))
		finish_here(x, "{\"status\":\"ok\"}", 15);
	else
		sl_exchange_fail(x, SL_E_NO_ENDPOINT, NULL, NULL);
}

/* ---- the head -------------------------------------------------------- */

static void put_lower_line(struct sl_outbuf *out, struct sl_span name, struct sl_span value)
{
	char *at = sl_outbuf_reserve(out, name.len + value.len + 4);
	char *start = at;

	at = sl_put_lower(at, name);
	*at++ = ':';
	*at++ = ' ';
	if (value.len)
		memcpy(at, value.ptr, value.len);
	at += value.len;
	*at++ = '\r';
	*at++ = '\n';
	out->len += (size_t)(at - start);
}

static bool is_good_id(struct sl_span id)
{
	if (id.len == 0 || id.len > SL_REQUEST_ID_MAX)
		return false;
	for (size_t i = 0; i < id.len; i++)
		if (id.ptr[i] <= ' ' || id.ptr[i] > '~' || id.ptr[i] == '"')
			return false;
	return true;
}

static void make_request_id(struct sl_exchange *x)
{
	static const char digits[] = "0123456789abcdef";
	uint64_t a = sl_rng_next(&x->worker->rng), b = sl_rng_next(&x->worker->rng);
	char *at = x->request_id;

	memcpy(at, "req_", 4);
	at += 4;
	for (int i = 0; i < 16; i++)
		*at++ = digits[a >> (4 * i) & 15];
	for (int i = 0; i < 8; i++)
		*at++ = digits[b >> (4 * i + 16) & 15];
	x->request_id_len = (uint32_t)(at - x->request_id);
}

static void take_field(struct sl_exchange *x, const struct sl_hfield *f)
{
	sl_tenant_note(x, f);
	switch ((enum sl_field_class)f->cls) {
	case SL_FC_REQUEST_ID:
		if (is_good_id(f->value) && !x->request_id_len) {
			memcpy(x->request_id, f->value.ptr, f->value.len);
			x->request_id_len = (uint32_t)f->value.len;
		}
		break;
	case SL_FC_HOPS:
		x->from_gateway = true;
		break;
	case SL_FC_AUTH:
		x->has_auth = true;
		put_lower_line(&x->lines, f->name, f->value);
		break;
	case SL_FC_PLAIN:
		sl_conversation_note(x, f);
		put_lower_line(&x->lines, f->name, f->value);
		break;
	case SL_FC_CONTENT_TYPE:
		put_lower_line(&x->lines, f->name, f->value);
		break;
	default: /* hop-by-hop, framing, private, host, expect, accept-encoding */
		break;
	}
}

static void keep_head(struct sl_exchange *x, const struct sl_head *head)
{
	sl_outbuf_add(&x->target, head->method.ptr, head->method.len);
	x->method_len = (uint32_t)head->method.len;
	sl_outbuf_add(&x->target, head->path.ptr, head->path.len);
	x->path_len = (uint32_t)head->path.len;
	for (uint32_t i = 0; i < head->n_fields; i++)
		take_field(x, &head->fields[i]);
	if (!x->request_id_len)
		make_request_id(x);
}

/* Charges n more bytes to the budget. */
static bool charge(struct sl_exchange *x, size_t n)
{
	struct sl_budget *budget = x->worker->budget;
	long long held = atomic_fetch_add_explicit(&budget->request_bytes, (long long)n,
	                                           memory_order_relaxed);

	if (held + (long long)n > (long long)x->worker->fleet->config->request_memory) {
		atomic_fetch_sub_explicit(&budget->request_bytes, (long long)n,
		                          memory_order_relaxed);
		return false;
	}
	x->charged_bytes += (int64_t)n;
	sl_metric_add(x->worker->metrics, SL_M_REQUEST_BYTES_HELD, (int64_t)n);
	return true;
}

/* Room for `need` bytes in all. 0 or negative. */
static int grow_body(struct sl_exchange *x, size_t need)
{
	size_t cap = x->body_cap;

	if (need > x->worker->fleet->config->body_limit)
		return SL_E_BODY_TOO_LARGE;
	if (x->head_bytes + need > (size_t)x->charged_bytes &&
	    !charge(x, x->head_bytes + need - (size_t)x->charged_bytes))
		return SL_E_MEMORY;
	if (need <= cap)
		return 0;
	/* A declared length is taken at once; one that only grows, in steps. */
	cap = need > cap + cap / 2 ? need : cap + cap / 2;
	cap = (cap + 255) & ~(size_t)255;
	x->body = realloc(x->body, cap);
	if (!x->body)
		abort();
	x->body_cap = cap;
	return 0;
}

static const struct path_rule *find_rule(struct sl_span path)
{
	for (size_t i = 0; i < SL_COUNT(rules); i++)
		if (sl_span_eq(rules[i].path, path))
			return &rules[i];
	return NULL;
}

/* 0 if an engine shall answer; 1 if it was answered here; or negative. */
static int choose_path(struct sl_exchange *x, const struct sl_head *head)
{
	struct sl_span path = without_query(head->path);
	const struct path_rule *rule = find_rule(path);

	x->api = SL_API_OTHER;
	if (rule) {
		if (!is_listed(rule->methods, head->method))
			return refuse_method(head->method);
		x->api = rule->api;
		if (rule->answer)
			rule->answer(x);
		return rule->answer != NULL;
	}
	if (starts_with(path, SL_SPAN("/v1/models/")) && is_listed("GET, HEAD", head->method)) {
		answer_model(x, sl_span(path.ptr + 11, path.len - 11));
		return 1;
	}
	if (is_ambiguous(path))
		return SL_E_BAD_HTTP;
	if (!starts_with(path, SL_SPAN("/v1/")))
		return SL_E_NO_ROUTE;
	if (!is_listed(passed_on, head->method))
		return refuse_method(head->method);
	return 0;
}

const char *sl_intake_allowed(const struct sl_exchange *x)
{
	struct sl_span path = sl_span(x->target.data + x->method_len, x->path_len);
	const struct path_rule *rule = find_rule(without_query(path));

	return rule ? rule->methods : passed_on;
}

/* Counts it as one of its client's. */
static bool count_request(struct sl_exchange *x)
{
	struct sl_client *origin = x->stream->origin;
	uint32_t limit = x->worker->fleet->config->max_requests_per_client;

	if (!limit || !origin)
		return true;
	if (!sl_clients_begin(x->worker->sessions.clients, origin, limit))
		return false;
	x->origin = origin;
	return true;
}

void sl_intake_head(void *ctx, struct sl_stream *s, const struct sl_head *head, bool end)
{
	struct sl_worker *w = ctx;
	struct sl_exchange *x = sl_exchange_new(w, s);
	int rc;

	x->timer.fn = sl_patience_on_timer;
	x->timer.arg = x;
	keep_head(x, head);
	/* So that many small requests are bounded, too. */
	x->head_bytes = sizeof(*x) + x->lines.len + x->target.len;
	rc = !count_request(x)           ? SL_E_CLIENT_REQUESTS
	     : !charge(x, x->head_bytes) ? SL_E_MEMORY
	                                 : choose_path(x, head);
	if (rc == 0 && head->content_length > 0)
		rc = grow_body(x, (uint64_t)head->content_length > SIZE_MAX / 2
		                          ? SIZE_MAX / 2
		                          : (size_t)head->content_length);
	if (rc < 0)
		sl_exchange_fail(x, rc, NULL, NULL);
	if (rc != 0)
		return;
	x->has_body = !end;
	x->scanning = x->api != SL_API_OTHER || (!end && head->content_json);
	if (x->scanning)
		sl_scan_reset(x->scan, x->api);
	sl_exchange_arm(x, w->fleet->config->body_timeout_us);
	if (!end)
		sl_stream_proceed(s);
}

/* ---- the body -------------------------------------------------------- */

static void refuse_body(struct sl_exchange *x, int err)
{
	char message[256];
	const char *field = sl_scan_field(x->scan);

	if (*field)
		snprintf(message, sizeof(message), "%s: `%s` at byte %zu of the body",
		         sl_err_info(err)->text, field, sl_scan_offset(x->scan));
	else
		snprintf(message, sizeof(message), "%s (at byte %zu of the body)",
		         sl_err_info(err)->text, sl_scan_offset(x->scan));
	sl_exchange_fail(x, err, message, *field ? field : NULL);
}

void sl_intake_body(struct sl_stream *s, const char *data, size_t len)
{
	struct sl_exchange *x = s->user;
	size_t from = x->body_len;
	int rc = grow_body(x, from + len);

	if (rc < 0) {
		sl_exchange_fail(x, rc, NULL, NULL);
		return;
	}
	memcpy(x->body + from, data, len);
	x->body_len += len;
	x->quiet_since_us = sl_exchange_now(x);
	/* While the bytes are hot. */
	if (x->scanning) {
		rc = sl_scan_feed(x->scan, x->body, from, len);
		if (rc < 0)
			refuse_body(x, rc);
	}
}

/* Names with escapes (PHP writes \/) are rare; cJSON reads those. */
static const struct sl_route *find_escaped(const struct sl_exchange *x)
{
	const struct sl_member *m = &x->facts.member[SL_F_MODEL];
	cJSON *value = cJSON_ParseWithLength(x->body + m->value_off, m->value_end - m->value_off);
	const struct sl_route *route = NULL;

	if (cJSON_IsString(value))
		route = sl_fleet_find(x->worker->fleet, sl_span_str(value->valuestring));
	cJSON_Delete(value);
	return route;
}

/* name: as JSON wrote it. */
static void refuse_model(struct sl_exchange *x, struct sl_span name)
{
	char message[300];

	if (x->worker->fleet->learning && x->worker->fleet->n_routes == 0) {
		sl_exchange_fail(x, SL_E_NO_ENDPOINT,
		                 "no engine has said yet which models it serves", NULL);
		return;
	}
	snprintf(message, sizeof(message), "The model `%.*s` does not exist.",
	         (int)(name.len < 200 ? name.len : 200), name.ptr);
	sl_exchange_fail(x, SL_E_MODEL_NOT_FOUND, message, "model");
}

/* False if it was refused. */
static bool choose_model(struct sl_exchange *x)
{
	const struct sl_fleet *fleet = x->worker->fleet;
	struct sl_span name = SL_SPAN("");
	const struct sl_route *route;

	if (x->scanning)
		name = sl_facts_string(&x->facts, SL_F_MODEL, x->body);
	if (!name.len)
		route = x->api == SL_API_OTHER ? fleet->first : fleet->only;
	else if (memchr(name.ptr, '\\', name.len))
		route = find_escaped(x);
	else
		route = sl_fleet_find(fleet, name);
	if (!route) {
		if (name.len)
			refuse_model(x, name);
		else if (fleet->n_routes == 0)
			sl_exchange_fail(x, SL_E_NO_ENDPOINT, NULL, NULL);
		else
			sl_exchange_fail(x, SL_E_MODEL_REQUIRED, NULL, "model");
		return false;
	}
	x->rename_model = name.len && route->alias;
	x->domain = route->domain;
	x->model = route->model;
	sl_outbuf_add(&x->target, route->target, strlen(route->target));
	return true;
}

void sl_intake_end(struct sl_stream *s)
{
	struct sl_exchange *x = s->user;
	int rc;

	x->end_of_body_us = sl_exchange_now(x);
	/* No chunks are the same request as a length of 0. */
	if (x->api == SL_API_OTHER && x->body_len == 0)
		x->scanning = false;
	if (x->scanning) {
		rc = sl_scan_finish(x->scan, x->body, &x->facts);
		if (rc < 0) {
			refuse_body(x, rc);
			return;
		}
	} else {
		memset(&x->facts, 0, sizeof(x->facts));
		x->facts.prompts = 1;
		x->facts.n = 1;
		x->facts.max_tokens = -1;
		x->facts.prompt_bytes = x->body_len;
	}
	x->streams = x->facts.stream;
	if (choose_model(x))
		sl_plan_start(x);
}

/* answer.c: see answer.h. */
#include "gateway/downstream/answer.h"

#include <stdio.h>

#include "gateway/downstream/session.h"
#include "gateway/telemetry/access.h"

#define MESSAGE_MAX 400

static struct sl_hfield field(struct sl_span name, struct sl_span value)
{
	return (struct sl_hfield){ .name = name, .value = value };
}

size_t sl_problem_body(const struct sl_problem *p, char *buf, size_t size)
{
	const struct sl_err_info *info = sl_err_info(p->err);
	struct sl_span text = sl_span_str(p->message ? p->message : info->text);
	char message[6 * MESSAGE_MAX + 3];
	char param[6 * 64 + 3] = "null";
	int n;

	if (text.len > MESSAGE_MAX)
		text.len = MESSAGE_MAX;
	message[sl_json_quote(message, text)] = 0;
	if (p->param) {
		struct sl_span name = sl_span_str(p->param);

		if (name.len > 64)
			name.len = 64;
		param[sl_json_quote(param, name)] = 0;
	}
	n = snprintf(buf, size,
	             "{\"error\":{\"message\":%s,\"type\":\"%s\",\"param\":%s,\"code\":\"%s\"}}",
	             message, info->type, param, info->code);
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

/* Those limits that a client is told of by an answer. */
static void count_limit(const struct sl_stream *s, int err)
{
	static const struct {
		int err;
		enum sl_limit limit;
	} limits[] = {
		{ SL_E_HEADERS_TOO_LARGE, SL_LIMIT_HEADERS },
		{ SL_E_URI_TOO_LONG, SL_LIMIT_HEADERS },
		{ SL_E_BODY_TOO_LARGE, SL_LIMIT_BODY },
		{ SL_E_CLIENT_REQUESTS, SL_LIMIT_CLIENT_REQUESTS },
		{ SL_E_MEMORY, SL_LIMIT_MEMORY },
		{ SL_E_ANSWER_MEMORY, SL_LIMIT_ANSWER_MEMORY },
	};

	for (size_t i = 0; i < SL_COUNT(limits); i++)
		if (limits[i].err == err)
			sl_limit_hit(s->all->metrics, limits[i].limit, s->client,
			             s->all->loop->now_us);
	/* once there is a request, its owner knows which of its limits it was */
	if (err == SL_E_CLIENT_TIMEOUT && !s->user)
		sl_limit_hit(s->all->metrics, SL_LIMIT_HEADER_TIMEOUT, s->client,
		             s->all->loop->now_us);
}

void sl_answer_problem(struct sl_stream *s, const struct sl_problem *p)
{
	int status = sl_err_info(p->err)->status;
	struct sl_hfield fields[5];
	char body[4096];
	size_t len = sl_problem_body(p, body, sizeof(body));
	uint32_t n = 0;

	count_limit(s, p->err);
	fields[n++] = field(SL_SPAN("content-type"), SL_SPAN("application/json"));
	if (p->request_id.len)
		fields[n++] = field(SL_SPAN("x-request-id"), p->request_id);
	if (status == 429 || status == 503)
		fields[n++] = field(SL_SPAN("retry-after"), SL_SPAN("1"));
	else if (status < 500)
		fields[n++] = field(SL_SPAN("x-should-retry"), SL_SPAN("false"));
	if (status == 405)
		fields[n++] = field(SL_SPAN("allow"),
		                    sl_span_str(p->allow ? p->allow : "GET, HEAD, POST"));
	sl_stream_respond(s, status, fields, n, (int64_t)len);
	sl_stream_finish(s, body, len);
}

void sl_answer_json(struct sl_stream *s, const char *body, size_t len, struct sl_span request_id)
{
	struct sl_hfield fields[2];
	uint32_t n = 0;

	fields[n++] = field(SL_SPAN("content-type"), SL_SPAN("application/json"));
	if (request_id.len)
		fields[n++] = field(SL_SPAN("x-request-id"), request_id);
	sl_stream_respond(s, 200, fields, n, (int64_t)len);
	sl_stream_finish(s, body, len);
}

/* answer.c: see answer.h. */
#include "bench/kube/answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* What Go's server holds back before it gives up saying the length. */
#define LENGTH_KNOWN_BYTES 2048
#define CHUNK_BYTES ((size_t)64 * 1024)

static const char *phrase(int status)
{
	static const struct {
		int status;
		const char *text;
	} table[] = {
		{ 200, "OK" },
		{ 201, "Created" },
		{ 400, "Bad Request" },
		{ 401, "Unauthorized" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 409, "Conflict" },
		{ 410, "Gone" },
		{ 415, "Unsupported Media Type" },
		{ 422, "Unprocessable Entity" },
		{ 429, "Too Many Requests" },
		{ 500, "Internal Server Error" },
		{ 503, "Service Unavailable" },
		{ 504, "Gateway Timeout" },
	};

	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (table[i].status == status)
			return table[i].text;
	return "Status";
}

/* ---- heads ----------------------------------------------------------- */

static void put_head(struct sl_sim_conn *conn, int status, const char *type, unsigned retry_after_s)
{
	struct sl_sim_buf *out = &conn->out;
	uint64_t id[2] = { 0 };

	if (getrandom(id, sizeof(id), 0) < 0)
		abort();
	conn->status = status;
	sl_sim_buf_printf(out, "HTTP/1.1 %d %s\r\nAudit-Id: %08x-%04x-4%03x-a%03x-%012llx\r\n",
	                  status, phrase(status), (unsigned)id[0], (unsigned)(id[0] >> 48),
	                  (unsigned)(id[0] >> 32) & 0xfff, (unsigned)id[1] & 0xfff,
	                  (unsigned long long)id[1] >> 16);
	sl_sim_buf_printf(out, "Cache-Control: no-cache, private\r\nContent-Type: %s\r\n", type);
	if (!conn->head.keep_alive)
		sl_sim_buf_str(out, "Connection: close\r\n");
	if (retry_after_s)
		sl_sim_buf_printf(out, "Retry-After: %u\r\n", retry_after_s);
	if (status == 403 || type[0] == 't')
		sl_sim_buf_str(out, "X-Content-Type-Options: nosniff\r\n");
	sl_sim_buf_printf(out, "Date: %s\r\n", sl_sim_date_text(&conn->list->net->date));
}

static void put_body(struct sl_sim_conn *conn, struct sl_span body)
{
	struct sl_sim_buf *out = &conn->out;

	conn->answer_bytes = body.len;
	if (body.len <= LENGTH_KNOWN_BYTES || conn->head.head_request) {
		sl_sim_buf_printf(out, "Content-Length: %zu\r\n\r\n", body.len);
		sl_sim_buf_add(out, conn->head.head_request ? sl_span("", 0) : body);
		return;
	}
	sl_sim_buf_str(out, "Transfer-Encoding: chunked\r\n\r\n");
	for (size_t at = 0; at < body.len; at += CHUNK_BYTES)
		sl_sim_conn_chunk(conn, sl_span(body.ptr + at, body.len - at < CHUNK_BYTES
		                                                       ? body.len - at
		                                                       : CHUNK_BYTES));
	sl_sim_buf_str(out, "0\r\n\r\n");
}

void sl_kapi_answer_text(struct sl_sim_conn *conn, int status, const char *text)
{
	put_head(conn, status, "text/plain; charset=utf-8", 0);
	put_body(conn, sl_span_str(text));
	sl_sim_conn_end(conn);
}

void sl_kapi_answer_stream(struct sl_sim_conn *conn)
{
	put_head(conn, 200, "application/json", 0);
	sl_sim_buf_str(&conn->out, "Transfer-Encoding: chunked\r\n\r\n");
	conn->answer_bytes = 0;
	sl_sim_conn_flush(conn);
}

/* ---- JSON ------------------------------------------------------------ */

static void new_line(struct sl_sim_buf *out, unsigned depth)
{
	sl_sim_buf_str(out, "\n");
	while (depth--)
		sl_sim_buf_str(out, "  ");
}

/* Bytes of the string that begins at json.ptr[at], quotes included. */
static size_t string_len(struct sl_span json, size_t at)
{
	size_t i = at + 1;

	while (i < json.len && json.ptr[i] != '"')
		i += json.ptr[i] == '\\' ? 2 : 1;
	return (i < json.len ? i + 1 : json.len) - at;
}

/* As Go's json.Indent does it, from JSON without white space. */
static void indent(struct sl_sim_buf *out, struct sl_span json)
{
	unsigned depth = 0;

	for (size_t i = 0; i < json.len; i++) {
		char c = json.ptr[i];
		bool opens = c == '{' || c == '[', closes = c == '}' || c == ']';
		size_t n = c == '"' ? string_len(json, i) : 1;

		depth -= closes;
		if (closes && json.ptr[i - 1] != '{' && json.ptr[i - 1] != '[')
			new_line(out, depth);
		sl_sim_buf_add(out, sl_span(json.ptr + i, n));
		if (c == ':')
			sl_sim_buf_str(out, " ");
		depth += opens;
		if (c == ',' || (opens && json.ptr[i + 1] != '}' && json.ptr[i + 1] != ']'))
			new_line(out, depth);
		i += n - 1;
	}
}

static void answer_json(struct sl_sim_conn *conn, const struct sl_kapi_request *r, int status,
                        struct sl_span json, unsigned retry_after_s)
{
	struct sl_sim_buf body = { 0 };

	put_head(conn, status, "application/json", retry_after_s);
	if (r->indent) {
		indent(&body, json);
	} else {
		sl_sim_buf_add(&body, json);
		sl_sim_buf_str(&body, "\n");
	}
	put_body(conn, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
	sl_sim_conn_end(conn);
}

void sl_kapi_answer(struct sl_sim_conn *conn, const struct sl_kapi_request *r, int status,
                    struct sl_span json)
{
	answer_json(conn, r, status, json, 0);
}

void sl_kapi_put_string(struct sl_sim_buf *out, const char *text)
{
	struct sl_sim_buf quoted = { 0 };

	sl_sim_buf_json(&quoted, sl_span_str(text));
	for (size_t i = 0; i < quoted.len; i++) {
		char c = quoted.ptr[i];

		if (c == '<' || c == '>' || c == '&')
			sl_sim_buf_printf(out, "\\u%04x", (unsigned)c);
		else
			sl_sim_buf_add(out, sl_span(&c, 1));
	}
	sl_sim_buf_fini(&quoted);
}

/* ---- Status ---------------------------------------------------------- */

static void put_member(struct sl_sim_buf *out, const char *key, const char *value)
{
	if (!value || !*value)
		return;
	sl_sim_buf_printf(out, "%s\"%s\":", out->ptr[out->len - 1] == '{' ? "" : ",", key);
	sl_kapi_put_string(out, value);
}

static void put_details(struct sl_sim_buf *out, const struct sl_kapi_status *s)
{
	sl_sim_buf_str(out, ",\"details\":{");
	put_member(out, "name", s->name);
	put_member(out, "group", s->group);
	put_member(out, "kind", s->kind);
	put_member(out, "uid", s->uid);
	if (s->cause_reason) {
		sl_sim_buf_printf(out, "%s\"causes\":[{", out->ptr[out->len - 1] == '{' ? "" : ",");
		put_member(out, "reason", s->cause_reason);
		put_member(out, "message", s->cause_message);
		put_member(out, "field", s->cause_field);
		sl_sim_buf_str(out, "}]");
	}
	if (s->retry_after_s)
		sl_sim_buf_printf(out, "%s\"retryAfterSeconds\":%u",
		                  out->ptr[out->len - 1] == '{' ? "" : ",", s->retry_after_s);
	sl_sim_buf_str(out, "}");
}

void sl_kapi_status_put(struct sl_sim_buf *out, const struct sl_kapi_status *s)
{
	sl_sim_buf_str(out, "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{");
	put_member(out, "continue", s->next);
	sl_sim_buf_str(out, "}");
	put_member(out, "status", s->code < 400 ? "Success" : "Failure");
	put_member(out, "message", s->message);
	put_member(out, "reason", s->reason);
	if (s->details || s->kind || s->cause_reason || s->retry_after_s)
		put_details(out, s);
	if (s->code >= 400)
		sl_sim_buf_printf(out, ",\"code\":%d", s->code);
	sl_sim_buf_str(out, "}");
}

void sl_kapi_answer_status(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                           const struct sl_kapi_status *status)
{
	struct sl_sim_buf json = { 0 };

	sl_kapi_status_put(&json, status);
	answer_json(conn, r, status->code, sl_sim_buf_span(&json), status->retry_after_s);
	sl_sim_buf_fini(&json);
}

void sl_kapi_answer_bad(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                        const char *message)
{
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){
	                              .code = 400, .reason = "BadRequest", .message = message });
}

/* client.h: a session under test, the client at its other end, which the test
 * plays, and a handler of requests that writes down what it is told. */
#ifndef SLUICE_TEST_CLIENT_H
#define SLUICE_TEST_CLIENT_H

#include <stdio.h>

#include "gateway/downstream/session.h"
#include "tests/unit/gateway/wire.h"

#define MAX_REQUESTS 32

enum answer_at { LATER, IN_HEAD, IN_BODY, AT_END };

/* A request and what the session said about it. */
struct request {
	struct sl_stream *stream; /* NULL when it is not ours any more */
	char method[16], path[64], protocol[16];
	bool end;   /* as on_head was told */
	char *body; /* owned */
	size_t body_len;
	unsigned ends, gones, drains;
	int err;
	size_t drained_to;
};

struct rig {
	struct sl_loop loop;
	struct sl_config config;
	struct sl_sessions sessions;
	struct sl_session_kind kind;
	struct wire client;
	struct request requests[MAX_REQUESTS]; /* in the order of their heads */
	unsigned n;
	/* how the handler answers */
	enum answer_at answer_at;
	int status;
	const char *text; /* the answer's body */
	int64_t length;   /* as told to respond; -1: unknown */
	bool proceed;     /* 100 Continue, from on_head */
};

/* ---- the handler ----------------------------------------------------- */

static struct rig *the_rig; /* on_body, on_end and on_gone know the stream only */

static inline void copy_text(char *to, size_t size, struct sl_span from)
{
	size_t n = from.len < size ? from.len : size - 1;

	memcpy(to, from.ptr, n);
	to[n] = '\0';
}

static inline void respond(struct request *q, int status, int64_t length)
{
	static const struct sl_hfield fields[] = {
		{ { "content-type", 12 }, { "text/plain", 10 }, SL_FC_CONTENT_TYPE },
	};

	sl_stream_respond(q->stream, status, fields, 1, length);
}

static inline void finish(struct request *q, const char *text)
{
	struct sl_stream *stream = q->stream;

	q->stream = NULL;
	sl_stream_finish(stream, text, strlen(text));
}

static inline void abort_answer(struct request *q)
{
	struct sl_stream *stream = q->stream;

	q->stream = NULL;
	sl_stream_abort(stream);
}

/* As the rig says: status, text, length. */
static inline void answer_request(struct request *q)
{
	respond(q, the_rig->status, the_rig->length);
	finish(q, the_rig->text);
}

static void on_head_of(void *ctx, struct sl_stream *s, const struct sl_head *head, bool end)
{
	struct rig *r = ctx;
	struct request *q = &r->requests[r->n++];

	assert_true(r->n <= MAX_REQUESTS);
	*q = (struct request){ .stream = s, .end = end };
	s->user = q;
	if (r->proceed)
		sl_stream_proceed(s);
	copy_text(q->protocol, sizeof(q->protocol), sl_span_str(s->protocol));
	if (r->answer_at == IN_HEAD)
		answer_request(q);
	/* Behind the answer on purpose: the head is ours until we return. */
	copy_text(q->method, sizeof(q->method), head->method);
	copy_text(q->path, sizeof(q->path), head->path);
}

static void on_body_of(struct sl_stream *s, const char *data, size_t len)
{
	struct request *q = s->user;

	assert_ptr_equal(q->stream, s);
	assert_int_equal(q->ends, 0);
	if (the_rig->answer_at == IN_BODY)
		answer_request(q);
	q->body = realloc(q->body, q->body_len + len + 1);
	assert_non_null(q->body);
	memcpy(q->body + q->body_len, data, len);
	q->body_len += len;
	q->body[q->body_len] = '\0';
}

static void on_end_of(struct sl_stream *s)
{
	struct request *q = s->user;

	assert_ptr_equal(q->stream, s);
	q->ends++;
	if (the_rig->answer_at == AT_END)
		answer_request(q);
}

static void on_gone_of(struct sl_stream *s, int err)
{
	struct request *q = s->user;

	assert_ptr_equal(q->stream, s); /* never after finish or abort, never twice */
	q->stream = NULL;
	q->gones++;
	q->err = err;
}

static void on_drained_of(struct sl_stream *s, size_t pending)
{
	struct request *q = s->user;

	assert_ptr_equal(q->stream, s);
	q->drains++;
	q->drained_to = pending;
}

static const struct sl_stream_events handler = {
	on_head_of, on_body_of, on_end_of, on_gone_of, on_drained_of,
};

/* ---- the rig --------------------------------------------------------- */

#define MINUTE_US (60u * 1000000u)

static inline void connect_client(struct rig *r)
{
	struct sl_sockaddr addr, peer;
	int listen_fd = listen_anywhere(&addr);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int accepted;

	assert_int_equal(connect(fd, (const struct sockaddr *)&addr.ss, addr.len), 0);
	accepted = sl_socket_accept(listen_fd, &peer);
	assert_true(accepted >= 0);
	close(listen_fd);
	wire_init(&r->client, fd);
	wire_send_at_once(&r->client);
	sl_session_open(&r->sessions, accepted, &peer, &r->kind);
	assert_int_equal(r->sessions.count, 1);
}

/* Everything but the connection. */
static inline int rig_new(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	the_rig = r;
	assert_int_equal(sl_loop_init(&r->loop), 0);
	r->config = (struct sl_config){
		.header_bytes = 16384,
		.header_count = 100,
		.max_streams = 10,
		.header_timeout_us = MINUTE_US,
		.keepalive_timeout_us = MINUTE_US,
		.write_timeout_us = MINUTE_US,
		.tls_handshake_timeout_us = MINUTE_US,
	};
	r->sessions = (struct sl_sessions){
		.loop = &r->loop,
		.config = &r->config,
		.events = &handler,
		.ctx = r,
		.metrics = sl_metrics_thread(),
	};
	r->client.fd = -1;
	r->status = 200;
	r->text = "ok";
	r->length = 2;
	*state = r;
	return 0;
}

static inline void hang_up(struct rig *r)
{
	sl_sessions_close(&r->sessions);
	settle_down(&r->loop);
	wire_fini(&r->client);
	for (unsigned i = 0; i < r->n; i++)
		free(r->requests[i].body);
	r->n = 0;
}

static inline int rig_free(void **state)
{
	struct rig *r = *state;

	hang_up(r);
	assert_int_equal(r->sessions.count, 0);
	sl_loop_fini(&r->loop);
	sl_sessions_fini(&r->sessions);
	free(r);
	return 0;
}

#endif

/* h2_client.h: the client of HTTP/2 sessions under test: the project's own
 * codec, whose bytes the test moves. */
#ifndef SLUICE_TEST_H2_CLIENT_H
#define SLUICE_TEST_H2_CLIENT_H

#include "tests/unit/gateway/downstream/client.h"
#include "tests/unit/gateway/http/h2_end.h"

struct h2_client {
	struct rig *rig;
	struct end end;
	struct seen seen[16]; /* by request */
	unsigned n;
};

static struct h2_client the_client;

static inline int setup(void **state)
{
	struct h2_client *c = &the_client;

	rig_new(state);
	*c = (struct h2_client){ .rig = *state };
	c->end.h2 = sl_h2_client_new(&limits, &events, &c->end);
	return 0;
}

static inline int setup_connected(void **state)
{
	setup(state);
	connect_client(*state);
	return 0;
}

static inline int teardown(void **state)
{
	if (the_client.end.h2)
		sl_h2_free(the_client.end.h2);
	return rig_free(state);
}

/* Moves what there is to move, both ways. */
static inline bool met(struct h2_client *c)
{
	struct sl_outbuf *out = sl_h2_out(c->end.h2);
	struct wire *w = &c->rig->client;
	size_t n = sl_outbuf_size(out);

	if (n && !wire_over(w)) {
		ssize_t sent = send(w->fd, out->data + out->off, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0)
			sl_outbuf_drain(out, (size_t)sent);
	}
	wire_poll(w);
	if (w->len) {
		assert_int_equal(sl_h2_recv(c->end.h2, w->data, w->len), 0);
		wire_forget(w);
	}
	sl_h2_pull(c->end.h2);
	return true;
}

#define UNTIL(c, condition) TURN_UNTIL(&(c)->rig->loop, met(c) && (condition))

static inline void calm_down(struct h2_client *c)
{
	for (int i = 0; i < 4; i++) {
		met(c);
		settle_down(&c->rig->loop);
	}
	met(c);
}

static inline struct seen *request(struct h2_client *c, const char *method, const char *path,
                                   size_t body)
{
	struct seen *x = &c->seen[c->n++];
	struct sl_head head = {
		.method = sl_span_str(method),
		.path = sl_span_str(path),
		.authority = SL_SPAN("a"),
		.content_length = -1,
	};
	char *bytes = make_body(body);

	assert_true(c->n <= SL_COUNT(c->seen));
	x->stream = sl_h2_request(c->end.h2, &head, "http", x, body == 0);
	assert_non_null(x->stream);
	if (body) {
		sl_h2_write(c->end.h2, x->stream, bytes, body);
		sl_h2_finish(c->end.h2, x->stream);
	}
	free(bytes);
	return x;
}

/* Seen by the handler, in the order they were sent. */
static inline struct request *arrived(struct h2_client *c, unsigned i)
{
	struct rig *r = c->rig;

	UNTIL(c, r->n > i && r->requests[i].ends == 1);
	return &r->requests[i];
}

static inline bool got(const struct seen *x, int status, const char *text)
{
	return x->status == status && x->ends == 1 && x->closes == 1 && x->close_err == 0 &&
	       x->body == strlen(text) && x->sum == sum_of(0, text, strlen(text));
}

static inline bool is_over(struct h2_client *c)
{
	return c->rig->sessions.count == 0;
}

/* The connection serves another request. */
static inline void check_usable(struct h2_client *c)
{
	unsigned before = c->rig->n;
	enum answer_at at = c->rig->answer_at;
	struct seen *x;

	c->rig->answer_at = AT_END;
	x = request(c, "GET", "/again", 0);
	UNTIL(c, got(x, 200, "ok"));
	assert_int_equal(c->rig->n, before + 1);
	c->rig->answer_at = at;
}

#endif

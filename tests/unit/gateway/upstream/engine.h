/* engine.h: calls under test, and the engine they go to, which the test plays:
 * a listener on loopback that answers exactly what it is told to. */
#ifndef SLUICE_TEST_ENGINE_H
#define SLUICE_TEST_ENGINE_H

#include <stdio.h>

#include "gateway/upstream/call.h"
#include "tests/unit/gateway/wire.h"

#define MAX_WIRES 8

/* What a test holds: a worker's upstreams and one engine. */
struct rig {
	struct sl_loop loop;
	struct sl_upstreams *upstreams; /* owned */
	struct sl_endpoint *ep;         /* ref */
	int listen_fd;
	struct wire wires[MAX_WIRES]; /* connections, in the order accepted */
	unsigned n_wires;
	unsigned bad, refused; /* reports of live traffic; of them: no connection */
};

/* A call and what its events said. */
struct ask {
	struct rig *rig;
	struct sl_call *call; /* NULL once it has ended */
	unsigned heads, bodies, ends, fails;
	int status;
	char *body; /* owned */
	size_t body_len;
	int err;
	bool started, sent;
	bool cancel_in_head, cancel_in_body, pause_in_body;
	struct ask *then; /* asked from inside on_end */
};

static const struct sl_call_limits generous = {
	.connect_timeout_us = 60u * 1000000u,
	.idle_timeout_us = 60u * 1000000u,
	.max_idle = 4,
};

/* ---- the engine ------------------------------------------------------ */

static inline bool engine_met(struct rig *r, unsigned n)
{
	struct sl_sockaddr peer;
	int fd;

	while ((fd = sl_socket_accept(r->listen_fd, &peer)) >= 0) {
		assert_true(r->n_wires < MAX_WIRES);
		wire_init(&r->wires[r->n_wires++], fd);
	}
	return r->n_wires >= n;
}

/* True when the i-th connection has brought the end of a request's head. */
static inline bool engine_asked(struct rig *r, unsigned i)
{
	return engine_met(r, i + 1) && wire_has(&r->wires[i], "\r\n\r\n");
}

/* ---- calls ----------------------------------------------------------- */

static const struct sl_call_request get_models = {
	.method = { "GET", 3 },
	.path = { "/v1/models", 10 },
};

static void ask(struct ask *a, struct rig *r, const struct sl_call_request *request);
static void ask_with(struct ask *a, struct rig *r, const struct sl_call_request *request,
                     const struct sl_call_limits *terms);

static void ask_cancel(struct ask *a)
{
	struct sl_call *call = a->call;

	a->call = NULL;
	sl_call_cancel(call);
}

static void tell_head(void *user, const struct sl_head *head)
{
	struct ask *a = user;

	assert_non_null(a->call);
	a->heads++;
	a->status = head->status;
	if (a->cancel_in_head)
		ask_cancel(a);
}

static void tell_body(void *user, const char *data, size_t len)
{
	struct ask *a = user;

	assert_non_null(a->call);
	assert_int_equal(a->heads, 1);
	assert_true(len > 0);
	a->bodies++;
	a->body = realloc(a->body, a->body_len + len + 1);
	assert_non_null(a->body);
	memcpy(a->body + a->body_len, data, len);
	a->body_len += len;
	a->body[a->body_len] = '\0';
	if (a->pause_in_body)
		sl_call_pause(a->call);
	if (a->cancel_in_body)
		ask_cancel(a);
}

static void tell_end(void *user)
{
	struct ask *a = user;

	assert_non_null(a->call);
	a->call = NULL;
	a->ends++;
	if (a->then)
		ask(a->then, a->rig, &get_models);
}

static void tell_fail(void *user, int err, bool started, bool sent)
{
	struct ask *a = user;

	assert_non_null(a->call);
	a->call = NULL;
	a->fails++;
	a->err = err;
	a->started = started;
	a->sent = sent;
}

static const struct sl_call_events recorder = { tell_head, tell_body, tell_end, tell_fail };

static void ask_with(struct ask *a, struct rig *r, const struct sl_call_request *request,
                     const struct sl_call_limits *terms)
{
	a->rig = r;
	a->call = sl_call_start(r->upstreams, r->ep, terms, request, &recorder, a);
	assert_non_null(a->call);
	assert_int_equal(a->heads + a->ends + a->fails, 0); /* never from inside */
}

static void ask(struct ask *a, struct rig *r, const struct sl_call_request *request)
{
	ask_with(a, r, request, &generous);
}

static inline bool ask_over(const struct ask *a)
{
	return a->ends + a->fails > 0;
}

static inline void ask_fini(struct ask *a)
{
	if (a->call)
		ask_cancel(a);
	free(a->body);
	*a = (struct ask){ .rig = NULL };
}

#define SAYS(a, text)                                                                              \
	((a)->body_len == sizeof(text) - 1 && !memcmp((a)->body, text, sizeof(text) - 1))

/* ---- the rig --------------------------------------------------------- */

static void on_report(void *ctx, struct sl_endpoint *ep, bool refused)
{
	struct rig *r = ctx;

	assert_ptr_equal(ep, r->ep);
	r->bad++;
	r->refused += refused;
}

static inline struct sl_endpoint *endpoint_new(const struct sl_sockaddr *addr,
                                               enum sl_upstream_protocol protocol)
{
	struct sl_endpoint *ep = calloc(1, sizeof(*ep));

	assert_non_null(ep);
	atomic_init(&ep->refs, 1);
	ep->id = 7;
	snprintf(ep->name, sizeof(ep->name), "engine.test:8000");
	ep->addr = *addr;
	ep->protocol = protocol;
	pthread_mutex_init(&ep->judge_lock, NULL);
	return ep;
}

static inline int rig_open(void **state, enum sl_upstream_protocol protocol)
{
	struct rig *r = calloc(1, sizeof(*r));
	struct sl_sockaddr addr;

	assert_non_null(r);
	assert_int_equal(sl_loop_init(&r->loop), 0);
	r->listen_fd = listen_anywhere(&addr);
	r->ep = endpoint_new(&addr, protocol);
	r->upstreams = sl_upstreams_new(&r->loop, sl_metrics_thread(), on_report, r);
	*state = r;
	return 0;
}

/* Also proves that nobody holds the endpoint any more. */
static inline int rig_close(void **state)
{
	struct rig *r = *state;

	sl_upstreams_free(r->upstreams);
	sl_loop_fini(&r->loop);
	assert_int_equal(atomic_load(&r->ep->refs), 1);
	sl_endpoint_unref(r->ep);
	for (unsigned i = 0; i < r->n_wires; i++)
		wire_fini(&r->wires[i]);
	if (r->listen_fd >= 0)
		close(r->listen_fd);
	free(r);
	return 0;
}

#endif

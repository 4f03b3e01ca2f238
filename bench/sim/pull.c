/* pull.c: fetching KV blocks. See pull.h.
 *
 * The question to another process is one small HTTP request on a connection
 * of its own; the answer is read until that process closes it. */
#include "bench/sim/pull.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ASK_AGAIN_US 100000u
#define KNOWN_PEER_US 100000u /* a peer that was there before fails at once */
#define ANSWER_MAX 4096u

struct sl_sim_ask {
	struct sl_sim_ask *next, *prev; /* sim's, if nobody waits for the answer */
	struct sl_sim *sim;
	struct event read_event, write_event;
	int fd; /* -1: not asking */
	struct sl_sim_buf out, in;
	size_t out_at;
	void (*done)(void *arg, enum sl_sim_pull_verdict verdict);
	void *arg;
};

enum phase {
	PULL_ASKING,
	PULL_MOVING,  /* the blocks are on the way */
	PULL_WAITING, /* to ask again */
	PULL_DEAD,    /* to say that it failed */
};

struct sl_sim_pull {
	struct sl_sim_choice *choice;
	struct sl_sim_engine *engine;
	struct sl_sim_ask ask;
	struct event timer;
	enum phase phase;
};

/* ---- the prefill side ------------------------------------------------ */

enum sl_sim_pull_verdict sl_sim_pull_answer(struct sl_sim_engine *e,
                                            const struct sl_sim_pull_question *q)
{
	struct sl_sim_handoff *h;

	if (e->dead || (e->stopping && e->stop == SL_SIM_STOP_EXIT))
		return SL_SIM_PULL_DOWN;
	if (e->faults.hang)
		return SL_SIM_PULL_SILENT;
	if (strcmp(e->id, q->engine_id) != 0 ||
	    strcmp(e->sim->opt.kv_version, q->kv_version) != 0) {
		e->tally.pulls_refused++;
		return SL_SIM_PULL_STRANGER;
	}
	h = sl_sim_handoff_find(&e->handoffs, q->request_id);
	if (!h) {
		e->handoffs.late += q->op == SL_SIM_PULL_OPEN;
		return SL_SIM_PULL_STALE;
	}
	if (q->op == SL_SIM_PULL_BEAT) {
		h->until_us = sl_sim_now_us() + e->sim->opt.lease_us * 2 / 3;
	} else if (q->op == SL_SIM_PULL_RELEASE) {
		e->tally.released++;
		sl_sim_handoff_del(&e->handoffs, h, e->kv);
		sl_sim_engine_kick(e);
	} else if (h->prompt_hash != q->prompt_hash) {
		return SL_SIM_PULL_STALE;
	} else {
		e->tally.pulls_served++;
	}
	sl_sim_engine_lease(e);
	return SL_SIM_PULL_OK;
}

static const char *text_of(const cJSON *json, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));

	return text ? text : "";
}

void sl_sim_pull_serve(struct sl_sim_conn *conn)
{
	cJSON *json = cJSON_ParseWithLength(conn->body.ptr ? conn->body.ptr : "", conn->body.len);
	const cJSON *op = cJSON_GetObjectItemCaseSensitive(json, "op");
	struct sl_sim_pull_question q = {
		.op = cJSON_IsNumber(op) ? (enum sl_sim_pull_op)op->valueint : SL_SIM_PULL_OPEN,
		.engine_id = text_of(json, "engine_id"),
		.request_id = text_of(json, "request_id"),
		.kv_version = text_of(json, "kv_version"),
		.prompt_hash = strtoull(text_of(json, "prompt_hash"), NULL, 16),
	};
	char body[40];
	int n = snprintf(body, sizeof(body), "{\"verdict\":%d}",
	                 (int)sl_sim_pull_answer(conn->engine, &q));

	conn->head.keep_alive = false;
	sl_sim_conn_reply(conn, 200, "application/json", NULL, sl_span(body, (size_t)n));
	cJSON_Delete(json);
}

/* ---- asking another process ------------------------------------------ */

static void stop_asking(struct sl_sim_ask *a)
{
	if (a->fd < 0)
		return;
	event_del(&a->read_event);
	event_del(&a->write_event);
	close(a->fd);
	a->fd = -1;
	sl_sim_buf_fini(&a->out);
	sl_sim_buf_fini(&a->in);
	a->out = a->in = (struct sl_sim_buf){ 0 };
}

static void answered(struct sl_sim_ask *a, enum sl_sim_pull_verdict verdict)
{
	stop_asking(a);
	a->done(a->arg, verdict);
}

static void on_ask_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_ask *a = arg;
	char buf[1024];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);
	const char *at;

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && a->in.len < ANSWER_MAX) {
		sl_sim_buf_add(&a->in, sl_span(buf, (size_t)n));
		return;
	}
	at = a->in.len ? memmem(a->in.ptr, a->in.len, "\"verdict\":", 10) : NULL;
	answered(a,
	         n == 0 && at && at + 10 < a->in.ptr + a->in.len && at[10] >= '0' && at[10] <= '4'
	                 ? (enum sl_sim_pull_verdict)(at[10] - '0')
	                 : SL_SIM_PULL_DOWN);
}

static void on_ask_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_ask *a = arg;
	ssize_t n = send(fd, a->out.ptr + a->out_at, a->out.len - a->out_at, MSG_NOSIGNAL);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		answered(a, SL_SIM_PULL_DOWN);
		return;
	}
	a->out_at += (size_t)n;
	if (a->out_at == a->out.len)
		event_del(&a->write_event);
}

static void write_question(struct sl_sim_ask *a, const struct sl_sim_pull_question *q,
                           const char *host, int port)
{
	struct sl_sim_buf body = { 0 };

	sl_sim_buf_printf(&body,
	                  "{\"op\":%d,\"prompt_hash\":\"%016llx\",\"engine_id\":", (int)q->op,
	                  (unsigned long long)q->prompt_hash);
	sl_sim_buf_json(&body, sl_span_str(q->engine_id));
	sl_sim_buf_str(&body, ",\"request_id\":");
	sl_sim_buf_json(&body, sl_span_str(q->request_id));
	sl_sim_buf_str(&body, ",\"kv_version\":");
	sl_sim_buf_json(&body, sl_span_str(q->kv_version));
	sl_sim_buf_str(&body, "}");
	sl_sim_buf_printf(&a->out,
	                  "POST /sim/kv HTTP/1.1\r\nhost: %s:%d\r\ncontent-type: "
	                  "application/json\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n",
	                  host, port, body.len);
	sl_sim_buf_add(&a->out, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}

/* False if there is nobody to ask. */
static bool ask_start(struct sl_sim_ask *a, struct event_base *base, const char *host, int port,
                      const struct sl_sim_pull_question *q)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	if (!host || port < 1 || inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		return false;
	a->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (a->fd < 0)
		return false;
	if (connect(a->fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 && errno != EINPROGRESS) {
		close(a->fd);
		a->fd = -1;
		return false;
	}
	a->out_at = 0;
	write_question(a, q, host, port);
	event_assign(&a->read_event, base, a->fd, EV_READ | EV_PERSIST, on_ask_readable, a);
	event_assign(&a->write_event, base, a->fd, EV_WRITE | EV_PERSIST, on_ask_writable, a);
	event_add(&a->read_event, NULL);
	event_add(&a->write_event, NULL);
	return true;
}

/* ---- the decode side ------------------------------------------------- */

static void free_pull(struct sl_sim_pull *p)
{
	p->choice->pull = NULL;
	stop_asking(&p->ask);
	event_del(&p->timer);
	free(p);
}

static struct sl_sim_pull_question question(struct sl_sim_engine *e, enum sl_sim_pull_op op,
                                            const struct sl_sim_kv_params *params, uint64_t hash)
{
	return (struct sl_sim_pull_question){
		.op = op,
		.engine_id = params->engine_id ? params->engine_id : "",
		.request_id = params->request_id ? params->request_id : "",
		.kv_version = e->sim->opt.kv_version,
		.prompt_hash = hash,
	};
}

static void wait_in(struct sl_sim_pull *p, enum phase phase, uint64_t us)
{
	struct timeval tv = sl_sim_timeval(us ? us : 1);

	p->phase = phase;
	evtimer_add(&p->timer, &tv);
}

static void move_blocks(struct sl_sim_pull *p)
{
	struct sl_sim_engine *e = p->engine;
	uint64_t now = sl_sim_now_us();
	uint64_t bytes = sl_sim_model_kv_bytes(&e->model, p->choice->seq->fetched_tokens);
	uint64_t start = e->nic_free_us > now ? e->nic_free_us : now;
	uint64_t took = sl_sim_model_transfer_us(&e->model, bytes);

	e->nic_free_us = start + took;
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_XFER, (double)took / 1e6);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_POST, e->model.transfer_latency_ms / 1e4);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_BYTES, (double)bytes);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_DESCRIPTORS, p->choice->seq->n_blocks);
	wait_in(p, PULL_MOVING, e->nic_free_us - now);
}

static void fail_pull(struct sl_sim_pull *p)
{
	struct sl_sim_gen *gen = p->choice->gen;

	p->engine->metrics.failed_transfers++;
	free_pull(p);
	sl_sim_gen_fail(gen, "Internal server error");
}

static const struct sl_sim_prompt *prompt_of(const struct sl_sim_choice *c)
{
	return &c->gen->request.prompts[c->index / c->gen->request.n];
}

/* A real engine reads whatever lies in blocks that were given back: the text
 * is fluent and wrong, and nobody says so. */
static void corrupt(struct sl_sim_pull *p)
{
	struct sl_sim_choice *c = p->choice;
	uint32_t n = c->gen->request.n;

	p->engine->tally.corrupted++;
	c->seq->text = sl_sim_prompt_text(prompt_of(c), c->index % n + SL_SIM_CORRUPT);
}

static bool is_known(const struct sl_sim_pull *p)
{
	const char *id = p->choice->gen->request.kv.engine_id;

	return id && strcmp(id, p->engine->last_peer) == 0;
}

static void on_verdict(void *arg, enum sl_sim_pull_verdict verdict)
{
	struct sl_sim_pull *p = arg;

	switch (verdict) {
	case SL_SIM_PULL_STALE:
		corrupt(p);
		move_blocks(p);
		break;
	case SL_SIM_PULL_OK:
		move_blocks(p);
		break;
	case SL_SIM_PULL_SILENT:
		wait_in(p, PULL_WAITING, ASK_AGAIN_US);
		break;
	case SL_SIM_PULL_STRANGER:
		wait_in(p, PULL_DEAD, 1000);
		break;
	case SL_SIM_PULL_DOWN:
		wait_in(p, PULL_DEAD,
		        is_known(p) ? KNOWN_PEER_US : p->engine->sim->opt.handshake_us);
		break;
	}
}

static void begin_asking(struct sl_sim_pull *p)
{
	const struct sl_sim_kv_params *params = &p->choice->gen->request.kv;
	struct sl_sim_engine *e = p->engine;
	struct sl_sim_engine *peer = sl_sim_engine_find(e->sim, params->host, params->port);
	struct sl_sim_pull_question q =
	        question(e, SL_SIM_PULL_OPEN, params, sl_sim_prompt_hash(prompt_of(p->choice)));

	p->phase = PULL_ASKING;
	if (peer)
		on_verdict(p, sl_sim_pull_answer(peer, &q));
	else if (!ask_start(&p->ask, e->sim->base, params->host, params->port, &q))
		on_verdict(p, SL_SIM_PULL_DOWN);
}

static void copy_id(char *out, size_t size, const char *id)
{
	size_t n = strnlen(id, size - 1);

	memcpy(out, id, n);
	out[n] = 0;
}

/* Several answers to one prompt read the same blocks. */
static bool others_will_read(const struct sl_sim_choice *c)
{
	const struct sl_sim_gen *gen = c->gen;

	for (uint32_t i = 0; i < gen->n_choices; i++) {
		const struct sl_sim_choice *other = &gen->choices[i];

		if (other != c && other->seq->remote &&
		    (other->pull || other->seq->state == SL_SIM_SEQ_WAITING))
			return true;
	}
	return false;
}

static void arrived(struct sl_sim_pull *p)
{
	struct sl_sim_engine *e = p->engine;
	struct sl_sim_seq *seq = p->choice->seq;
	const struct sl_sim_kv_params *params = &p->choice->gen->request.kv;

	copy_id(e->last_peer, sizeof(e->last_peer), params->engine_id);
	if (!others_will_read(p->choice))
		sl_sim_pull_release(e, params);
	free_pull(p);
	sl_sim_batch_fetched(&e->batch, seq);
	sl_sim_engine_kick(e);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_pull *p = arg;

	(void)fd;
	(void)what;
	if (p->phase == PULL_MOVING)
		arrived(p);
	else if (p->phase == PULL_WAITING)
		begin_asking(p);
	else
		fail_pull(p);
}

void sl_sim_pull_start(struct sl_sim_choice *choice)
{
	struct sl_sim_pull *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->choice = choice;
	p->engine = choice->gen->engine;
	p->ask.fd = -1;
	p->ask.done = on_verdict;
	p->ask.arg = p;
	evtimer_assign(&p->timer, p->engine->sim->base, on_timer, p);
	choice->pull = p;
	begin_asking(p);
}

void sl_sim_pull_cancel(struct sl_sim_choice *choice)
{
	if (choice->pull)
		free_pull(choice->pull);
}

/* ---- telling --------------------------------------------------------- */

static void free_word(struct sl_sim_ask *a)
{
	if (a->prev)
		a->prev->next = a->next;
	else
		a->sim->asks = a->next;
	if (a->next)
		a->next->prev = a->prev;
	stop_asking(a);
	free(a);
}

static void told(void *arg, enum sl_sim_pull_verdict verdict)
{
	(void)verdict;
	free_word(arg);
}

static void tell_other_process(struct sl_sim *sim, const struct sl_sim_kv_params *params,
                               const struct sl_sim_pull_question *q)
{
	struct sl_sim_ask *a = calloc(1, sizeof(*a));

	if (!a)
		abort();
	a->sim = sim;
	a->fd = -1;
	a->done = told;
	a->arg = a;
	a->next = sim->asks;
	if (sim->asks)
		sim->asks->prev = a;
	sim->asks = a;
	if (!ask_start(a, sim->base, params->host, params->port, q))
		free_word(a);
}

static void tell(struct sl_sim_engine *e, const struct sl_sim_kv_params *params,
                 enum sl_sim_pull_op op)
{
	struct sl_sim_engine *peer = sl_sim_engine_find(e->sim, params->host, params->port);
	struct sl_sim_pull_question q = question(e, op, params, 0);

	if (peer)
		(void)sl_sim_pull_answer(peer, &q);
	else
		tell_other_process(e->sim, params, &q);
}

void sl_sim_pull_release(struct sl_sim_engine *e, const struct sl_sim_kv_params *params)
{
	tell(e, params, SL_SIM_PULL_RELEASE);
}

void sl_sim_pull_beat(struct sl_sim_choice *choice)
{
	tell(choice->gen->engine, &choice->gen->request.kv, SL_SIM_PULL_BEAT);
}

void sl_sim_pull_fini(struct sl_sim *sim)
{
	while (sim->asks)
		free_word(sim->asks);
}

/* pull.c: see pull.h. */
#include "bench/sim/pull.h"

#include <stdlib.h>

#include "bench/sim/peer.h"

#define ASK_AGAIN_US 100000u
#define KNOWN_PEER_US 100000u /* a peer that was there before fails at once */

enum phase {
	PULL_ASKING,
	PULL_MOVING,  /* the blocks are on the way */
	PULL_WAITING, /* to ask again */
	PULL_DEAD,    /* to say that it failed */
};

struct sl_sim_pull {
	struct sl_sim_engine *engine; /* borrowed */
	struct sl_sim_pull_want want;
	struct sl_sim_ask ask;
	struct event timer;
	enum phase phase;
};

void sl_sim_pull_cancel(struct sl_sim_pull *p)
{
	sl_sim_ask_fini(&p->ask);
	event_del(&p->timer);
	free(p);
}

static void end_pull(struct sl_sim_pull *p, enum sl_sim_pull_news news)
{
	struct sl_sim_pull_want want = p->want;

	sl_sim_pull_cancel(p);
	want.tell(want.arg, news);
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
	uint64_t bytes = sl_sim_model_kv_bytes(&e->model, p->want.seq->fetched_tokens);
	uint64_t start = e->nic_free_us > now ? e->nic_free_us : now;
	uint64_t took = sl_sim_model_transfer_us(&e->model, bytes);

	e->nic_free_us = start + took;
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_XFER, (double)took / 1e6);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_POST, e->model.transfer_latency_ms / 1e4);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_BYTES, (double)bytes);
	sl_sim_observe(&e->metrics, SL_SIM_H_NIXL_DESCRIPTORS, p->want.seq->n_blocks);
	wait_in(p, PULL_MOVING, e->nic_free_us - now);
}

static bool is_known(const struct sl_sim_pull *p)
{
	const char *id = p->want.params->engine_id;

	return id && strcmp(id, p->engine->last_peer) == 0;
}

static void on_verdict(void *arg, enum sl_sim_verdict verdict)
{
	struct sl_sim_pull *p = arg;

	switch (verdict) {
	case SL_SIM_VERDICT_STALE:
		p->want.tell(p->want.arg, SL_SIM_PULL_STALE);
		move_blocks(p);
		break;
	case SL_SIM_VERDICT_OK:
		move_blocks(p);
		break;
	case SL_SIM_VERDICT_SILENT:
		wait_in(p, PULL_WAITING, ASK_AGAIN_US);
		break;
	case SL_SIM_VERDICT_STRANGER:
		wait_in(p, PULL_DEAD, 1000);
		break;
	case SL_SIM_VERDICT_DOWN:
		wait_in(p, PULL_DEAD,
		        is_known(p) ? KNOWN_PEER_US : p->engine->sim->opt.handshake_us);
		break;
	}
}

static void begin_asking(struct sl_sim_pull *p)
{
	const struct sl_sim_kv_params *params = p->want.params;
	struct sl_sim_engine *e = p->engine;
	struct sl_sim_engine *peer = sl_sim_peer_find(e->sim, params->host, params->port);
	struct sl_sim_question q = sl_sim_peer_question(e, SL_SIM_ASK_OPEN, params);

	q.prompt_hash = p->want.prompt_hash;
	p->phase = PULL_ASKING;
	if (peer)
		on_verdict(p, sl_sim_peer_answer(peer, &q));
	else if (!sl_sim_ask_begin(&p->ask, params->host, params->port, &q))
		on_verdict(p, SL_SIM_VERDICT_DOWN);
}

static void copy_id(char *out, size_t size, const char *id)
{
	size_t n = strnlen(id, size - 1);

	memcpy(out, id, n);
	out[n] = 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_pull *p = arg;
	struct sl_sim_engine *e = p->engine;

	(void)fd;
	(void)what;
	if (p->phase == PULL_WAITING) {
		begin_asking(p);
	} else if (p->phase == PULL_MOVING) {
		copy_id(e->last_peer, sizeof(e->last_peer), p->want.params->engine_id);
		end_pull(p, SL_SIM_PULL_ARRIVED);
	} else {
		e->metrics.failed_transfers++;
		end_pull(p, SL_SIM_PULL_FAILED);
	}
}

struct sl_sim_pull *sl_sim_pull_start(struct sl_sim_engine *e, const struct sl_sim_pull_want *want)
{
	struct sl_sim_pull *p = calloc(1, sizeof(*p));

	if (!p)
		abort();
	p->engine = e;
	p->want = *want;
	sl_sim_ask_init(&p->ask, e->sim->net.base, on_verdict, p);
	evtimer_assign(&p->timer, e->sim->net.base, on_timer, p);
	begin_asking(p);
	return p;
}

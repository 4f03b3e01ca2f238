/* engine.c: see engine.h. */
#include "bench/sim/engine.h"

#include <stdio.h>

/* Steps that are made up for in one go when the process was late; later than
 * LATE_US it was stopped, or has too much to do, and that time is lost. */
#define CATCH_UP_STEPS 256
#define LATE_US 250000u

static void make_id(struct sl_rng *rng, char *out, size_t size)
{
	uint64_t a = sl_rng_next(rng), b = sl_rng_next(rng);

	snprintf(out, size, "%08x-%04x-4%03x-a%03x-%012llx", (unsigned)(a >> 32),
	         (unsigned)(a >> 16) & 0xffff, (unsigned)a & 0xfff, (unsigned)(b >> 52) & 0xfff,
	         (unsigned long long)(b & 0xffffffffffffull));
}

/* ---- steps ----------------------------------------------------------- */

static void start_fetches(struct sl_sim_engine *e)
{
	struct sl_sim_seq *seq;

	while ((seq = sl_sim_batch_next_fetch(&e->batch))) {
		if (seq->owner)
			e->ops->fetch(seq->owner);
		else
			sl_sim_batch_fetched(&e->batch, seq);
	}
}

static void end_step(struct sl_sim_engine *e)
{
	struct sl_sim_batch *b = &e->batch;

	sl_sim_batch_end(b, e->step_end_us);
	for (uint32_t i = 0; i < b->n_step; i++) {
		struct sl_sim_seq *seq = b->step[i];

		if (seq->owner) {
			e->ops->stepped(seq->owner, e->step_end_us);
		} else if (seq->state == SL_SIM_SEQ_ENDED) {
			/* Its client left while it computed. */
			e->tally.last_abort_us = (int64_t)(sl_sim_now_us() - e->abort_us);
			sl_sim_seq_free(seq);
		}
	}
}

/* Nobody computes while an adapter is loaded. */
static uint64_t load_adapters(struct sl_sim_engine *e)
{
	uint32_t n = sl_sim_adapters_load(&e->adapters, &e->batch);

	e->tally.adapter_loads += n;
	return n ? sl_sim_model_load_us(&e->model, n * e->sim->opt.lora_load_us) : 0;
}

static bool begin_step(struct sl_sim_engine *e, uint64_t at_us)
{
	struct sl_sim_work work;
	bool any = sl_sim_batch_begin(&e->batch, at_us, &work);

	start_fetches(e);
	if (!any)
		return false;
	e->model.slow = e->faults.slow * e->gpu_slow;
	e->step_end_us = at_us + load_adapters(e) + sl_sim_model_step_us(&e->model, &work);
	sl_sim_observe(&e->metrics, SL_SIM_H_ITERATION, work.tokens);
	return true;
}

static void run_steps(struct sl_sim_engine *e, uint64_t now)
{
	for (int i = 0; i < CATCH_UP_STEPS; i++) {
		uint64_t at = now;

		if (e->batch.stepping) {
			if (e->step_end_us > now)
				return;
			if (now - e->step_end_us > LATE_US)
				e->step_end_us = now;
			at = e->step_end_us;
			end_step(e);
		}
		if (e->dead || !begin_step(e, at))
			return;
	}
}

static void advance(struct sl_sim_engine *e)
{
	uint64_t now = sl_sim_now_us();

	if (e->advancing || e->dead || e->faults.hang)
		return;
	e->advancing = true;
	e->ops->resume(e);
	run_steps(e, now);
	e->ops->flush(e);
	/* What was said may have brought the next request, or freed blocks. */
	if (!e->dead && !e->batch.stepping)
		begin_step(e, now);
	e->advancing = false;
	if (!e->dead && e->batch.stepping) {
		uint64_t left = e->step_end_us > now ? e->step_end_us - now : 1;
		struct timeval tv = sl_sim_timeval(left);

		evtimer_add(&e->step_timer, &tv);
	}
}

static void on_step(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	advance(arg);
}

void sl_sim_engine_kick(struct sl_sim_engine *e)
{
	/* A step under way without its timer was halted by a fault. */
	if (!e->batch.stepping || !evtimer_pending(&e->step_timer, NULL))
		advance(e);
}

/* ---- leases ---------------------------------------------------------- */

void sl_sim_engine_lease(struct sl_sim_engine *e)
{
	uint64_t next = sl_sim_handoff_next_us(&e->handoffs);
	uint64_t now = sl_sim_now_us();
	struct timeval tv;

	if (next == UINT64_MAX) {
		evtimer_del(&e->lease_timer);
		return;
	}
	tv = sl_sim_timeval(next > now ? next - now : 1);
	evtimer_add(&e->lease_timer, &tv);
}

static void on_lease(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_engine *e = arg;

	(void)fd;
	(void)what;
	sl_sim_handoff_expire(&e->handoffs, e->kv, sl_sim_now_us());
	sl_sim_engine_lease(e);
	sl_sim_engine_kick(e);
}

static void beat(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_engine *e = arg;

	(void)fd;
	(void)what;
	for (struct sl_sim_seq *seq = e->batch.waiting.first; seq; seq = seq->next)
		if (seq->owner && seq->remote && seq->state == SL_SIM_SEQ_WAITING)
			e->ops->beat(seq->owner);
	sl_sim_engine_heed_leases(e);
}

/* As NIXL does: every sixth of a lease. */
void sl_sim_engine_heed_leases(struct sl_sim_engine *e)
{
	struct timeval tv = sl_sim_timeval(e->sim->opt.lease_us / 6 + 1);

	if (!evtimer_pending(&e->beat_timer, NULL) && sl_sim_batch_unfetched(&e->batch))
		evtimer_add(&e->beat_timer, &tv);
}

/* ---- life ------------------------------------------------------------ */

void sl_sim_engine_init(struct sl_sim_engine *e, struct sl_sim *sim, uint32_t index)
{
	const struct sl_sim_options *opt = &sim->opt;
	struct sl_sim_batch_limits limits = { opt->block_tokens, opt->step_tokens, opt->max_seqs,
		                              opt->max_loras };

	memset(e, 0, sizeof(*e));
	e->sim = sim;
	e->index = index;
	e->port = (uint16_t)(opt->listen.port + index);
	e->listener.fd = e->metrics_listener.fd = -1;
	make_id(&sim->rng, e->id, sizeof(e->id));
	e->kv = sl_sim_kv_new(opt->kv_blocks);
	sl_sim_batch_init(&e->batch, &limits, e->kv);
	sl_sim_adapters_init(&e->adapters, opt->n_loras ? opt->max_loras : 0);
	sl_sim_model_init(&e->model, opt->profile);
	e->model.speed = opt->speed;
	e->model.transfer_latency_ms = opt->transfer_latency_ms;
	e->model.transfer_bytes_per_ms = opt->transfer_gb_per_s * 1e6;
	e->metrics.created_s = (double)sl_sim_unix_s();
	e->tally.last_abort_us = -1;
	sl_sim_faults_init(&e->faults);
	e->gpu_slow = 1;
	evtimer_assign(&e->step_timer, sim->net.base, on_step, e);
	evtimer_assign(&e->lease_timer, sim->net.base, on_lease, e);
	evtimer_assign(&e->beat_timer, sim->net.base, beat, e);
}

/* Whoever computed in the step under way ends with it. */
static void finish_step(struct sl_sim_engine *e)
{
	evtimer_del(&e->step_timer);
	if (!e->batch.stepping)
		return;
	sl_sim_batch_end(&e->batch, sl_sim_now_us());
	for (uint32_t i = 0; i < e->batch.n_step; i++) {
		struct sl_sim_seq *seq = e->batch.step[i];

		if (!seq->owner && seq->state == SL_SIM_SEQ_ENDED)
			sl_sim_seq_free(seq);
	}
}

void sl_sim_engine_halt(struct sl_sim_engine *e)
{
	finish_step(e);
	sl_sim_handoff_expire(&e->handoffs, e->kv, UINT64_MAX);
	evtimer_del(&e->lease_timer);
	evtimer_del(&e->beat_timer);
}

void sl_sim_engine_renew(struct sl_sim_engine *e)
{
	struct sl_sim_batch_limits limits = e->batch.limits;

	sl_sim_kv_forget(e->kv);
	sl_sim_batch_fini(&e->batch);
	sl_sim_batch_init(&e->batch, &limits, e->kv);
	sl_sim_adapters_init(&e->adapters, e->adapters.slots);
	make_id(&e->sim->rng, e->id, sizeof(e->id));
	memset(&e->handoffs, 0, sizeof(e->handoffs));
	memset(&e->metrics, 0, sizeof(e->metrics));
	e->metrics.created_s = (double)sl_sim_unix_s();
	e->last_peer[0] = 0;
	e->drained_steps = 0;
	e->dead = e->stopping = false;
	sl_sim_faults_init(&e->faults);
}

void sl_sim_engine_fini(struct sl_sim_engine *e)
{
	sl_sim_batch_fini(&e->batch);
	sl_sim_kv_free(e->kv);
	for (size_t i = 0; i < SL_SIM_MAX_PAGES; i++)
		sl_sim_buf_fini(&e->kept[i]);
	sl_sim_buf_fini(&e->last_head);
	sl_sim_buf_fini(&e->last_body);
}

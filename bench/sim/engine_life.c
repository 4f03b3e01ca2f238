/* engine_life.c: see engine_life.h. */
#include "bench/sim/engine_life.h"

#include "bench/sim/gen_say.h"

/* ---- listening ------------------------------------------------------- */

static void on_accepted(int fd, void *arg)
{
	struct sl_sim_engine *e = arg;

	e->tally.connections++;
	sl_sim_conn_new(&e->conns, fd);
}

static void on_metrics_accepted(int fd, void *arg)
{
	struct sl_sim_engine *e = arg;

	sl_sim_conn_new(&e->metrics_conns, fd);
}

/* The port for its page, if its dialect has one. */
static int listen_for_metrics(struct sl_sim_engine *e)
{
	struct sl_sim_address address = e->sim->opt.listen;

	address.port = (uint16_t)(e->port + e->sim->opt.metrics_offset);
	if (!e->has_metrics_port || e->metrics_listener.fd >= 0)
		return 0;
	return sl_sim_listener_open(&e->metrics_listener, e->sim->net.base, &address,
	                            on_metrics_accepted, e);
}

int sl_sim_engine_listen(struct sl_sim_engine *e)
{
	struct sl_sim_address address = e->sim->opt.listen;
	bool wanted =
	        !e->dead && !e->faults.refuse && (!e->stopping || e->stop == SL_SIM_STOP_DRAIN);

	address.port = e->port;
	if (!wanted) {
		sl_sim_listener_close(&e->listener);
		sl_sim_listener_close(&e->metrics_listener);
		return 0;
	}
	if (listen_for_metrics(e) != 0)
		return -1;
	if (e->listener.fd >= 0)
		return 0;
	return sl_sim_listener_open(&e->listener, e->sim->net.base, &address, on_accepted, e);
}

/* ---- clients --------------------------------------------------------- */

/* Closing one connection may let others go on, and end: nothing is known of
 * the list afterwards but its start. */
static struct sl_sim_conn *find_conn(struct sl_sim_engine *e, const struct sl_sim_conn *but,
                                     bool (*is_it)(const struct sl_sim_conn *conn))
{
	struct sl_sim_conn *conn = e->conns.first;

	while (conn && (conn == but || !is_it(conn)))
		conn = conn->next;
	return conn;
}

static bool any(const struct sl_sim_conn *conn)
{
	return conn->state != SL_SIM_CONN_DEAD;
}

static bool is_generating(const struct sl_sim_conn *conn)
{
	return conn->job != NULL;
}

static bool is_talking(const struct sl_sim_conn *conn)
{
	const struct sl_sim_gen *gen = conn->job;

	return gen && !gen->silent && gen->n_open;
}

static bool is_idle(const struct sl_sim_conn *conn)
{
	return conn->state == SL_SIM_CONN_HEAD;
}

static bool is_open(const struct sl_sim_conn *conn)
{
	return conn->state != SL_SIM_CONN_CLOSING;
}

static void close_conns(struct sl_sim_engine *e, const struct sl_sim_conn *but, bool reset)
{
	struct sl_sim_conn *conn;

	while ((conn = find_conn(e, but, any)))
		sl_sim_conn_close(conn, reset);
	while (e->metrics_conns.first)
		sl_sim_conn_close(e->metrics_conns.first, reset);
}

/* ---- ends and beginnings --------------------------------------------- */

/* Ends all work, without a word. */
static void clear(struct sl_sim_engine *e, const struct sl_sim_conn *but, bool reset)
{
	e->dead = true; /* nothing new begins meanwhile */
	close_conns(e, but, reset);
	sl_sim_engine_halt(e);
}

void sl_sim_engine_close(struct sl_sim_engine *e)
{
	sl_sim_listener_close(&e->listener);
	sl_sim_listener_close(&e->metrics_listener);
	clear(e, NULL, false);
}

void sl_sim_engine_die(struct sl_sim_engine *e)
{
	struct sl_sim_conn *conn;

	e->dead = true;
	sl_sim_engine_listen(e);
	while ((conn = find_conn(e, NULL, is_generating)))
		sl_sim_gen_fail(conn->job, SL_SIM_INTERNAL_ERROR);
	while ((conn = find_conn(e, NULL, is_open)))
		sl_sim_conn_finish(conn);
	while (e->metrics_conns.first)
		sl_sim_conn_close(e->metrics_conns.first, false);
}

void sl_sim_engine_restart(struct sl_sim_engine *e, const struct sl_sim_conn *asking)
{
	clear(e, asking, true);
	sl_sim_engine_renew(e);
	e->conns.closing = e->sim->stopping;
	sl_sim_engine_listen(e);
}

static struct sl_sim_conn *find_held(const struct sl_sim_conn_list *list, bool released)
{
	struct sl_sim_conn *conn = list->first;

	while (conn &&
	       !(conn->state == SL_SIM_CONN_BUSY && (released ? conn->released : conn->held)))
		conn = conn->next;
	return conn;
}

/* What a fault held up is asked once more, and held up again if there is still
 * a reason. */
static void ask_again(struct sl_sim_conn_list *list)
{
	struct sl_sim_conn *conn;

	while ((conn = find_held(list, false))) {
		conn->held = false;
		conn->released = true;
	}
	while ((conn = find_held(list, true))) {
		conn->released = false;
		list->ops->request(conn);
	}
}

void sl_sim_engine_heed_faults(struct sl_sim_engine *e)
{
	sl_sim_engine_listen(e);
	sl_sim_engine_kick(e);
	ask_again(&e->conns);
	ask_again(&e->metrics_conns);
}

bool sl_sim_engine_stopped(const struct sl_sim_engine *e)
{
	return e->stop == SL_SIM_STOP_EXIT || e->conns.n == 0;
}

static void silence(struct sl_sim_conn *conn)
{
	struct sl_sim_gen *gen = conn->job;

	gen->silent = true;
}

void sl_sim_engine_stop(struct sl_sim_engine *e, enum sl_sim_stop how,
                        const struct sl_sim_conn *asking)
{
	struct sl_sim_conn *conn;

	e->stopping = true;
	e->stop = how;
	e->conns.closing = true;
	sl_sim_engine_listen(e);
	if (how == SL_SIM_STOP_EXIT)
		close_conns(e, asking, false);
	while ((conn = find_conn(e, asking, is_idle)))
		sl_sim_conn_close(conn, false);
	while (how == SL_SIM_STOP_ABORT && (conn = find_conn(e, asking, is_talking)))
		sl_sim_gen_cut(conn->job);
	while (how == SL_SIM_STOP_STALL && (conn = find_conn(e, asking, is_talking)))
		silence(conn);
}

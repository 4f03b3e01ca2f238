/* server.c: `sluice-bench engine`: the process: its engines, its admin port,
 * its signals. Here alone it is said who is told of what. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>

#include "bench/bench.h"
#include "bench/sim/api.h"
#include "bench/sim/dialect.h"
#include "bench/sim/engine_life.h"
#include "bench/sim/exporter.h"
#include "bench/sim/gen_step.h"
#include "bench/sim/peer.h"

struct server {
	struct sl_sim sim;
	struct sl_sim_listener admin;
	struct sl_sim_exporter exporter;
	struct sl_sim_conn_list admin_conns;
	struct event stop_signals[2], stop_timer;
};

/* ---- stopping -------------------------------------------------------- */

static void end_if_stopped(struct sl_sim *sim)
{
	for (uint32_t i = 0; i < sim->opt.count; i++)
		if (!sl_sim_engine_stopped(&sim->engines[i]))
			return;
	event_base_loopbreak(sim->net.base);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct server *server = arg;
	struct timeval again = sl_sim_timeval(20000);

	(void)fd;
	(void)what;
	end_if_stopped(&server->sim);
	evtimer_add(&server->stop_timer, &again);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct server *server = arg;
	struct sl_sim *sim = &server->sim;

	(void)number;
	(void)what;
	if (sim->stopping) {
		event_base_loopbreak(sim->net.base);
		return;
	}
	sim->stopping = server->admin_conns.closing = true;
	for (uint32_t i = 0; i < sim->opt.count; i++) {
		struct sl_sim_engine *e = &sim->engines[i];

		sl_sim_engine_stop(
		        e, e->faults.silent_on_stop ? SL_SIM_STOP_STALL : sim->opt.on_stop, NULL);
	}
	on_stop_timer(-1, 0, server);
}

/* ---- the process ----------------------------------------------------- */

static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static struct event_base *precise_base(void)
{
	struct event_config *config = event_config_new();
	struct event_base *base;

	if (!config)
		return NULL;
	/* Steps are fractions of a millisecond at --speed 10. */
	event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER | EVENT_BASE_FLAG_NOLOCK);
	base = event_base_new_with_config(config);
	event_config_free(config);
	return base;
}

static void init_sim(struct sl_sim *sim)
{
	const struct sl_sim_dialect *dialect = sl_sim_dialect(sim->opt.dialect);
	struct event_base *base = precise_base();

	sim->engines = calloc(sim->opt.count, sizeof(*sim->engines));
	if (!base || !sim->engines)
		abort();
	sl_sim_net_init(&sim->net, base);
	sim->net.keep_alive_us = sim->opt.keep_alive_us;
	sim->net.api_key = sim->opt.api_key;
	if (getrandom(&sim->rng.state, sizeof(sim->rng.state), 0) < 0 || !sim->rng.state)
		sim->rng.state = sl_sim_now_us() | 1;
	snprintf(sim->fingerprint, sizeof(sim->fingerprint), "vllm-0.32.0-%08x",
	         (unsigned)XXH32(sim->opt.models[0], strlen(sim->opt.models[0]), 0));
	for (uint32_t i = 0; i < sim->opt.count; i++) {
		struct sl_sim_engine *e = &sim->engines[i];

		sl_sim_engine_init(e, sim, i);
		e->ops = &sl_sim_gen_steps;
		e->conns = (struct sl_sim_conn_list){ &sim->net, &sl_sim_api_ops, .owner = e,
			                              .fields = dialect->fields };
		e->metrics_conns = e->conns;
		e->has_metrics_port = dialect->metrics_port;
	}
}

static void init(struct server *server)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct sl_sim *sim = &server->sim;

	init_sim(sim);
	server->admin.fd = -1;
	server->admin_conns =
	        (struct sl_sim_conn_list){ &sim->net, &sl_sim_api_admin_ops, .owner = sim };
	evtimer_assign(&server->stop_timer, sim->net.base, on_stop_timer, server);
	for (size_t i = 0; i < SL_COUNT(numbers); i++) {
		evsignal_assign(&server->stop_signals[i], sim->net.base, numbers[i], on_signal,
		                server);
		event_add(&server->stop_signals[i], NULL);
	}
}

static void on_admin(int fd, void *arg)
{
	sl_sim_conn_new(arg, fd);
}

static bool complain(const char *what, const struct sl_sim_address *address, unsigned port)
{
	fprintf(stderr, "sluice-bench engine: %s%s:%u: %s\n", what, address->host, port,
	        strerror(errno));
	return false;
}

/* All of them, or a complaint. */
static bool listen_all(struct server *server)
{
	struct sl_sim *sim = &server->sim;
	const struct sl_sim_options *opt = &sim->opt;

	for (uint32_t i = 0; i < opt->count; i++)
		if (sl_sim_engine_listen(&sim->engines[i]) != 0)
			return complain("", &opt->listen, sim->engines[i].port);
	if (opt->admin.port && sl_sim_listener_open(&server->admin, sim->net.base, &opt->admin,
	                                            on_admin, &server->admin_conns) != 0)
		return complain("admin ", &opt->admin, opt->admin.port);
	if (!opt->gpu_exporter.port)
		return true;
	sim->exporter = &server->exporter;
	if (sl_sim_exporter_init(sim->exporter, sim) != 0)
		return complain("GPU exporter ", &opt->gpu_exporter, opt->gpu_exporter.port);
	return true;
}

static void fini(struct server *server)
{
	struct sl_sim *sim = &server->sim;
	struct event_base *base = sim->net.base;

	sl_sim_listener_close(&server->admin);
	if (sim->exporter)
		sl_sim_exporter_fini(sim->exporter);
	while (server->admin_conns.first)
		sl_sim_conn_close(server->admin_conns.first, false);
	for (uint32_t i = 0; i < sim->opt.count; i++) {
		sl_sim_engine_close(&sim->engines[i]);
		sl_sim_engine_fini(&sim->engines[i]);
	}
	sl_sim_peer_fini(sim);
	sl_sim_net_fini(&sim->net);
	for (size_t i = 0; i < SL_COUNT(server->stop_signals); i++)
		event_del(&server->stop_signals[i]);
	event_del(&server->stop_timer);
	for (size_t i = 0; i < SL_COUNT(sim->fast); i++)
		sl_sim_fast_fini(&sim->fast[i]);
	for (size_t i = 0; i < SL_COUNT(sim->templates); i++)
		sl_sim_template_fini(&sim->templates[i]);
	sl_sim_buf_fini(&sim->filler);
	sl_sim_buf_fini(&sim->scratch);
	free(sim->engines);
	event_base_free(base);
}

static void say_ready(const struct sl_sim_options *opt)
{
	if (opt->count > 1)
		printf("ready %s:%u-%u\n", opt->listen.host, opt->listen.port,
		       opt->listen.port + opt->count - 1);
	else
		printf("ready %s:%u\n", opt->listen.host, opt->listen.port);
	fflush(stdout);
}

int sl_bench_engine(int argc, char **argv)
{
	static struct server server;
	const struct sl_sim_options *opt = &server.sim.opt;
	bool run, ok;
	int status = sl_sim_options_read(&server.sim.opt, argc, argv, &run);

	if (!run)
		return status;
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	init(&server);
	ok = listen_all(&server);
	if (ok) {
		say_ready(opt);
		event_base_dispatch(server.sim.net.base);
	}
	fini(&server);
	return ok ? 0 : 1;
}

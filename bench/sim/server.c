/* server.c: `sluice-bench engine`: listening, time, signals, the process. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/sim/pull.h"

/* ---- time ------------------------------------------------------------ */

uint64_t sl_sim_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int64_t sl_sim_unix_s(void)
{
	return (int64_t)time(NULL);
}

const char *sl_sim_date(struct sl_sim *sim)
{
	time_t now = time(NULL);
	struct tm tm;

	if ((int64_t)now != sim->date_s) {
		sim->date_s = (int64_t)now;
		gmtime_r(&now, &tm);
		strftime(sim->date, sizeof(sim->date), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return sim->date;
}

struct timeval sl_sim_timeval(uint64_t us)
{
	return (struct timeval){ .tv_sec = (time_t)(us / 1000000u),
		                 .tv_usec = (suseconds_t)(us % 1000000u) };
}

/* ---- listening ------------------------------------------------------- */

int sl_sim_listen(struct sl_sim *sim, struct sl_sim_listener *l,
                  const struct sl_sim_address *address, event_callback_fn accepted, void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(address->port) };
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, address->host, &sa.sin_addr) != 1 ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 2048) < 0) {
		close(fd);
		return -1;
	}
	l->fd = fd;
	event_assign(&l->event, sim->base, fd, EV_READ | EV_PERSIST, accepted, arg);
	event_add(&l->event, NULL);
	return 0;
}

void sl_sim_listener_close(struct sl_sim_listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->event);
	close(l->fd);
	l->fd = -1;
}

void sl_sim_accept(int fd, void (*make)(int fd, void *arg), void *arg)
{
	int on = 1;

	for (int i = 0; i < 64; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0)
			return;
		(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		make(client, arg);
	}
}

/* ---- the process ----------------------------------------------------- */

static void make_admin_conn(int fd, void *arg)
{
	sl_sim_conn_new(arg, NULL, fd);
}

static void on_admin(evutil_socket_t fd, short what, void *arg)
{
	(void)what;
	sl_sim_accept(fd, make_admin_conn, arg);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_sim_conn_sweep(arg);
}

static void end_if_stopped(struct sl_sim *sim)
{
	for (uint32_t i = 0; i < sim->opt.count; i++)
		if (!sl_sim_engine_stopped(&sim->engines[i]))
			return;
	event_base_loopbreak(sim->base);
}

static void on_stop_timer(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim *sim = arg;
	struct timeval again = sl_sim_timeval(20000);

	(void)fd;
	(void)what;
	end_if_stopped(sim);
	evtimer_add(&sim->stop_timer, &again);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct sl_sim *sim = arg;

	(void)number;
	(void)what;
	if (sim->stopping) {
		event_base_loopbreak(sim->base);
		return;
	}
	sim->stopping = true;
	for (uint32_t i = 0; i < sim->opt.count; i++) {
		struct sl_sim_engine *e = &sim->engines[i];

		sl_sim_engine_stop(
		        e, e->faults.silent_on_stop ? SL_SIM_STOP_STALL : sim->opt.on_stop, NULL);
	}
	on_stop_timer(-1, 0, sim);
}

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

static bool start(struct sl_sim *sim)
{
	static const int numbers[] = { SIGTERM, SIGINT };

	sim->base = precise_base();
	sim->engines = calloc(sim->opt.count, sizeof(*sim->engines));
	if (!sim->base || !sim->engines)
		abort();
	sim->admin.fd = -1;
	sim->started_us = sl_sim_now_us();
	if (getrandom(&sim->rng.state, sizeof(sim->rng.state), 0) < 0 || !sim->rng.state)
		sim->rng.state = sim->started_us | 1;
	snprintf(sim->fingerprint, sizeof(sim->fingerprint), "vllm-0.32.0-%08x",
	         (unsigned)XXH32(sim->opt.models[0], strlen(sim->opt.models[0]), 0));
	event_assign(&sim->sweep, sim->base, -1, 0, on_sweep, sim);
	evtimer_assign(&sim->stop_timer, sim->base, on_stop_timer, sim);
	for (size_t i = 0; i < SL_COUNT(numbers); i++) {
		evsignal_assign(&sim->stop_signals[i], sim->base, numbers[i], on_signal, sim);
		event_add(&sim->stop_signals[i], NULL);
	}
	for (uint32_t i = 0; i < sim->opt.count; i++)
		sl_sim_engine_init(&sim->engines[i], sim, i);
	for (uint32_t i = 0; i < sim->opt.count; i++) {
		if (sl_sim_engine_listen(&sim->engines[i]) != 0) {
			fprintf(stderr, "sluice-bench engine: %s:%u: %s\n", sim->opt.listen.host,
			        sim->engines[i].port, strerror(errno));
			return false;
		}
	}
	if (sim->opt.admin.port &&
	    sl_sim_listen(sim, &sim->admin, &sim->opt.admin, on_admin, sim) != 0) {
		fprintf(stderr, "sluice-bench engine: admin %s:%u: %s\n", sim->opt.admin.host,
		        sim->opt.admin.port, strerror(errno));
		return false;
	}
	return true;
}

static void fini(struct sl_sim *sim)
{
	sl_sim_listener_close(&sim->admin);
	while (sim->admin_conns.first)
		sl_sim_conn_close(sim->admin_conns.first, false);
	for (uint32_t i = 0; i < sim->opt.count; i++)
		if (sim->engines[i].sim)
			sl_sim_engine_fini(&sim->engines[i]);
	sl_sim_pull_fini(sim);
	sl_sim_conn_sweep(sim);
	for (size_t i = 0; i < SL_COUNT(sim->stop_signals); i++)
		event_del(&sim->stop_signals[i]);
	event_del(&sim->stop_timer);
	event_del(&sim->sweep);
	for (size_t i = 0; i < SL_COUNT(sim->fast); i++) {
		sl_sim_buf_fini(&sim->fast[i].whole);
		sl_sim_buf_fini(&sim->fast[i].prefill);
		sl_sim_buf_fini(&sim->fast[i].stream);
	}
	free(sim->engines);
	event_base_free(sim->base);
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
	static struct sl_sim sim;
	bool run, ok;
	int status = sl_sim_options_read(&sim.opt, argc, argv, &run);

	if (!run)
		return status;
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	ok = start(&sim);
	if (ok) {
		say_ready(&sim.opt);
		event_base_dispatch(sim.base);
	}
	fini(&sim);
	return ok ? 0 : 1;
}

/* main.c: `sluice-bench kubernetes`: the process: its port, its first pods,
 * its signals. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench/bench.h"
#include "bench/cli/cli.h"
#include "bench/kube/churn.h"
#include "bench/kube/kube.h"
#include "bench/kube/template.h"
#include "bench/kube/watch.h"

#define KEEP_ALIVE_US 180000000

/* ---- what the parts share -------------------------------------------- */

void sl_kapi_changed(struct sl_kapi *kube)
{
	kube->changes++;
	event_active(&kube->wake, EV_TIMEOUT, 0);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	sl_kapi_watch_pump_all(arg);
}

void sl_kapi_time_text(char out[24])
{
	time_t now = (time_t)sl_sim_unix_s();
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void sl_kapi_uuid(struct sl_kapi *kube, char out[40])
{
	unsigned long long a = sl_rng_next(&kube->rng), b = sl_rng_next(&kube->rng);

	snprintf(out, 40, "%08llx-%04llx-4%03llx-a%03llx-%012llx", a & 0xffffffff, a >> 48,
	         a >> 32 & 0xfff, b & 0xfff, b >> 16);
}

/* ---- the port -------------------------------------------------------- */

static void on_accept(int fd, void *arg)
{
	sl_sim_conn_new(arg, fd);
}

static void on_request(struct sl_sim_conn *conn)
{
	sl_kapi_api_serve(conn->list->owner, conn);
}

bool sl_kapi_open_port(struct sl_kapi *kube)
{
	if (sl_sim_listener_open(&kube->listener, kube->net.base, &kube->opt.listen, on_accept,
	                         &kube->conns) == 0)
		return true;
	fprintf(stderr, "sluice-bench kubernetes: %s:%u: %s\n", kube->opt.listen.host,
	        kube->opt.listen.port, strerror(errno));
	return false;
}

void sl_kapi_close_port(struct sl_kapi *kube)
{
	sl_sim_listener_close(&kube->listener);
	while (kube->conns.first)
		sl_sim_conn_close(kube->conns.first, false);
}

static void on_restart(evutil_socket_t fd, short what, void *arg)
{
	struct sl_kapi *kube = arg;
	struct timeval down = sl_sim_timeval(kube->down_us);

	(void)fd;
	(void)what;
	sl_kapi_close_port(kube);
	event_add(&kube->back, &down);
}

static void on_back(evutil_socket_t fd, short what, void *arg)
{
	struct timeval again = sl_sim_timeval(100000);
	struct sl_kapi *kube = arg;

	(void)fd;
	(void)what;
	if (!sl_kapi_open_port(kube))
		event_add(&kube->back, &again);
}

/* ---- the process ----------------------------------------------------- */

static const struct sl_sim_conn_ops ops = {
	.request = on_request,
	.drained = sl_kapi_watch_drained,
	.left = sl_kapi_watch_left,
};

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	(void)number;
	(void)what;
	event_base_loopbreak(arg);
}

static void make_pods(struct sl_kapi *kube)
{
	for (uint32_t i = 0; i < kube->opt.pods; i++) {
		cJSON *pod = sl_kapi_template_pod(kube);

		sl_kapi_store_put(&kube->store, SL_KAPI_PODS, pod);
		cJSON_Delete(pod);
	}
	sl_kapi_store_compact(&kube->store);
}

static void init(struct sl_kapi *kube)
{
	struct event_base *base = event_base_new();

	if (!base)
		abort();
	kube->rng.state = kube->opt.seed;
	kube->faults.verb = SL_KAPI_NO_VERB;
	kube->listener.fd = -1;
	sl_sim_net_init(&kube->net, base);
	kube->net.keep_alive_us = KEEP_ALIVE_US;
	kube->conns = (struct sl_sim_conn_list){ &kube->net, &ops, .owner = kube };
	sl_kapi_store_init(&kube->store, kube->opt.history, kube->opt.resource_version);
	event_assign(&kube->wake, base, -1, 0, on_wake, kube);
	evtimer_assign(&kube->restart, base, on_restart, kube);
	evtimer_assign(&kube->back, base, on_back, kube);
	sl_kapi_churn_init(kube);
	make_pods(kube);
}

static void fini(struct sl_kapi *kube)
{
	sl_kapi_churn_fini(kube);
	sl_kapi_close_port(kube);
	event_del(&kube->wake);
	event_del(&kube->restart);
	event_del(&kube->back);
	sl_sim_net_fini(&kube->net);
	sl_kapi_store_fini(&kube->store);
	event_base_free(kube->net.base);
}

static void serve(struct sl_kapi *kube)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	struct event signals[SL_COUNT(numbers)];

	for (size_t i = 0; i < SL_COUNT(numbers); i++) {
		evsignal_assign(&signals[i], kube->net.base, numbers[i], on_signal, kube->net.base);
		event_add(&signals[i], NULL);
	}
	printf("ready %s:%u\n", kube->opt.listen.host, kube->opt.listen.port);
	fflush(stdout);
	event_base_dispatch(kube->net.base);
	for (size_t i = 0; i < SL_COUNT(numbers); i++)
		event_del(&signals[i]);
}

int sl_bench_kubernetes(int argc, char **argv)
{
	static struct sl_kapi kube;
	int status = sl_kapi_options_read(&kube.opt, argc, argv);
	bool ok;

	if (status != CLI_RUN)
		return status;
	signal(SIGPIPE, SIG_IGN);
	init(&kube);
	ok = sl_kapi_open_port(&kube);
	if (ok)
		serve(&kube);
	fini(&kube);
	return ok ? 0 : 1;
}

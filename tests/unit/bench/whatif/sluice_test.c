/* The production router inside a what-if run: its books close, it uses what it
 * learns, and replicas learn of each other what a message carries. */
/* First, as cmocka has a macro `fail`; the source, to look inside. */
#include "bench/whatif/sluice.c"

#include "world_random.h"

#define SEEDS 60u

static const struct policy ours = { .name = POLICY_OURS,
	                            .ops = &sluice_balancer_ops,
	                            .scrape_us = 1000000 };

/* ---- books ---------------------------------------------------------------------- */

static void check_books(struct balancer *b)
{
	struct sl_load load;

	for (uint32_t i = 0; i < b->setup.fleet->n; i++) {
		assert_true(sl_router_own_load(b->router, i, ledger.now_us, &load));
		assert_int_equal(load.inflight, 0);
		assert_int_equal(load.prefilling, 0);
		assert_int_equal(load.seqs, 0);
		assert_int_equal(load.queue_us, 0);
		assert_int_equal(load.context_tokens, 0);
	}
}

static void test_nothing_is_left(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= SEEDS; seed++)
		ledger_run(seed, &ours, check_books);
}

/* ---- one gateway, by hand ---------------------------------------------------------- */

struct pair {
	struct workload workload;
	struct fleet fleet;
	struct balancer *gateways[2];
};

static void pair_init(struct pair *p, uint64_t staleness_us, uint32_t replicas)
{
	static const struct row rows[] = { { 0, 4096, 10, 3, 0 },
		                           { 1, 4096, 10, 3, 0 },
		                           { 2, 4096, 10, 0, 0 },
		                           { 3, 4096, 10, 0, 0 } };

	rows_workload(rows, SL_COUNT(rows), &p->workload);
	round_fleet(&p->fleet, 0, 0, 2);
	for (uint32_t i = 0; i < 2; i++) {
		struct balancer_setup setup = { .workload = &p->workload,
			                        .fleet = &p->fleet,
			                        .seed = 5 + i,
			                        .replica = i,
			                        .replicas = replicas,
			                        .staleness_us = staleness_us };

		p->gateways[i] = sluice_balancer_ops.make(NULL, &setup);
	}
}

static void pair_fini(struct pair *p)
{
	for (uint32_t i = 0; i < 2; i++)
		sluice_balancer_ops.free(p->gateways[i]);
	fleet_fini(&p->fleet);
	workload_fini(&p->workload);
}

/* Places it and says so; what the others are told, to be freed. */
static struct message *send(struct balancer *b, uint32_t request,
                            struct balancer_choice *out_choice, uint64_t now_us)
{
	struct balancer_news news = { .event = BALANCER_DISPATCHED, .request = request };

	assert_true(place(b, request, NULL, 0, now_us, out_choice));
	news.choice = *out_choice;
	return news_of(b, &news, now_us);
}

static struct message *tell(struct balancer *b, enum balancer_event event, uint32_t request,
                            struct balancer_choice choice, uint64_t now_us)
{
	struct balancer_news news = {
		.event = event, .request = request, .choice = choice, .engine = choice.decode
	};

	return news_of(b, &news, now_us);
}

static void test_alone_says_nothing(void **state)
{
	struct balancer_choice c;
	struct pair p;

	(void)state;
	pair_init(&p, 0, 1);
	assert_null(send(p.gateways[0], 0, &c, 10));
	assert_null(tell(p.gateways[0], BALANCER_FIRST_TOKEN, 0, c, 20));
	assert_null(tell(p.gateways[0], BALANCER_FINISHED, 0, c, 30));
	pair_fini(&p);
}

/* Once its first prompt is done there, the same one goes there again; one that
 * shares nothing goes elsewhere while that is busy. */
static void test_follows_the_prefix(void **state)
{
	struct balancer_choice first, again, other;
	struct pair p;

	(void)state;
	pair_init(&p, 0, 1);
	send(p.gateways[0], 0, &first, 10);
	tell(p.gateways[0], BALANCER_FIRST_TOKEN, 0, first, 100000);
	tell(p.gateways[0], BALANCER_FINISHED, 0, first, 200000);
	send(p.gateways[0], 1, &again, 300000);
	assert_int_equal(again.decode, first.decode);
	send(p.gateways[0], 2, &other, 300001);
	assert_int_equal(other.decode, !first.decode);
	tell(p.gateways[0], BALANCER_FAILED, 1, again, 300002);
	tell(p.gateways[0], BALANCER_FAILED, 2, other, 300003);
	check_books(p.gateways[0]);
	pair_fini(&p);
}

static void test_avoids(void **state)
{
	struct balancer_choice c;
	struct pair p;

	(void)state;
	pair_init(&p, 0, 1);
	for (uint32_t avoid = 0; avoid < 2; avoid++) {
		assert_true(place(p.gateways[0], 0, &avoid, 1, 10, &c));
		assert_int_equal(c.decode, !avoid);
	}
	assert_false(place(p.gateways[0], 0, (uint32_t[]){ 0, 1 }, 2, 10, &c));
	health(p.gateways[0], 0, false, 20);
	assert_true(place(p.gateways[0], 0, NULL, 0, 30, &c));
	assert_int_equal(c.decode, 1);
	health(p.gateways[0], 1, false, 40);
	assert_false(place(p.gateways[0], 0, NULL, 0, 50, &c));
	health(p.gateways[0], 0, true, 60);
	assert_true(place(p.gateways[0], 0, NULL, 0, 70, &c));
	assert_int_equal(c.decode, 0);
	pair_fini(&p);
}

/* ---- two gateways ------------------------------------------------------------------ */

static void test_message(void **state)
{
	struct balancer_choice c;
	struct message *m;
	struct pair p;

	(void)state;
	pair_init(&p, 5000, 2);
	m = send(p.gateways[0], 0, &c, 10);
	assert_non_null(m);
	assert_int_equal(m->n_loads, 1);
	assert_int_equal(m->loads[0].engine, c.decode);
	assert_int_equal(m->loads[0].load.inflight, 1);
	assert_true(m->loads[0].load.queue_us > 0);
	assert_int_equal(m->n_runs, 1);
	assert_int_equal(m->runs[0].ep, c.decode);
	assert_int_equal(m->n_hashes, p.workload.requests[0].n_blocks);
	free(m);
	m = tell(p.gateways[0], BALANCER_FIRST_TOKEN, 0, c, 1000);
	assert_int_equal(m->n_hashes, 0); /* they were told of */
	free(m);
	m = tell(p.gateways[0], BALANCER_FINISHED, 0, c, 2000);
	assert_int_equal(m->n_loads, 1);
	assert_int_equal(m->loads[0].load.inflight, 0);
	free(m);
	m = send(p.gateways[0], 1, &c, 3000); /* the same prompt: nothing new */
	assert_int_equal(m->n_hashes, 0);
	free(m);
	pair_fini(&p);
}

/* What the first has placed makes the second go elsewhere, and a prefix that
 * the first has put somewhere draws the second there. */
static void test_hears(void **state)
{
	struct balancer_choice first, other, again;
	struct message *m;
	struct pair p;

	(void)state;
	pair_init(&p, 5000, 2);
	m = send(p.gateways[0], 0, &first, 10);
	hear(p.gateways[1], 0, m, 5010);
	free(m);
	free(send(p.gateways[1], 2, &other, 5020));
	assert_int_equal(other.decode, !first.decode);
	free(tell(p.gateways[1], BALANCER_FINISHED, 2, other, 400000));
	m = tell(p.gateways[0], BALANCER_FINISHED, 0, first, 400000);
	hear(p.gateways[1], 0, m, 405000);
	free(m);
	free(send(p.gateways[1], 1, &again, 500000));
	assert_int_equal(again.decode, first.decode);
	pair_fini(&p);
}

/* The router is told how old what it knows of others may be. */
static void test_staleness(void **state)
{
	struct balancer_choice c;
	struct pair p;

	(void)state;
	pair_init(&p, 5000, 2);
	assert_true(place(p.gateways[0], 0, NULL, 0, 1000000, &c));
	assert_int_equal(p.gateways[0]->query.staleness_us, 5000);
	pair_fini(&p);
	pair_init(&p, UINT64_MAX, 2);
	assert_true(place(p.gateways[0], 0, NULL, 0, 1000000, &c));
	assert_int_equal(p.gateways[0]->query.staleness_us, 1000000 + STALE_US);
	pair_fini(&p);
}

static void test_options_are_used(void **state)
{
	struct sl_router_options opt;
	struct policy other = ours;
	uint32_t differ = 0;

	(void)state;
	sl_router_options_default(&opt);
	opt.policy = SL_POLICY_ROUND_ROBIN;
	other.kind = &opt;
	for (uint64_t seed = 1; seed <= 10; seed++)
		differ += ledger_run(seed, &other, check_books) !=
		          ledger_run(seed, &ours, check_books);
	assert_true(differ > 5); /* some worlds leave no choice */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_is_left),
		cmocka_unit_test(test_alone_says_nothing),
		cmocka_unit_test(test_follows_the_prefix),
		cmocka_unit_test(test_avoids),
		cmocka_unit_test(test_message),
		cmocka_unit_test(test_hears),
		cmocka_unit_test(test_options_are_used),
		cmocka_unit_test(test_staleness),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* ledger_test.c: sums that return to exactly nothing, and what time alone
 * tells about open prefills. */
#include "routing/ledger.h"
#include "tests/unit/routing/route_help.h"

static struct sl_ticket ticket(double prefill_ms, bool streamed)
{
	return (struct sl_ticket){ .placement = SL_PLACE_AGGREGATED,
		                   .prefill_ms = prefill_ms,
		                   .prompt_tokens = 1000.3,
		                   .output_tokens = 100.7,
		                   .seqs = 1,
		                   .streamed = streamed };
}

static void charges_and_returns(void **state)
{
	struct ledger l = { 0 };
	struct sl_ticket t = ticket(12.5, true);

	(void)state;
	t.seqs = 3;
	ledger_enter(&l, 0);
	ledger_open_prefill(&l, &t, 0);
	ledger_open_decode(&l, &t);
	assert_true(t.prefill_open);
	assert_int_equal(l.queue_us, 12500);
	assert_int_equal(l.context_tokens, 1151);
	assert_int_equal(l.seqs, 3);
	assert_int_equal(l.inflight, 1);
	assert_int_equal(l.prefilling, 1);
	ledger_close_prefill(&l, &t, 5);
	assert_false(t.prefill_open);
	assert_int_equal(l.queue_us, 0);
	assert_int_equal(l.prefilling, 0);
	ledger_close_decode(&l, &t);
	ledger_leave(&l, 5);
	assert_int_equal(l.context_tokens, 0);
	assert_int_equal(l.seqs, 0);
	assert_int_equal(l.inflight, 0);
}

/* The queue shrinks while its first prefill runs, by no more than that. */
static void the_first_prefill_makes_progress(void **state)
{
	struct ledger l = { 0 };
	struct sl_ticket a = ticket(100, true), b = ticket(50, true);

	(void)state;
	ledger_open_prefill(&l, &a, 1000000);
	ledger_open_prefill(&l, &b, 1010000);
	assert_near(ledger_queue_ms(&l, 1000000), 150, 1e-3);
	assert_near(ledger_queue_ms(&l, 1040000), 110, 1e-3);
	assert_near(ledger_queue_ms(&l, 1900000), 50, 1e-3);
	assert_near(ledger_queue_ms(&l, 999999), 150, 1e-3); /* a clock of another caller */
	ledger_close_prefill(&l, &a, 1120000);
	assert_near(ledger_queue_ms(&l, 1120000), 50, 1e-3);
	assert_near(ledger_queue_ms(&l, 1150000), 20, 1e-3);
	ledger_close_prefill(&l, &b, 1200000);
	assert_near(ledger_queue_ms(&l, 1200000), 0, 0);
}

/* The engine may finish them in another order. */
static void the_middle_may_close_first(void **state)
{
	struct ledger l = { 0 };
	struct sl_ticket t[3] = { ticket(10, true), ticket(20, true), ticket(30, true) };

	(void)state;
	for (int i = 0; i < 3; i++)
		ledger_open_prefill(&l, &t[i], 0);
	ledger_close_prefill(&l, &t[1], 5000);
	assert_ptr_equal(l.first, &t[0]);
	assert_near(ledger_queue_ms(&l, 5000), 35, 1e-3); /* t[0] goes on running */
	ledger_close_prefill(&l, &t[2], 6000);
	assert_ptr_equal(l.last, &t[0]);
	ledger_close_prefill(&l, &t[0], 9000);
	assert_null(l.first);
	assert_null(l.last);
	assert_int_equal(l.queue_us, 0);
}

static void an_unseen_end_is_assumed(void **state)
{
	struct ledger l = { 0 };
	struct sl_ticket a = ticket(10, true), b = ticket(20, false);

	(void)state;
	assert_true(ledger_due_us(&l) == UINT64_MAX);
	ledger_open_prefill(&l, &a, 0);
	ledger_open_prefill(&l, &b, 0);
	assert_null(ledger_due(&l, 1000000)); /* the first one's end will be seen */
	ledger_close_prefill(&l, &a, 50000);
	assert_int_equal(ledger_due_us(&l), 70000);
	assert_null(ledger_due(&l, 69999));
	assert_ptr_equal(ledger_due(&l, 70000), &b);
	/* the prefill leg of a remote placement is answered */
	b.placement = SL_PLACE_REMOTE;
	assert_null(ledger_due(&l, 70000));
}

static void the_peak_outlives_what_ended_just_now(void **state)
{
	struct ledger l = { 0 };

	(void)state;
	for (int i = 0; i < 5; i++)
		ledger_enter(&l, 1000000);
	ledger_leave(&l, 1100000);
	ledger_leave(&l, 1100000);
	assert_int_equal(ledger_recent_peak(&l, 1100000), 5);
	assert_int_equal(ledger_recent_peak(&l, 1300000), 5);
	assert_int_equal(ledger_recent_peak(&l, 1600000), 3);
	ledger_enter(&l, 1600000);
	assert_int_equal(ledger_recent_peak(&l, 1600000), 4);
	ledger_leave(&l, 9000000);
	assert_int_equal(ledger_recent_peak(&l, 9000000), 4);
	assert_int_equal(ledger_recent_peak(&l, 9600000), 3);
}

/* Odd figures, any order: nothing is left, to the last bit. */
static void any_sequence_ends_at_nothing(void **state)
{
	static struct sl_ticket t[500];
	struct sl_rng rng = { 3 };
	struct ledger l = { 0 };

	(void)state;
	for (int round = 0; round < 200000; round++) {
		struct sl_ticket *x = &t[help_below(&rng, SL_COUNT(t))];
		uint64_t now = (uint64_t)round * 100;

		if (!x->live) {
			*x = ticket(help_unit(&rng) * 1e4, help_below(&rng, 2));
			x->prompt_tokens = help_unit(&rng) * 1e6;
			x->output_tokens = help_unit(&rng) * 1e3;
			x->seqs = help_below(&rng, 5);
			x->live = true;
			ledger_enter(&l, now);
			ledger_open_prefill(&l, x, now);
			ledger_open_decode(&l, x);
		} else if (x->prefill_open && help_below(&rng, 2)) {
			ledger_close_prefill(&l, x, now);
		} else {
			if (x->prefill_open)
				ledger_close_prefill(&l, x, now);
			ledger_close_decode(&l, x);
			ledger_leave(&l, now);
			x->live = false;
		}
		assert_true(ledger_queue_ms(&l, now) >= 0);
	}
	assert_true(l.inflight > 0);
	for (size_t i = 0; i < SL_COUNT(t); i++) {
		if (!t[i].live)
			continue;
		if (t[i].prefill_open)
			ledger_close_prefill(&l, &t[i], 0);
		ledger_close_decode(&l, &t[i]);
		ledger_leave(&l, 0);
	}
	assert_int_equal(l.queue_us, 0);
	assert_int_equal(l.context_tokens, 0);
	assert_int_equal(l.seqs, 0);
	assert_int_equal(l.inflight, 0);
	assert_int_equal(l.prefilling, 0);
	assert_null(l.first);
	assert_null(l.last);
	assert_int_equal(l.first_cost_us, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(charges_and_returns),
		cmocka_unit_test(the_first_prefill_makes_progress),
		cmocka_unit_test(the_middle_may_close_first),
		cmocka_unit_test(an_unseen_end_is_assumed),
		cmocka_unit_test(the_peak_outlives_what_ended_just_now),
		cmocka_unit_test(any_sequence_ends_at_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* GPUs judged over time: a page is a function of what a fault does to it, and
 * a story is a list of pages. */
#include "tests/unit/probes/gpu_help.h"

#define STEP_US 5000000u

struct story {
	struct sl_gpu_book *book;
	struct sl_gpu_policy policy;
	struct sl_gpu_reading gpus[8]; /* what the next page says */
	bool gone[8];
	uint32_t n;
	uint64_t now_us;
	uint32_t changes, notes; /* news so far: of a class, of an XID alone */
	uint32_t noted_xid;
};

static void hear(void *ctx, const struct sl_gpu_news *news)
{
	struct story *s = ctx;

	if (news->before != news->gpu->class_) {
		s->changes++;
	} else {
		s->notes++;
		s->noted_xid = news->xid;
	}
}

static void begin(struct story *s, uint32_t n)
{
	memset(s, 0, sizeof(*s));
	s->book = sl_gpu_book_new();
	sl_gpu_policy_default(&s->policy);
	s->n = n;
	s->now_us = 1000000000;
	for (uint32_t i = 0; i < n; i++) {
		snprintf(s->gpus[i].key, sizeof(s->gpus[i].key), "GPU-%u", i);
		for (size_t k = 0; k < SL_GPU_FIGURE_COUNT; k++)
			s->gpus[i].figures[k] = (double)NAN;
		s->gpus[i].figures[SL_GPU_XID] = 0;
		s->gpus[i].figures[SL_GPU_CLOCK] = 1980;
	}
}

static void end(struct story *s)
{
	sl_gpu_book_free(s->book);
}

static void page_after(struct story *s, uint64_t us)
{
	struct sl_gpu_reading there[8];
	struct sl_gpu_page page = { there, 0, SL_GPU_DCGM };

	for (uint32_t i = 0; i < s->n; i++)
		if (!s->gone[i])
			there[page.n_gpus++] = s->gpus[i];
	s->now_us += us;
	sl_gpu_book_page(s->book, &s->policy, &page, s->now_us, hear, s);
}

static void pages(struct story *s, uint32_t n)
{
	while (n-- > 0)
		page_after(s, STEP_US);
}

static const struct sl_gpu *gpu(const struct story *s, const char *key)
{
	uint32_t n;
	const struct sl_gpu *list = sl_gpu_book_list(s->book, &n);

	for (uint32_t i = 0; i < n; i++)
		if (!strcmp(list[i].last.key, key))
			return &list[i];
	return NULL;
}

static enum sl_gpu_class class_of(const struct story *s, const char *key)
{
	assert_non_null(gpu(s, key));
	return gpu(s, key)->class_;
}

/* ---- XIDs --------------------------------------------------------------- */

static void an_xid_at_first_look_is_history(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 2);
	s.gpus[0].figures[SL_GPU_XID] = 79;
	s.gpus[0].xids[0] = (struct sl_gpu_xid_count){ 79, 3 };
	s.gpus[0].n_xids = 1;
	pages(&s, 10);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	assert_int_equal(s.changes, 0);
	assert_int_equal(s.notes, 1);
	assert_int_equal(s.noted_xid, 79);
	/* The next one is news. */
	s.gpus[0].figures[SL_GPU_XID] = 48;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	assert_string_equal(gpu(&s, "GPU-0")->reason, "XID 48, double bit ECC error");
	assert_int_equal(gpu(&s, "GPU-0")->since_us, s.now_us);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_IGNORE);
	assert_int_equal(s.changes, 1);
	end(&s);
}

static void the_same_xid_again_is_seen_by_its_count(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = 79;
	s.gpus[0].xids[0] = (struct sl_gpu_xid_count){ 79, 1 };
	s.gpus[0].n_xids = 1;
	pages(&s, 2);
	s.gpus[0].n_xids = 0; /* its window has passed */
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gpus[0].n_xids = 1;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	end(&s);
}

static void classes_come_from_the_table_and_the_configuration(void **state)
{
	static const char *const words[] = {
		"79", "48", "ignore", "31", "failed", "48", "degraded"
	};
	static const struct {
		uint32_t xid;
		enum sl_gpu_class built_in, configured;
	} rows[] = {
		{ 79, SL_GPU_FAILED, SL_GPU_IGNORE },     { 48, SL_GPU_FAILED, SL_GPU_DEGRADED },
		{ 31, SL_GPU_APP, SL_GPU_FAILED },        { 13, SL_GPU_APP, SL_GPU_APP },
		{ 63, SL_GPU_DEGRADED, SL_GPU_DEGRADED }, { 74, SL_GPU_LINK, SL_GPU_LINK },
		{ 9999, SL_GPU_APP, SL_GPU_APP },
	};
	struct sl_gpu_policy built_in, configured;

	(void)state;
	sl_gpu_policy_default(&built_in);
	configured = built_in;
	configured.xids = words;
	configured.n_xids = SL_COUNT(words);
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		assert_int_equal(sl_gpu_xid_class(&built_in, rows[i].xid), rows[i].built_in);
		assert_int_equal(sl_gpu_xid_class(&configured, rows[i].xid), rows[i].configured);
	}
}

static void an_application_error_is_told_and_no_more(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = 31;
	pages(&s, 3);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	assert_int_equal(s.notes, 1);
	assert_int_equal(s.noted_xid, 31);
	end(&s);
}

/* A GPU that falls off the bus may first tell nothing. */
static void a_blank_in_between_hides_nothing(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_DBE] = 1;
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = s.gpus[0].figures[SL_GPU_DBE] = (double)NAN;
	pages(&s, 2);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gpus[0].figures[SL_GPU_DBE] = 1;
	s.gpus[0].figures[SL_GPU_XID] = 79;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	assert_int_equal(gpu(&s, "GPU-0")->signs[SL_GPU_CAUSE_ECC].class_, SL_GPU_IGNORE);
	end(&s);
}

static void a_milder_xid_does_not_hide_a_worse_one(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = 95;
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = 63;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	assert_int_equal(s.changes, 1);
	end(&s);
}

/* ---- the end of it -------------------------------------------------------- */

static void a_failure_ends_with_a_reset_or_in_time(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_XID] = 79;
	pages(&s, 1);
	page_after(&s, s.policy.hold_us - 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	page_after(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gpus[0].figures[SL_GPU_XID] = 48;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	s.gpus[0].figures[SL_GPU_XID] = 0;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	end(&s);
}

static void volatile_counts_that_begin_anew_are_a_reset(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_DBE] = 2;
	pages(&s, 2);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gpus[0].figures[SL_GPU_DBE] = 3;
	pages(&s, 5);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	assert_int_equal(gpu(&s, "GPU-0")->cause, SL_GPU_CAUSE_ECC);
	s.gpus[0].figures[SL_GPU_DBE] = 0;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	end(&s);
}

/* ---- levels --------------------------------------------------------------- */

static void levels_count_at_first_look_and_until_denied(void **state)
{
	static const struct {
		enum sl_gpu_figure figure;
		double ill, well;
		enum sl_gpu_class class_;
	} rows[] = {
		{ SL_GPU_REMAP_FAILED, 1, 0, SL_GPU_FAILED },
		{ SL_GPU_REMAP_PENDING, 1, 0, SL_GPU_DEGRADED },
		{ SL_GPU_WATCH, 20, 0, SL_GPU_FAILED },
		{ SL_GPU_WATCH, 10, 0, SL_GPU_DEGRADED },
		{ SL_GPU_WELL, 0, 1, SL_GPU_FAILED },
		{ SL_GPU_RECOVERY, 1, 0, SL_GPU_FAILED },
		{ SL_GPU_RECOVERY, 2, 0, SL_GPU_FAILED },
		{ SL_GPU_CLOCK_REASONS, 0x40, 0x4, SL_GPU_DEGRADED },
		{ SL_GPU_CLOCK_REASONS, 0x88, 0, SL_GPU_DEGRADED },
	};

	(void)state;
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		struct story s;

		begin(&s, 1);
		s.gpus[0].figures[rows[i].figure] = rows[i].ill;
		pages(&s, 1);
		assert_int_equal(class_of(&s, "GPU-0"), rows[i].class_);
		/* It is not over by being long. */
		for (int k = 0; k < 300; k++)
			pages(&s, 1);
		assert_int_equal(class_of(&s, "GPU-0"), rows[i].class_);
		s.gpus[0].figures[rows[i].figure] = rows[i].well;
		pages(&s, 1);
		assert_int_equal(class_of(&s, "GPU-0"), rows[i].class_);
		page_after(&s, s.policy.calm_us);
		assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
		assert_int_equal(s.changes, 2);
		end(&s);
	}
}

/* Whatever a page says, it is not taken for another number. */
static void a_number_without_meaning_stays_one(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_RECOVERY] = 4294967297.0; /* 1, in 32 bits */
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_FAILED);
	assert_string_equal(gpu(&s, "GPU-0")->reason, "needs recovery");
	end(&s);
}

static void a_power_cap_is_normal(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0x4;
	pages(&s, 3);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	assert_true(gpu(&s, "GPU-0")->derate == 1);
	end(&s);
}

static void a_link_that_was_never_up_is_no_fault(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 2);
	s.gpus[0].figures[SL_GPU_LINK_UP] = 0;
	s.gpus[1].figures[SL_GPU_LINK_UP] = 1;
	pages(&s, 2);
	s.gpus[1].figures[SL_GPU_LINK_UP] = 0;
	pages(&s, 2);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_LINK);
	assert_int_equal(sl_gpu_state_of(SL_GPU_LINK, 1), SL_GPU_STATE_DEGRADED);
	assert_int_equal(sl_gpu_state_of(SL_GPU_LINK, 2), SL_GPU_STATE_FAILED);
	s.gpus[1].figures[SL_GPU_LINK_UP] = 1;
	pages(&s, 1);
	page_after(&s, s.policy.calm_us);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_IGNORE);
	end(&s);
}

/* ---- clocks --------------------------------------------------------------- */

static void a_throttled_gpu_is_derated_by_its_clock(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0;
	s.gpus[0].figures[SL_GPU_BUSY] = 97;
	pages(&s, 3);
	assert_true(gpu(&s, "GPU-0")->derate == 1);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0x40;
	s.gpus[0].figures[SL_GPU_CLOCK] = 990;
	pages(&s, 1);
	assert_true(gpu(&s, "GPU-0")->derate == 2);
	assert_string_equal(gpu(&s, "GPU-0")->reason, "slowed down by heat or power, 2.0 times");
	s.gpus[0].figures[SL_GPU_CLOCK] = 20;
	pages(&s, 1);
	assert_true(gpu(&s, "GPU-0")->derate == 8);
	s.gpus[0].figures[SL_GPU_CLOCK] = 990;
	pages(&s, 1);
	/* The clock of one that idles says nothing. */
	s.gpus[0].figures[SL_GPU_CLOCK] = 345;
	s.gpus[0].figures[SL_GPU_BUSY] = 0;
	pages(&s, 1);
	assert_true(gpu(&s, "GPU-0")->derate == 2);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0x1;
	pages(&s, 1);
	assert_true(gpu(&s, "GPU-0")->derate == 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_DEGRADED); /* for a while */
	end(&s);
}

static void the_drivers_own_throttle_only_derates(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0;
	pages(&s, 1);
	s.gpus[0].figures[SL_GPU_CLOCK_REASONS] = 0x20;
	s.gpus[0].figures[SL_GPU_CLOCK] = 1320;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	assert_true(gpu(&s, "GPU-0")->derate == 1.5);
	end(&s);
}

static void time_under_heat_counts_in_either_unit(void **state)
{
	static const double per_us[] = { 1, 1000 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(per_us); i++) {
		struct story s;

		begin(&s, 1);
		s.gpus[0].figures[SL_GPU_CLOCK] = (double)NAN;
		s.gpus[0].figures[SL_GPU_THERMAL_TIME] = 7e9;
		pages(&s, 2);
		assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
		s.gpus[0].figures[SL_GPU_THERMAL_TIME] += per_us[i] * STEP_US / 2;
		pages(&s, 1);
		assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_DEGRADED);
		assert_true(fabs(gpu(&s, "GPU-0")->derate - 4.0 / 3) < 1e-9);
		end(&s);
	}
}

static void hot_is_what_the_gpu_calls_hot(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 1);
	s.gpus[0].figures[SL_GPU_TEMPERATURE] = 92;
	pages(&s, 2);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gpus[0].figures[SL_GPU_SLOWDOWN_LIMIT] = 90;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_DEGRADED);
	end(&s);
}

/* ---- gone ------------------------------------------------------------------ */

static void a_gpu_that_vanishes_has_failed(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 3);
	pages(&s, 2);
	s.gone[1] = true;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_IGNORE); /* one page is none */
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_FAILED);
	assert_int_equal(gpu(&s, "GPU-1")->cause, SL_GPU_CAUSE_VANISHED);
	assert_false(gpu(&s, "GPU-1")->present);
	assert_int_equal(class_of(&s, "GPU-0"), SL_GPU_IGNORE);
	s.gone[1] = false;
	pages(&s, 1);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_FAILED); /* it must stay */
	page_after(&s, s.policy.calm_us);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_IGNORE);
	end(&s);
}

static void one_that_fell_off_the_bus_and_is_back_was_reset(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 2);
	pages(&s, 1);
	s.gpus[1].figures[SL_GPU_XID] = 79;
	pages(&s, 1);
	s.gone[1] = true;
	pages(&s, 2);
	s.gone[1] = false;
	pages(&s, 1);
	page_after(&s, s.policy.calm_us);
	assert_int_equal(class_of(&s, "GPU-1"), SL_GPU_IGNORE);
	end(&s);
}

static void one_that_stays_away_is_forgotten(void **state)
{
	struct story s;

	(void)state;
	begin(&s, 2);
	pages(&s, 1);
	s.gone[1] = true;
	pages(&s, 2);
	page_after(&s, s.policy.hold_us);
	assert_null(gpu(&s, "GPU-1"));
	assert_non_null(gpu(&s, "GPU-0"));
	end(&s);
}

/* Any pages at all: classes and factors stay in their bounds, a GPU that was
 * well for long enough is well. */
static void any_pages_end_well(void **state)
{
	struct sl_rng rng = { 4711 };
	struct story s;

	(void)state;
	begin(&s, 8);
	for (int round = 0; round < 3000; round++) {
		uint32_t i = (uint32_t)(sl_rng_next(&rng) % 8), n;
		size_t f = sl_rng_next(&rng) % SL_GPU_FIGURE_COUNT;
		const struct sl_gpu *list;
		static const double values[] = { 0, 1, 2, 20, 79, 1e6, 1e18 };

		s.gpus[i].figures[f] = values[sl_rng_next(&rng) % SL_COUNT(values)];
		s.gone[i] = i && sl_rng_next(&rng) % 3 == 0;
		page_after(&s, sl_rng_next(&rng) % 20000000);
		list = sl_gpu_book_list(s.book, &n);
		assert_in_range(n, 1, 8);
		for (uint32_t k = 0; k < n; k++) {
			assert_in_range(list[k].class_, SL_GPU_IGNORE, SL_GPU_FAILED);
			assert_true(list[k].derate >= 1 && list[k].derate <= 8);
			assert_true((list[k].class_ == SL_GPU_IGNORE) ==
			            (list[k].cause == SL_GPU_CAUSE_NONE));
		}
	}
	for (uint32_t i = 0; i < 8; i++) {
		for (size_t k = 0; k < SL_GPU_FIGURE_COUNT; k++)
			s.gpus[i].figures[k] = 0;
		s.gpus[i].figures[SL_GPU_WELL] = s.gpus[i].figures[SL_GPU_LINK_UP] = 1;
		s.gone[i] = false;
	}
	pages(&s, 2);
	page_after(&s, s.policy.hold_us);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(class_of(&s, s.gpus[i].key), SL_GPU_IGNORE);
		assert_true(gpu(&s, s.gpus[i].key)->derate == 1);
	}
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_xid_at_first_look_is_history),
		cmocka_unit_test(the_same_xid_again_is_seen_by_its_count),
		cmocka_unit_test(classes_come_from_the_table_and_the_configuration),
		cmocka_unit_test(an_application_error_is_told_and_no_more),
		cmocka_unit_test(a_blank_in_between_hides_nothing),
		cmocka_unit_test(a_milder_xid_does_not_hide_a_worse_one),
		cmocka_unit_test(a_failure_ends_with_a_reset_or_in_time),
		cmocka_unit_test(volatile_counts_that_begin_anew_are_a_reset),
		cmocka_unit_test(levels_count_at_first_look_and_until_denied),
		cmocka_unit_test(a_number_without_meaning_stays_one),
		cmocka_unit_test(a_power_cap_is_normal),
		cmocka_unit_test(a_link_that_was_never_up_is_no_fault),
		cmocka_unit_test(a_throttled_gpu_is_derated_by_its_clock),
		cmocka_unit_test(the_drivers_own_throttle_only_derates),
		cmocka_unit_test(time_under_heat_counts_in_either_unit),
		cmocka_unit_test(hot_is_what_the_gpu_calls_hot),
		cmocka_unit_test(a_gpu_that_vanishes_has_failed),
		cmocka_unit_test(one_that_fell_off_the_bus_and_is_back_was_reset),
		cmocka_unit_test(one_that_stays_away_is_forgotten),
		cmocka_unit_test(any_pages_end_well),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

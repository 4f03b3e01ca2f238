/* The job pool and the progress line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "bench/whatif/jobs.h"
#include "bench/whatif/progress.h"

#define JOBS 1000

static _Atomic int times[JOBS];

static void count_job(void *ctx, uint32_t job)
{
	atomic_fetch_add(&times[job], 1);
	atomic_fetch_add((_Atomic uint32_t *)ctx, 1);
}

static void test_each_job_once(void **state)
{
	static const uint32_t threads[] = { 0, 1, 2, 7, 5000 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(threads); i++) {
		_Atomic uint32_t all = 0;

		jobs_run(threads[i], JOBS, count_job, &all);
		assert_int_equal(atomic_load(&all), JOBS);
		for (int k = 0; k < JOBS; k++)
			assert_int_equal(atomic_load(&times[k]), (int)i + 1);
	}
	jobs_run(3, 0, count_job, NULL);
}

struct meeting {
	_Atomic uint32_t here;
};

/* Nobody leaves before all are here: they must run at once. */
static void meet(void *ctx, uint32_t job)
{
	struct meeting *m = ctx;

	(void)job;
	atomic_fetch_add(&m->here, 1);
	while (atomic_load(&m->here) < 3)
		;
}

static void test_jobs_run_at_once(void **state)
{
	struct meeting m = { 0 };

	(void)state;
	jobs_run(3, 3, meet, &m);
	assert_int_equal(atomic_load(&m.here), 3);
}

static void test_progress_line(void **state)
{
	struct progress p;
	char line[120];
	FILE *out = tmpfile();

	(void)state;
	assert_non_null(out);
	progress_init(&p, out, false, 4, 1000);
	assert_false(p.live);
	progress_format(line, sizeof(line), &p, 0);
	assert_string_equal(line, "[..............................]   0 %  run 0/4  0 requests/s  "
	                          "--:-- left");
	progress_requests(&p, 1000);
	progress_run_done(&p, 1000);
	progress_requests(&p, 300);
	progress_run_done(&p, 300); /* stopped early */
	progress_format(line, sizeof(line), &p, 65000000);
	assert_string_equal(line, "[###############...............]  50 %  run 2/4  20 requests/s  "
	                          "1:05 left");
	progress_more(&p, 4);
	progress_format(line, sizeof(line), &p, 10000);
	assert_string_equal(line,
	                    "[#######.......................]  25 %  run 2/8  130k requests/s  "
	                    "0:01 left");
	progress_fini(&p);
	assert_int_equal(ftell(out), 0); /* no terminal: nothing is written */
	fclose(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_job_once),
		cmocka_unit_test(test_jobs_run_at_once),
		cmocka_unit_test(test_progress_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

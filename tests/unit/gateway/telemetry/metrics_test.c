/* metrics_test.c: adding and summing over threads, the text Prometheus reads,
 * and the documents made from the tables. */
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/telemetry/metrics.h"

static char *written(void (*write)(FILE *out))
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	write(out);
	assert_int_equal(fclose(out), 0);
	return text;
}

/* The value of the line that begins with this name and labels. */
static double value_of(const char *text, const char *series)
{
	size_t len = strlen(series);

	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, series, len) == 0 && line[len] == ' ')
			return strtod(line + len, NULL);
	}
	fail_msg("no series %s", series);
	return NAN;
}

static void test_counters_and_labels(void **state)
{
	struct sl_metrics *m = sl_metrics_thread();
	int64_t before = sl_metric_sum(SL_M_REQUESTS, SL_MC_5XX);
	char *text;

	(void)state;
	sl_metric_add(m, SL_M_CLIENT_ABORTS, 3);
	sl_metric_add(m, SL_M_REQUESTS_LIVE, 5);
	sl_metric_add(m, SL_M_REQUESTS_LIVE, -2);
	sl_metric_add_at(m, SL_M_REQUESTS, SL_MC_2XX, 7);
	sl_metric_add_at(m, SL_M_REQUESTS, 99, 1); /* out of range: the last */
	sl_metric_add_at(m, SL_M_ERRORS, SL_EI_SATURATED, 2);
	assert_int_equal(sl_metric_sum(SL_M_CLIENT_ABORTS, 0), 3);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_LIVE, 0), 3);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS, SL_MC_5XX), before + 1);
	assert_int_equal(sl_metric_sum(SL_M_ERRORS, SL_EI_SATURATED), 2);

	text = written(sl_metrics_write);
	assert_true(value_of(text, "sluice_client_aborts_total") == 3);
	assert_true(value_of(text, "sluice_requests_live") == 3);
	assert_true(value_of(text, "sluice_requests_total{class=\"2xx\"}") == 7);
	assert_true(value_of(text, "sluice_requests_total{class=\"4xx\"}") == 0);
	assert_true(value_of(text, "sluice_errors_total{code=\"saturated\"}") == 2);
	assert_true(value_of(text, "sluice_build_info{version=\"" SLUICE_VERSION "\"}") == 1);
	assert_true(value_of(text, "process_resident_memory_bytes") > 100000);
	assert_true(value_of(text, "process_open_fds") >= 3);
	assert_true(value_of(text, "process_start_time_seconds") > 1.5e9);
	free(text);
}

static void test_histograms(void **state)
{
	struct sl_metrics *m = sl_metrics_thread();
	char *text;

	(void)state;
	sl_metric_observe(m, SL_M_TTFT, 0.001); /* a bound is inside its bucket */
	sl_metric_observe(m, SL_M_TTFT, 0.0011);
	sl_metric_observe(m, SL_M_TTFT, 0.3);
	sl_metric_observe(m, SL_M_TTFT, 1e9);
	sl_metric_observe(m, SL_M_TTFT, NAN);
	sl_metric_observe(m, SL_M_TTFT, INFINITY);
	sl_metric_observe(m, SL_M_DECISION, 3e-6);
	assert_int_equal(sl_metric_sum(SL_M_TTFT, 0), 4);

	text = written(sl_metrics_write);
#define TTFT "sluice_time_to_first_token_seconds"
	assert_true(value_of(text, TTFT "_bucket{le=\"0.001\"}") == 1);
	assert_true(value_of(text, TTFT "_bucket{le=\"0.0025\"}") == 2);
	assert_true(value_of(text, TTFT "_bucket{le=\"0.25\"}") == 2);
	assert_true(value_of(text, TTFT "_bucket{le=\"0.5\"}") == 3);
	assert_true(value_of(text, TTFT "_bucket{le=\"320\"}") == 3);
	assert_true(value_of(text, TTFT "_bucket{le=\"+Inf\"}") == 4);
	assert_true(value_of(text, TTFT "_count") == 4);
	assert_true(fabs(value_of(text, TTFT "_sum") - 1000000000.3021) < 1);
	assert_true(value_of(text, "sluice_decision_seconds_bucket{le=\"2e-06\"}") == 0);
	assert_true(value_of(text, "sluice_decision_seconds_bucket{le=\"5e-06\"}") == 1);
	free(text);
}

#define THREADS 4
#define ROUNDS 20000

static void *hammer(void *unused)
{
	struct sl_metrics *m = sl_metrics_thread();

	(void)unused;
	for (int i = 0; i < ROUNDS; i++) {
		sl_metric_add(m, SL_M_PROBES, 1);
		sl_metric_add(m, SL_M_REQUESTS_WAITING, i % 2 ? -1 : 1);
		sl_metric_add_at(m, SL_M_LEGS, SL_ML_DECODE, 2);
		sl_metric_observe(m, SL_M_DURATION, 0.5);
	}
	return NULL;
}

static void test_threads_and_a_reader(void **state)
{
	pthread_t threads[THREADS];
	int64_t last = 0;

	(void)state;
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, NULL), 0);
	for (int i = 0; i < 20; i++) {
		int64_t now = sl_metric_sum(SL_M_PROBES, 0);

		assert_true(now >= last);
		last = now;
		free(written(sl_metrics_write));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	/* what threads counted that are gone is still there */
	assert_int_equal(sl_metric_sum(SL_M_PROBES, 0), THREADS * ROUNDS);
	assert_int_equal(sl_metric_sum(SL_M_REQUESTS_WAITING, 0), 0);
	assert_int_equal(sl_metric_sum(SL_M_LEGS, SL_ML_DECODE), 2 * THREADS * ROUNDS);
	assert_int_equal(sl_metric_sum(SL_M_DURATION, 0), THREADS * ROUNDS);
}

/* ---- the text's form, by the rules of the exposition format ---------- */

static size_t name_len(const char *s)
{
	size_t n = 0;

	while (isalnum((unsigned char)s[n]) || s[n] == '_')
		n++;
	return isdigit((unsigned char)s[0]) ? 0 : n;
}

/* Whether a sample's name belongs to the family announced last. */
static bool belongs(const char *name, size_t len, const char *family, const char *type)
{
	static const char *const suffixes[] = { "_bucket", "_sum", "_count" };
	size_t n = strlen(family);

	if (strncmp(name, family, n) != 0)
		return false;
	if (strcmp(type, "histogram") != 0)
		return len == n;
	for (size_t i = 0; i < SL_COUNT(suffixes); i++)
		if (len - n == strlen(suffixes[i]) && !strncmp(name + n, suffixes[i], len - n))
			return true;
	return false;
}

static void check_sample(const char *line, const char *family, const char *type)
{
	size_t n = name_len(line);
	char *end;

	assert_true(n > 0);
	assert_true(belongs(line, n, family, type));
	line += n;
	if (*line == '{') {
		n = name_len(++line);
		assert_true(n > 0 && line[n] == '=' && line[n + 1] == '"');
		line = strchr(line + n + 2, '"');
		assert_non_null(line);
		assert_int_equal(line[1], '}');
		line += 2;
	}
	assert_int_equal(*line, ' ');
	strtod(line + 1, &end);
	assert_true(end > line + 1 && *end == '\0');
}

static void test_text_is_well_formed(void **state)
{
	char *text = written(sl_metrics_write), *rest = text, *line;
	char family[128] = "", type[32] = "", key[132], seen[16384] = "";

	(void)state;
	assert_int_equal(text[strlen(text) - 1], '\n');
	while ((line = strsep(&rest, "\n")) && *line) {
		if (!strncmp(line, "# HELP ", 7)) {
			assert_int_equal(sscanf(line + 7, "%127s", family), 1);
			assert_true(name_len(family) == strlen(family)); /* no ':' */
			snprintf(key, sizeof(key), ";%s;", family);
			assert_null(strstr(seen, key)); /* announced once */
			strcat(seen, key);
		} else if (!strncmp(line, "# TYPE ", 7)) {
			char named[128];

			assert_int_equal(sscanf(line + 7, "%127s %31s", named, type), 2);
			assert_string_equal(named, family);
			if (!strcmp(type, "counter"))
				assert_string_equal(family + strlen(family) - 6, "_total");
		} else {
			check_sample(line, family, type);
		}
	}
	free(text);
}

/* ---- documents ------------------------------------------------------- */

/* SLUICE_UPDATE_DOCS=1 writes the file instead. */
static void check_document(const char *name, void (*write)(FILE *out))
{
	char path[512], *expected = written(write), *found;
	size_t size = strlen(expected) + 2;
	FILE *f;

	snprintf(path, sizeof(path), "%s/docs/%s", SOURCE_DIR, name);
	if (getenv("SLUICE_UPDATE_DOCS")) {
		f = fopen(path, "w");
		assert_non_null(f);
		fputs(expected, f);
		fclose(f);
	}
	f = fopen(path, "r");
	if (!f)
		fail_msg("docs/%s is missing: run this test with SLUICE_UPDATE_DOCS=1", name);
	found = calloc(1, size);
	assert_non_null(found);
	(void)!fread(found, 1, size - 1, f);
	fclose(f);
	if (strcmp(found, expected) != 0)
		fail_msg("docs/%s is behind: run this test with SLUICE_UPDATE_DOCS=1", name);
	free(found);
	free(expected);
}

static void test_documents(void **state)
{
	(void)state;
	check_document("metrics.md", sl_metrics_document);
	check_document("errors.md", sl_errors_document);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_counters_and_labels),
		cmocka_unit_test(test_histograms),
		cmocka_unit_test(test_threads_and_a_reader),
		cmocka_unit_test(test_text_is_well_formed),
		cmocka_unit_test(test_documents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

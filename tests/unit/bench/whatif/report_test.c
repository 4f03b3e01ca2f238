/* The report: JSON that says all of the study, a page that is well-formed and
 * stands alone, a table that does not change by accident. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <cjson/cJSON.h>

#include "bench/whatif/report.h"
#include "tests/unit/bench/whatif/made_study.h"

static struct report report_of(const struct study *s)
{
	return (struct report){ .study = s,
		                .trace = "a <b> & \"c\".jsonl",
		                .command = "sluice-bench whatif --trace 'a <b>'",
		                .date = "2026-01-31",
		                .commit = "abc1234" };
}

static char *printed(void (*print)(const struct report *r, FILE *out), const struct report *r)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	print(r, out);
	fclose(out);
	return text;
}

/* cJSON writes 15 digits where it takes them to be enough. */
static bool same(double got, double want)
{
	return fabs(got - want) <= 1e-12 * fabs(want);
}

static double number_at(const cJSON *o, const char *key)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(o, key);

	assert_true(cJSON_IsNumber(item));
	return item->valuedouble;
}

static const char *string_at(const cJSON *o, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	assert_non_null(text);
	return text;
}

static void check_line(const cJSON *policies, const struct study_line *l)
{
	static const char *const spreads[] = { "ttft_ms", "tpot_ms", "e2e_ms" };
	const cJSON *o = cJSON_GetObjectItemCaseSensitive(policies, l->policy->name);
	const cJSON *point;
	uint32_t i = 0;

	assert_true(cJSON_IsObject(o));
	assert_true(same(number_at(o, "knee_rps"), l->knee_rps));
	assert_true(same(number_at(o, "slo_ok"), l->summary.slo_ok));
	assert_true(same(number_at(o, "goodput_rps"), l->summary.goodput));
	assert_true(same(number_at(o, "hit_rate"), l->summary.hit_rate));
	assert_true(same(number_at(o, "imbalance"), l->summary.imbalance));
	assert_true(same(number_at(o, "kv_usage"), 0.5));
	assert_true(same(number_at(o, "remote"), 3));
	assert_true(same(number_at(o, "failed"), 0));
	for (size_t k = 0; k < SL_COUNT(spreads); k++) {
		const struct spread *want = &l->summary.ttft_ms + k;
		const cJSON *got = cJSON_GetObjectItemCaseSensitive(o, spreads[k]);

		assert_true(same(number_at(got, "mean"), want->mean));
		assert_true(same(number_at(got, "p50"), want->p50));
		assert_true(same(number_at(got, "p90"), want->p90));
		assert_true(same(number_at(got, "p99"), want->p99));
	}
	cJSON_ArrayForEach(point, cJSON_GetObjectItemCaseSensitive(o, "points"))
	{
		assert_true(same(number_at(point, "rate"), l->points[i].rate));
		assert_true(same(number_at(point, "slo_ok"), l->points[i].slo_ok));
		i++;
	}
	assert_int_equal(i, l->n_points);
}

static void test_json(void **state)
{
	struct study s = made_study(SL_COUNT(made_policies));
	struct report r = report_of(&s);
	char *text = report_json(&r);
	cJSON *root = cJSON_Parse(text);
	const cJSON *policies = cJSON_GetObjectItemCaseSensitive(root, "policies");

	(void)state;
	assert_int_equal(text[strlen(text) - 1], '\n');
	assert_string_equal(string_at(root, "trace"), r.trace);
	assert_string_equal(string_at(root, "command"), r.command);
	assert_string_equal(string_at(root, "commit"), "abc1234");
	assert_string_equal(string_at(root, "date"), "2026-01-31");
	assert_true(same(number_at(root, "seed"), 7));
	assert_true(same(number_at(cJSON_GetObjectItem(root, "engines"), "total"), MADE_ENGINES));
	assert_int_equal(cJSON_GetArraySize(policies), s.n_lines);
	for (uint32_t i = 0; i < s.n_lines; i++)
		check_line(policies, &s.lines[i]);
	/* more than a JSON number holds */
	assert_string_equal(string_at(cJSON_GetObjectItem(policies, "random"), "decisions"),
	                    "fffffffffffffffd");
	cJSON_Delete(root);
	free(text);
	made_study_fini(&s);
}

static void test_unknown_is_null(void **state)
{
	struct study s = made_study(1);
	struct report r = report_of(&s);
	cJSON *root;
	const cJSON *ours;
	char *text;

	(void)state;
	s.knee = false;
	s.lines[0].summary.ttft_ms.p99 = NAN;
	s.lines[0].summary.imbalance = INFINITY;
	text = report_json(&r);
	root = cJSON_Parse(text);
	ours = cJSON_GetObjectItem(cJSON_GetObjectItem(root, "policies"), POLICY_OURS);
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(ours, "knee_rps")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(ours, "imbalance")));
	assert_true(cJSON_IsNull(cJSON_GetObjectItem(cJSON_GetObjectItem(ours, "ttft_ms"), "p99")));
	assert_null(cJSON_GetObjectItem(ours, "points"));
	cJSON_Delete(root);
	free(text);
	made_study_fini(&s);
}

/* ---- page ------------------------------------------------------------ */

static size_t count(const char *text, const char *word)
{
	size_t n = 0;

	for (; (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static void check_page(const char *page, const struct study *s, size_t pictures)
{
	static const char *const pairs[][2] = {
		{ "<svg", "</svg>" },     { "<text", "</text>" },   { "<title", "</title>" },
		{ "<desc", "</desc>" },   { "<tr", "</tr>" },       { "<td", "</td>" },
		{ "<style", "</style>" }, { "<g ", "</g>" },        { "<h2", "</h2>" },
		{ "<div", "</div>" },     { "<table", "</table>" }, { "<p", NULL },
	};
	static const char *const never[] = { "nan",  "inf",   "<script", "url(h",
		                             "src=", "href=", "@import" };

	for (size_t i = 0; pairs[i][1]; i++)
		assert_int_equal(count(page, pairs[i][0]), count(page, pairs[i][1]));
	for (size_t i = 0; i < SL_COUNT(never); i++)
		assert_null(strstr(page, never[i]));
	assert_int_equal(count(page, "<svg"), pictures);
	assert_int_equal(count(page, "role=\"img\""), pictures);
	assert_int_equal(count(page, "class=\"ln "), (pictures + 2 - (pictures == 5)) * s->n_lines);
	assert_null(strstr(page, "a <b>"));
	assert_non_null(strstr(page, "a &lt;b&gt; &amp; &quot;c&quot;.jsonl"));
}

static void test_page(void **state)
{
	struct study s = made_study(SL_COUNT(made_policies));
	struct report r = report_of(&s);
	char *page = printed(report_html, &r);
	char cell[80];

	(void)state;
	check_page(page, &s, 6);
	for (uint32_t i = 0; i < s.n_lines; i++) {
		snprintf(cell, sizeof(cell), ">%s</td>", s.lines[i].policy->name);
		assert_int_equal(count(page, cell), 1);
		snprintf(cell, sizeof(cell), ">%s</text>", s.lines[i].policy->name);
		assert_int_equal(count(page, cell), 2);
	}
	/* ours is thick in each picture, and named in two */
	assert_int_equal(count(page, "\"ln s0 d0\""), 8);
	assert_non_null(strstr(page, "up to <b>16.00</b>"));
	assert_non_null(strstr(page, "round-robin, up to 15.60"));
	free(page);
	made_study_fini(&s);
}

/* A study in which nothing was served, with numbers that are none. */
static void test_page_of_nothing(void **state)
{
	struct study s = made_study(2);
	struct report r = report_of(&s);
	char *page;

	(void)state;
	s.knee = false;
	for (uint32_t i = 0; i < s.n_lines; i++) {
		s.lines[i].summary = (struct summary){ .ttft_ms = { NAN, NAN, NAN, INFINITY } };
		s.lines[i].tally.n_slices = 0;
		for (uint32_t k = 0; k < s.lines[i].tally.n; k++)
			s.lines[i].tally.requests[k] = (struct tally_request){ .ttft_ms = NAN };
	}
	page = printed(report_html, &r);
	check_page(page, &s, 5);
	free(page);
	page = printed(report_table, &r);
	assert_null(strstr(page, "nan"));
	assert_null(strstr(page, "inf"));
	free(page);
	made_study_fini(&s);
}

/* ---- table ----------------------------------------------------------- */

static void test_table(void **state)
{
	static const char want[] =
	        "a <b> & \"c\".jsonl: 500 requests at 12.50 a second (rate factor 1) to 8 engines, "
	        "seed 7\n"
	        "SLO: TTFT <= 5000 ms, TPOT <= 50 ms; knee: the highest rate with 95 % of requests "
	        "in it\n"
	        "\n"
	        "                     in SLO goodput    knee     TTFT    TTFT     TTFT    TPOT   "
	        "TPOT"
	        "    E2E    E2E  hits  imbal.\n"
	        "policy                    %   req/s   req/s  mean ms  p50 ms   p99 ms mean ms p99 "
	        "ms"
	        "  p50 s  p99 s     % max/avg\n"
	        "sluice                99.10*  12.25*  16.00*     300*    240*    1200*   11.5*  "
	        "46.0*"
	        "   3.2*  16.0* 45.0*   1.05*\n"
	        "round-robin           98.10   12.15   15.60      340     272     1360    12.5   "
	        "50.0"
	        "    3.3   16.4  44.0    1.07\n"
	        "\n"
	        "* best of its column\n";
	struct study s = made_study(2);
	struct report r = report_of(&s);
	char *table = printed(report_table, &r);

	(void)state;
	assert_string_equal(table, want);
	free(table);
	made_study_fini(&s);
}

static void test_table_fits(void **state)
{
	struct study s = made_study(SL_COUNT(made_policies));
	struct report r = report_of(&s);
	char *table;

	(void)state;
	s.lines[3].summary.ttft_ms.p99 = 98765;
	s.lines[3].summary.slo_ok = 1;
	s.lines[4].summary.slo_ok = 1;
	table = printed(report_table, &r);
	for (char *line = strtok(table, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 120);
	free(table);
	s.lines[0].summary.failed = 4; /* now there is a column for it */
	table = printed(report_table, &r);
	assert_non_null(strstr(table, "failed"));
	assert_int_equal(count(table, "100.00*"), 2);
	free(table);
	made_study_fini(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_json),  cmocka_unit_test(test_unknown_is_null),
		cmocka_unit_test(test_page),  cmocka_unit_test(test_page_of_nothing),
		cmocka_unit_test(test_table), cmocka_unit_test(test_table_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

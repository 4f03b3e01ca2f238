/* prom_test.c: sample lines, well and badly formed, whole and in pieces. */
#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "sluice/probe.h"

/* Collects every sample as "name{a=b,c=d}=value;". */
struct record {
	char text[4096];
	size_t len;
	uint32_t most_labels;
};

static void add(struct record *r, const char *bytes, size_t len)
{
	assert_true(r->len + len < sizeof(r->text));
	memcpy(r->text + r->len, bytes, len);
	r->len += len;
	r->text[r->len] = '\0';
}

static void on_sample(void *ctx, const struct sl_prom_sample *s)
{
	struct record *r = ctx;
	char number[40];

	add(r, s->family.ptr, s->family.len);
	for (uint32_t i = 0; i < s->n_labels && i < 8; i++) {
		add(r, i ? "," : "{", 1);
		add(r, s->labels[i].name.ptr, s->labels[i].name.len);
		add(r, "=", 1);
		add(r, s->labels[i].value.ptr, s->labels[i].value.len);
	}
	if (s->n_labels)
		add(r, "}", 1);
	if (s->n_labels > r->most_labels)
		r->most_labels = s->n_labels;
	snprintf(number, sizeof(number), "=%.17g;", isnan(s->value) ? NAN : s->value);
	add(r, number, strlen(number));
}

static bool want_w(void *ctx, struct sl_span family)
{
	(void)ctx;
	return family.len && family.ptr[0] == 'w';
}

static const struct {
	const char *page;
	const char *samples;
	uint64_t bad;
} cases[] = {
	{ "", "", 0 },
	{ "\n\n \n\t\n", "", 0 },
	{ "w 1\n", "w=1;", 0 },
	{ "w 1", "w=1;", 0 }, /* no LF before the page's end */
	{ "w 1\r\nw 2\r\n", "w=1;w=2;", 0 },
	{ "# HELP w 5\n# TYPE w gauge\n#w 3\nw 1\n", "w=1;", 0 },
	{ "x 1\nx{ broken\nw 1\n", "w=1;", 0 }, /* unwanted: not looked at */
	/* unwanted again and again, then a wanted name that begins like it */
	{ "x 1\nx{a=\"1\"} 1\nx 3\nxw 1\nw 1\nx\nx\tw 2\nw 2\n", "w=1;w=2;", 0 },
	{ "w:x:y_total 1.2e+06\n", "w:x:y_total=1200000;", 0 },
	{ "w +Inf\nw -Inf\nw NaN\nw Inf\n", "w=inf;w=-inf;w=nan;w=inf;", 0 },
	{ "w -0.5\nw .5\nw 5.\nw 1E3\nw +7\n", "w=-0.5;w=0.5;w=5;w=1000;w=7;", 0 },
	{ "w 1.79522778593e+09\n", "w=1795227785.9300001;", 0 },
	{ "w 1 1395066363000\nw 2 -3\nw 3 1.5e9\n", "w=1;w=2;w=3;", 0 },
	{ "w_bucket{le=\"1\"} 4 # {trace_id=\"x\"} 0.6 17.1\n", "w_bucket{le=1}=4;", 0 },
	{ "w 4 123 # {} 1\n", "w=4;", 0 },
	{ "w{} 1\n", "w=1;", 0 },
	{ "w{a=\"1\",b=\"\"} 1\n", "w{a=1,b=}=1;", 0 },
	{ "  w  { a = \"1\" , b = \"2\" , }  1  \n", "w{a=1,b=2}=1;", 0 },
	{ "w\t{a=\"1\"}\t1\n", "w{a=1}=1;", 0 },
	{ "w{a=\"1\"}1\n", "w{a=1}=1;", 0 },
	{ "w{a=\"x,y}{= \"} 1\n", "w{a=x,y}{= }=1;", 0 },
	{ "w{a=\"q\\\"q\",b=\"\\\\\",c=\"l\\nl\",d=\"\\t\"} 1\n", "w{a=q\"q,b=\\,c=l\nl,d=\\t}=1;",
	  0 },
	{ "w{a=\"\xc3\xa9\xff\"} 1\n", "w{a=\xc3\xa9\xff}=1;", 0 },
	/* malformed: skipped, counted, and the next line is read */
	{ "w\nw 1\n", "w=1;", 1 },
	{ "w \nw x\nw 1x\nw 0x10\nw 1,5\nw nan(1)\nw 1e\nw --1\nw 2\n", "w=2;", 8 },
	{ "w{\nw{a\nw{a=\nw{a=1} 1\nw{a=\"\nw{a=\"1\nw{a=\"1\\\nw 2\n", "w=2;", 7 },
	{ "w{=\"1\"} 1\nw{a=\"1\"b=\"2\"} 1\nw{,} 1\nw{a-b=\"1\"} 1\nw{a=\"1\"} \n", "", 5 },
	{ "w 1 x\nw 1 1 x\n", "", 2 },
	{ "w 1111111111111111111111111111111111111111111111111111111111111111\n", "", 1 },
};

static void feed(struct sl_prom *p, const char *page, size_t len, size_t piece)
{
	for (size_t at = 0; at < len; at += piece)
		sl_prom_feed(p, page + at, len - at < piece ? len - at : piece);
	sl_prom_finish(p);
}

static void test_lines(void **state)
{
	(void)state;
	for (size_t i = 0; i < SL_COUNT(cases); i++) {
		for (size_t piece = 1; piece < 100; piece++) {
			struct record r = { 0 };
			struct sl_prom *p = sl_prom_new(want_w, on_sample, &r);

			feed(p, cases[i].page, strlen(cases[i].page), piece);
			assert_string_equal(r.text, cases[i].samples);
			assert_int_equal(sl_prom_bad_lines(p), cases[i].bad);
			sl_prom_free(p);
		}
	}
}

/* "w{a="aaa...a"} 1" of exactly len bytes, then a good line. */
static char *long_line(size_t len, size_t *out_len)
{
	char *page = malloc(len + 8);

	assert_non_null(page);
	memset(page, 'a', len);
	memcpy(page, "w{a=\"", 5);
	memcpy(page + len - 4, "\"} 1", 4);
	memcpy(page + len, "\nw 2\n", 5);
	*out_len = len + 5;
	return page;
}

static void on_count(void *ctx, const struct sl_prom_sample *s)
{
	(void)s;
	++*(unsigned *)ctx;
}

static void test_length_bound(void **state)
{
	static const struct {
		size_t len;
		unsigned samples;
		uint64_t bad;
	} bounds[] = { { 65535, 2, 0 }, { 65536, 2, 0 }, { 65537, 1, 1 }, { 300000, 1, 1 } };
	static const size_t pieces[] = { 1, 1000, 65536, 65537, 1000000 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(bounds); i++) {
		size_t len;
		char *page = long_line(bounds[i].len, &len);

		for (size_t k = 0; k < SL_COUNT(pieces); k++) {
			unsigned n = 0;
			struct sl_prom *p = sl_prom_new(want_w, on_count, &n);

			feed(p, page, len, pieces[k]);
			assert_int_equal(n, bounds[i].samples);
			assert_int_equal(sl_prom_bad_lines(p), bounds[i].bad);
			sl_prom_free(p);
		}
		free(page);
	}
}

static void test_too_many_labels(void **state)
{
	struct record r = { 0 };
	struct sl_prom *p = sl_prom_new(want_w, on_sample, &r);
	char line[8192];
	int n = sprintf(line, "w{");

	(void)state;
	for (int i = 0; i < SL_PROM_MAX_LABELS + 50; i++)
		n += sprintf(line + n, "l%d=\"\\\\%d\",", i, i);
	n += sprintf(line + n, "} 7\n");
	sl_prom_feed(p, line, (size_t)n);
	assert_int_equal(r.most_labels, SL_PROM_MAX_LABELS);
	assert_non_null(strstr(r.text, "w{l0=\\0,l1=\\1,"));
	assert_non_null(strstr(r.text, "=7;"));
	assert_int_equal(sl_prom_bad_lines(p), 0);
	sl_prom_free(p);
}

static void test_reset_forgets(void **state)
{
	struct record r = { 0 };
	struct sl_prom *p = sl_prom_new(want_w, on_sample, &r);

	(void)state;
	sl_prom_feed(p, "w bad\nw 1", 9);
	assert_int_equal(sl_prom_bad_lines(p), 1);
	sl_prom_reset(p);
	sl_prom_feed(p, "2\nw 3\n", 6);
	sl_prom_finish(p);
	assert_string_equal(r.text, "w=3;");
	assert_int_equal(sl_prom_bad_lines(p), 0);
	sl_prom_free(p);
}

static bool set_comma_locale(void)
{
	static const char *const names[] = { "de_DE.UTF-8", "de_DE.utf8", "de_DE", "fr_FR.UTF-8",
		                             "fr_FR.utf8" };

	for (size_t i = 0; i < SL_COUNT(names); i++)
		if (setlocale(LC_ALL, names[i]) && localeconv()->decimal_point[0] == ',')
			return true;
	return false;
}

static void test_locale(void **state)
{
	struct record r = { 0 };
	struct sl_prom *p;

	(void)state;
	if (!set_comma_locale())
		skip(); /* none is installed */
	p = sl_prom_new(want_w, on_sample, &r);
	sl_prom_feed(p, "w 1.5\nw 1,5\n", 12);
	setlocale(LC_ALL, "C");
	assert_string_equal(r.text, "w=1.5;");
	assert_int_equal(sl_prom_bad_lines(p), 1);
	sl_prom_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),           cmocka_unit_test(test_length_bound),
		cmocka_unit_test(test_too_many_labels), cmocka_unit_test(test_reset_forgets),
		cmocka_unit_test(test_locale),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

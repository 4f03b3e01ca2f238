/* lexer_test.c: words, punctuation, escapes, variables, places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/config/lexer.h"

/* The tokens of a text as one string: words between bars, a broken one as !. */
static char *tokens_of(const char *text, size_t len, uint32_t *out_errors)
{
	struct conf_arena arena;
	struct conf_lexer lexer;
	struct conf_token token;
	struct conf_report *report;
	char *result = NULL;
	size_t size;
	FILE *out = open_memstream(&result, &size);

	conf_arena_init(&arena);
	report = conf_alloc(&arena, sizeof(*report));
	conf_report_init(report, &arena);
	conf_lexer_init(&lexer, &arena, report, conf_source_new(&arena, "t", text, len));
	do {
		conf_lexer_next(&lexer, &token);
		if (token.kind == CONF_WORD)
			fprintf(out, "|%s|", token.word.broken ? "!" : token.word.text);
		else if (token.kind != CONF_END)
			fputc(";{}"[token.kind - CONF_SEMICOLON], out);
	} while (token.kind != CONF_END);
	conf_lexer_next(&lexer, &token);
	assert_int_equal(token.kind, CONF_END);
	fclose(out);
	*out_errors = report->total;
	conf_arena_fini(&arena);
	return result;
}

static void test_tokens(void **state)
{
	static const struct {
		const char *text, *tokens;
		uint32_t errors;
	} rows[] = {
		{ "", "", 0 },
		{ " \t\r\n # only a comment", "", 0 },
		{ "a b;c{d}", "|a||b|;|c|{|d|}", 0 },
		{ "a#b #c\n;", "|a#b|;", 0 },
		{ "\xef\xbb\xbf"
		  "a;",
		  "|a|;", 0 },
		{ "\"a b;{}#\" 'c \"d\"'", "|a b;{}#||c \"d\"|", 0 },
		{ "\"\" ''", "||||", 0 },
		{ "a\\;b \\#c \\{ \"\\\"\\\\\"", "|a;b||#c||{||\"\\|", 0 },
		{ "'\\n \\' \\\\'", "|\\n ' \\|", 0 },
		{ "${SET} x${SET}y \"${SET}\" '${SET}' \\$\\{SET\\}",
		  "|v 1||xv 1y||v 1||${SET}||${SET}|", 0 },
		{ "${NONE:-d} ${EMPTY:-d} ${EMPTY} ${NONE:-} ${SET:-d}", "|d||d||||||v 1|", 0 },
		{ "$ $x a$", "|$||$x||a$|", 0 },
		{ "${NONE};", "|!|;", 1 },
		{ "${} ${a-b} ${a:b} ${1", "|!||!||!||!|", 4 },
		{ "\"open\nb;", "|!||b|;", 1 },
		{ "'open", "|!|", 1 },
		{ "a\"b\"c d", "|!||d|", 1 },
		{ "\"a\"b;", "|!|;", 1 },
		{ "a\\nb \\", "|!||!|", 2 },
		{ "${BELL}", "|!|", 1 },
	};

	(void)state;
	setenv("SET", "v 1", 1);
	setenv("EMPTY", "", 1);
	setenv("BELL", "\a", 1);
	unsetenv("NONE");
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		uint32_t errors;
		char *tokens = tokens_of(rows[i].text, strlen(rows[i].text), &errors);

		print_message("%s\n", rows[i].text);
		assert_string_equal(tokens, rows[i].tokens);
		assert_int_equal(errors, rows[i].errors);
		free(tokens);
	}
}

static void test_control_characters(void **state)
{
	uint32_t errors;
	char *tokens = tokens_of("a\0b;c\x1b;\"\x7f\"", 11, &errors);

	(void)state;
	assert_string_equal(tokens, "|!|;|!|;|!|");
	assert_int_equal(errors, 3);
	free(tokens);
}

static void test_word_limit(void **state)
{
	char text[CONF_MAX_WORD + 3];
	uint32_t errors;
	char *tokens;

	(void)state;
	memset(text, 'x', sizeof(text));
	tokens = tokens_of(text, CONF_MAX_WORD, &errors);
	assert_int_equal(errors, 0);
	assert_int_equal(strlen(tokens), CONF_MAX_WORD + 2);
	free(tokens);
	tokens = tokens_of(text, CONF_MAX_WORD + 1, &errors);
	assert_int_equal(errors, 1);
	assert_string_equal(tokens, "|!|");
	free(tokens);
}

static void test_places(void **state)
{
	static const char text[] = "a\n\t\xc3\xa4 bc";
	struct conf_arena arena;
	struct conf_lexer lexer;
	struct conf_report report;
	struct conf_token token;

	(void)state;
	conf_arena_init(&arena);
	conf_report_init(&report, &arena);
	conf_lexer_init(&lexer, &arena, &report,
	                conf_source_new(&arena, "t", text, sizeof(text) - 1));
	conf_lexer_next(&lexer, &token);
	assert_int_equal(token.word.at.line, 1);
	conf_lexer_next(&lexer, &token);
	conf_lexer_next(&lexer, &token);
	assert_string_equal(token.word.text, "bc");
	assert_int_equal(token.word.at.line, 2);
	assert_int_equal(token.word.at.len, 2);
	assert_int_equal(conf_place_column(&token.word.at), 4);
	conf_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_control_characters),
		cmocka_unit_test(test_word_limit),
		cmocka_unit_test(test_places),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

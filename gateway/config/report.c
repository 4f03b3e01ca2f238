/* report.c: FILE:LINE:COL: error: MESSAGE, the line, a caret under the word.
 * A line is shown in a window of bounded width, its control characters as
 * blanks, so that a hostile file cannot paint on a terminal. */
#include "gateway/config/report.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define WINDOW_BEFORE 120
#define WINDOW_AFTER 80
#define SHOWN_BYTES 64
#define MAX_MESSAGE 1024

void conf_report_init(struct conf_report *report, struct conf_arena *a)
{
	report->arena = a;
	report->n_kept = 0;
	report->total = 0;
}

void conf_complain(struct conf_report *report, const struct conf_place *place,
                   const char *near_word, const char *format, ...)
{
	struct conf_problem *problem;
	char message[MAX_MESSAGE];
	va_list args;

	report->total++;
	if (report->n_kept == CONF_MAX_PROBLEMS)
		return;
	va_start(args, format);
	vsnprintf(message, sizeof(message), format, args);
	va_end(args);
	problem = &report->problems[report->n_kept];
	problem->place = *place;
	problem->message = conf_strndup(report->arena, message, strlen(message));
	problem->near_word =
	        near_word ? conf_strndup(report->arena, near_word, strlen(near_word)) : NULL;
	problem->order = report->n_kept++;
}

static int compare(uint64_t a, uint64_t b)
{
	return (a > b) - (a < b);
}

static int by_place(const void *left, const void *right)
{
	const struct conf_problem *a = left, *b = right;
	uint32_t in_a = a->place.source ? a->place.source->order : 0;
	uint32_t in_b = b->place.source ? b->place.source->order : 0;
	int diff = compare(in_a, in_b);

	if (diff == 0) /* what concerns the whole file comes last */
		diff = compare(a->place.line == 0, b->place.line == 0);
	if (diff == 0)
		diff = compare(a->place.offset, b->place.offset);
	return diff ? diff : compare(a->order, b->order);
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

const char *conf_show(struct conf_arena *a, const char *text)
{
	size_t len = SHOWN_BYTES;

	if (strlen(text) <= SHOWN_BYTES)
		return text;
	while (len > 0 && is_continuation(text[len]))
		len--;
	return conf_sprintf(a, "%.*s...", (int)len, text);
}

/* The part of the place's line that is shown: [*from, *to). */
static void window(const struct conf_place *place, uint32_t *from, uint32_t *to)
{
	const struct conf_source *source = place->source;
	uint32_t start = place->offset, end = place->offset;

	while (start > 0 && source->text[start - 1] != '\n' &&
	       place->offset - start < WINDOW_BEFORE)
		start--;
	while (start < place->offset && is_continuation(source->text[start]))
		start++;
	while (end < source->len && source->text[end] != '\n' && end - place->offset < WINDOW_AFTER)
		end++;
	while (end > start && end < source->len && is_continuation(source->text[end]))
		end--;
	*from = start;
	*to = end;
}

static void put_line(FILE *out, const struct conf_source *source, uint32_t from, uint32_t to)
{
	fputs("    ", out);
	for (uint32_t i = from; i < to; i++) {
		unsigned char c = (unsigned char)source->text[i];

		fputc((c < 0x20 && c != '\t') || c == 0x7f ? ' ' : c, out);
	}
	fputc('\n', out);
}

/* Tabs are repeated as tabs, so that the caret stands under its word whatever
 * their width. */
static void put_caret(FILE *out, const struct conf_place *place, uint32_t from, uint32_t to)
{
	const char *text = place->source->text;
	uint32_t end = place->offset + place->len;

	fputs("    ", out);
	for (uint32_t i = from; i < place->offset; i++) {
		if (!is_continuation(text[i]))
			fputc(text[i] == '\t' ? '\t' : ' ', out);
	}
	fputc('^', out);
	for (uint32_t i = place->offset + 1; i < end && i < to; i++) {
		if (!is_continuation(text[i]))
			fputc('~', out);
	}
	fputc('\n', out);
}

static void put_problem(FILE *out, const struct conf_problem *problem)
{
	const struct conf_place *place = &problem->place;
	uint32_t from, to;

	assert(place->source);
	if (place->line == 0) {
		fprintf(out, "%s: error: %s\n", place->source->path, problem->message);
	} else {
		fprintf(out, "%s:%u:%u: error: %s\n", place->source->path, place->line,
		        conf_place_column(place), problem->message);
		window(place, &from, &to);
		put_line(out, place->source, from, to);
		put_caret(out, place, from, to);
	}
	if (problem->near_word)
		fprintf(out, "    did you mean '%s'?\n", problem->near_word);
}

char *conf_report_text(struct conf_report *report)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	qsort(report->problems, report->n_kept, sizeof(report->problems[0]), by_place);
	for (uint32_t i = 0; i < report->n_kept; i++)
		put_problem(out, &report->problems[i]);
	if (report->total > report->n_kept)
		fprintf(out, "and %u more errors\n", report->total - report->n_kept);
	if (fclose(out) != 0)
		abort();
	return text;
}

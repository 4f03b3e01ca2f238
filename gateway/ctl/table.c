/* table.c: columns of text that line up and fit the screen.
 *
 * A column is as wide as its widest cell. If the sum is too wide, columns with
 * the lowest numbers are kept, the one that may be cut with what room is left,
 * at least CUT_MIN; what has to stay runs over if need be. Widths count code
 * points: names of hosts and models are written in narrow characters. */
#include <stdlib.h>

#include "gateway/ctl/ctl.h"

#define GAP 2
#define CUT_MIN 16
#define COLUMNS_MAX 24

static const char *const escapes[] = {
	[CTL_PLAIN] = "",
	[CTL_GREEN] = "\033[32m",
	[CTL_YELLOW] = "\033[33m",
	[CTL_RED] = "\033[31m",
};

void ctl_table_init(struct ctl_table *t, const struct ctl_column *columns, uint32_t n_columns)
{
	*t = (struct ctl_table){ .columns = columns, .n_columns = n_columns };
}

void ctl_table_fini(struct ctl_table *t)
{
	for (size_t i = 0; i < t->n_cells; i++)
		free(t->cells[i].text);
	free(t->cells);
}

/* C0, DEL, and C1 as UTF-8 writes it. */
static void disarm(char *text)
{
	for (unsigned char *p = (unsigned char *)text; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			p[0] = p[1] = '?';
	}
}

void ctl_table_add(struct ctl_table *t, enum ctl_colour colour, const char *text)
{
	char *copy = strdup(text);

	if (t->n_cells == t->size) {
		t->size = t->size ? 2 * t->size : 256;
		t->cells = realloc(t->cells, t->size * sizeof(*t->cells));
	}
	if (!copy || !t->cells)
		abort();
	disarm(copy);
	t->cells[t->n_cells++] = (struct ctl_cell){ copy, colour };
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static uint32_t text_width(const char *text)
{
	uint32_t n = 0;

	for (; *text; text++)
		n += !continues(*text);
	return n;
}

/* Bytes of the first `width` characters. */
static int text_bytes(const char *text, uint32_t width)
{
	int n = 0;

	while (text[n] && (width || continues(text[n])))
		width -= !continues(text[n++]);
	return n;
}

static void measure(const struct ctl_table *t, uint32_t *widths)
{
	for (uint32_t i = 0; i < t->n_columns; i++)
		widths[i] = t->columns[i].title ? text_width(t->columns[i].title) : 0;
	for (size_t i = 0; i < t->n_cells; i++) {
		uint32_t width = text_width(t->cells[i].text);

		if (t->columns[i % t->n_columns].title && width > widths[i % t->n_columns])
			widths[i % t->n_columns] = width;
	}
}

/* Columns that are not shown are 0 wide. */
static uint32_t total_width(const struct ctl_table *t, const uint32_t *widths)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < t->n_columns; i++)
		sum += widths[i] ? widths[i] + (sum ? GAP : 0) : 0;
	return sum;
}

/* What a column takes at least. */
static uint32_t least_width(const struct ctl_column *column, uint32_t full)
{
	return column->cut && full > CUT_MIN ? CUT_MIN : full;
}

/* Takes columns in the order of their numbers as long as they fit, then gives
 * what is left to the one that can be cut. */
static void fit(const struct ctl_table *t, uint32_t *widths, uint32_t screen)
{
	uint32_t full[COLUMNS_MAX], total;

	memcpy(full, widths, sizeof(full));
	memset(widths, 0, sizeof(full));
	for (unsigned drop = 0; drop <= UINT8_MAX; drop++) {
		for (uint32_t i = 0; i < t->n_columns; i++) {
			if (t->columns[i].drop != drop)
				continue;
			widths[i] = least_width(&t->columns[i], full[i]);
			if (drop && total_width(t, widths) > screen)
				widths[i] = 0;
		}
	}
	total = total_width(t, widths);
	for (uint32_t i = 0; i < t->n_columns; i++) {
		uint32_t missing = full[i] - widths[i];

		if (t->columns[i].cut && widths[i] && screen > total)
			widths[i] += missing < screen - total ? missing : screen - total;
	}
}

static void put_spaces(FILE *out, uint32_t n)
{
	fprintf(out, "%*s", (int)n, "");
}

static void put_cell(FILE *out, const struct ctl_column *column, uint32_t width, const char *text,
                     const char *escape, bool last)
{
	uint32_t has = text_width(text);
	bool cut = has > width;
	uint32_t shown = cut ? width - 2 : has;
	uint32_t pad = cut ? 0 : width - has;

	if (column->right)
		put_spaces(out, pad);
	fprintf(out, "%s%.*s%s%s", escape, text_bytes(text, shown), text, cut ? ".." : "",
	        *escape ? "\033[0m" : "");
	if (!column->right && !last)
		put_spaces(out, pad);
}

static void put_row(const struct ctl_table *t, FILE *out, const uint32_t *widths,
                    const struct ctl_cell *cells, bool colours)
{
	uint32_t last = t->n_columns - 1;
	bool first = true;

	while (last > 0 && !widths[last])
		last--;
	for (uint32_t i = 0; i <= last; i++) {
		const char *escape = cells && colours ? escapes[cells[i].colour] : "";

		if (!widths[i])
			continue;
		if (!first)
			put_spaces(out, GAP);
		first = false;
		put_cell(out, &t->columns[i], widths[i],
		         cells ? cells[i].text : t->columns[i].title, escape, i == last);
	}
	fputc('\n', out);
}

void ctl_table_write(const struct ctl_table *t, FILE *out, uint32_t width, bool colours)
{
	uint32_t widths[COLUMNS_MAX] = { 0 };

	measure(t, widths);
	if (width)
		fit(t, widths, width);
	put_row(t, out, widths, NULL, false);
	for (size_t i = 0; i + t->n_columns <= t->n_cells; i += t->n_columns)
		put_row(t, out, widths, t->cells + i, colours);
}

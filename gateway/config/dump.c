/* dump.c: -T. Values come from the structs, so that what is shown is what is
 * used; origins come from the statements. Secrets are written by their shape,
 * which does not show them. */
#include "gateway/config/dump.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

#define ORIGIN_COLUMN 48
#define MAX_INDENT 16

struct dump {
	FILE *out;
	int indent; /* in blanks */
	bool plain; /* without origins */
};

static void dump_inside(struct dump *d, const struct conf_statement *s, unsigned context);

static const void *field_of(const void *object, size_t offset)
{
	return (const char *)object + offset;
}

static bool write_list(FILE *out, const struct conf_directive *d, const void *object)
{
	const uint32_t *count = field_of(object, d->count);
	char *const *const *items = field_of(object, d->offset);

	for (uint32_t i = 0; i < *count; i++) {
		if (i > 0)
			fputc(' ', out);
		conf_write_word(out, (*items)[i]);
	}
	return *count > 0;
}

char *conf_dump_value(const struct conf_directive *d, const void *object)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	bool any;

	if (!out)
		abort();
	if (conf_directive_is_list(d))
		any = write_list(out, d, object);
	else
		any = d->shape->write(out, d, field_of(object, d->offset));
	if (fclose(out) != 0)
		abort();
	if (any)
		return text;
	free(text);
	return NULL;
}

/* One line, its origin at a column of its own. */
static void put_line(struct dump *d, const struct conf_statement *origin, const char *format, ...)
        SL_PRINTF(3, 4);

static void put_line(struct dump *d, const struct conf_statement *origin, const char *format, ...)
{
	va_list args;
	int len = fprintf(d->out, "%*s", d->indent, "");

	va_start(args, format);
	len += vfprintf(d->out, format, args);
	va_end(args);
	if (!d->plain) {
		fprintf(d->out, "%*s# ", len < ORIGIN_COLUMN ? ORIGIN_COLUMN - len : 1, "");
		if (origin)
			fprintf(d->out, "%s:%u", origin->words[0].at.source->path,
			        origin->words[0].at.line);
		else
			fputs("default", d->out);
	}
	fputc('\n', d->out);
}

static void dump_value(struct dump *d, const struct conf_directive *directive, const void *object,
                       const struct conf_statement *origin)
{
	char *value = conf_dump_value(directive, object);

	if (value)
		put_line(d, origin, "%s %s;", directive->name, value);
	else if (!d->plain)
		fprintf(d->out, "%*s# %s: not given\n", d->indent, "", directive->name);
	free(value);
}

/* " max_concurrent=4" for all that may stand on the line of the name, and has a
 * value; a quote stands before a word, not in it. */
static void put_assignments(FILE *out, const struct conf_block *block, const void *object)
{
	const struct conf_directive *inner;

	for (size_t k = 0; (inner = conf_table_at(k)); k++) {
		char *value;

		if (!(inner->contexts & block->inside))
			continue;
		value = conf_dump_value(inner, object);
		if (value && *value == '"')
			fprintf(out, " \"%s=%s", inner->name, value + 1);
		else if (value)
			fprintf(out, " %s=%s", inner->name, value);
		free(value);
	}
}

static char *head_of(const struct conf_statement *s)
{
	char *text = NULL, *value = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	fputs(s->directive->name, out);
	if (s->directive->shape)
		value = conf_dump_value(s->directive, s->object);
	if (value)
		fprintf(out, " %s", value);
	free(value);
	if (s->directive->block->form == CONF_ASSIGNED)
		put_assignments(out, s->directive->block, s->object);
	if (fclose(out) != 0)
		abort();
	return text;
}

static void dump_block(struct dump *d, const struct conf_statement *s)
{
	char *head = head_of(s);

	assert(d->indent <= MAX_INDENT);
	if (s->directive->block->form == CONF_ASSIGNED) {
		put_line(d, s, "%s;", head);
	} else {
		put_line(d, s, "%s {", head);
		d->indent += 4;
		dump_inside(d, s, s->directive->block->inside);
		d->indent -= 4;
		fprintf(d->out, "%*s}\n", d->indent, "");
	}
	free(head);
}

static void dump_inside(struct dump *d, const struct conf_statement *s, unsigned context)
{
	const struct conf_directive *directive;

	for (size_t k = 0; (directive = conf_table_at(k)); k++) {
		if (!(directive->contexts & context))
			continue;
		if (!directive->block) {
			dump_value(d, directive, s->object,
			           conf_statement_find(s, directive->name));
			continue;
		}
		for (const struct conf_statement *child = s->first; child; child = child->next) {
			if (child->directive == directive)
				dump_block(d, child);
		}
	}
}

void conf_dump_statement(FILE *out, const struct conf_statement *s, bool plain)
{
	dump_block(&(struct dump){ .out = out, .plain = plain }, s);
}

void conf_dump_inside(FILE *out, const struct conf_statement *s, unsigned context, bool plain)
{
	dump_inside(&(struct dump){ .out = out, .plain = plain }, s, context);
}

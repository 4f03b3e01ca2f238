/* document.c: docs/configuration.md, the reference, from the table. Prose is
 * here only for what the table cannot say: the grammar. */
#include "gateway/config/config.h"
#include "gateway/config/table.h"

static const char introduction[] =
        "# Configuration reference\n"
        "\n"
        "Generated from `gateway/config/directives.def`. `sluice -c FILE` runs with a file,\n"
        "`sluice -t` checks it, `sluice -T` prints what is in effect, defaults included, each "
        "value\n"
        "with its origin. Examples to copy are in `conf/`. This is a complete configuration:\n"
        "\n"
        "```\n"
        "listen 8080;\n"
        "pool { server 127.0.0.1:8000; }\n"
        "```\n"
        "\n"
        "## Grammar\n"
        "\n"
        "A directive is a name, its arguments and a `;`, or a name, its arguments and a block of\n"
        "directives in braces. `#` begins a comment where a word could begin.\n"
        "\n"
        "| Form | Meaning |\n"
        "|---|---|\n"
        "| `word` | ends at a blank, `;`, `{` or `}`; a backslash takes one of ``\\ \" ' $ # ; { "
        "}`` "
        "or a blank literally |\n"
        "| `\"word\"` | the same, and may hold blanks, `;`, `{` and `}`; it ends on its line |\n"
        "| `'word'` | nothing is replaced in it; only `\\'` and `\\\\` are escapes |\n"
        "| `${NAME}` | the environment variable, as part of one word; unset is an error |\n"
        "| `${NAME:-default}` | the same with a default, used if it is unset or empty |\n"
        "| `include FILE;` | the directives of other files, anywhere a directive may stand; "
        "relative "
        "to this file; `*`, `?` and `[...]` may stand in its last part, matches are read in "
        "alphabetical order |\n"
        "\n"
        "A file named in a directive is relative to the file the directive stands in.\n"
        "\n"
        "Limits: 4 MiB and 100,000 words over all files, includes and blocks 16 deep, 4096 bytes\n"
        "in a word.\n"
        "\n"
        "## Values\n"
        "\n"
        "| Written | Is |\n"
        "|---|---|\n"
        "| DURATION | a whole number and `ms`, `s`, `m` or `h`: `250ms`, `10s`, `5m`, `1h` |\n"
        "| SIZE | a whole number and `b`, `k`, `M` or `G`, powers of 1024: `64k`, `32M` |\n"
        "| PERCENT | a number with up to three decimals and `%`: `20%`, `12.5%` |\n"
        "| N | a whole number without a unit |\n"
        "| ADDRESS | `127.0.0.1:8080`, `[::1]:8080`, `host:8080`, `*:8080`, or a port alone where "
        "that is said to be allowed |\n"
        "| URL | `redis://HOST`, then `:PORT` unless it is 6379 and `/DATABASE` unless it is 0 |\n"
        "| SECRET | `file:PATH` (the file's content without the newline at its end), `env:NAME`, "
        "or "
        "the secret itself; never shown by `-T` or in an error |\n"
        "\n"
        "A unit is required: `10` is no duration and no size. Only `0` needs none.\n"
        "\n"
        "## Errors\n"
        "\n"
        "What is unknown, misplaced, out of range, given twice, without effect or refers to "
        "nothing\n"
        "is an error. All errors of all files are shown at once (up to 200), and a configuration\n"
        "with errors is not used at all:\n"
        "\n"
        "```\n"
        "sluice.conf:2:16: error: header_timeout: '10' has no unit; expected a duration such as "
        "250ms, 10s or 5m, from 100ms to 1h\n"
        "    header_timeout 10;\n"
        "                   ^~\n"
        "```\n"
        "\n"
        "## Reloading\n"
        "\n"
        "*live* directives take effect when the configuration is reloaded; *restart* directives "
        "only\n"
        "in a new process.\n";

static void put_argument(FILE *out, const struct conf_directive *d)
{
	const char *gap = "";

	if (!d->shape) {
		fputs("—", out);
		return;
	}
	fputc('`', out);
	for (const char *const *w = d->words; w && *w; w++) {
		fprintf(out, "%s%s", gap, *w);
		gap = " \\| ";
	}
	if (*d->shape->syntax)
		fprintf(out, "%s%s", gap, d->shape->syntax);
	if (conf_directive_is_list(d))
		fputs(" ...", out);
	fputc('`', out);
}

static void put_default(FILE *out, const struct conf_directive *d)
{
	if (d->fallback)
		fprintf(out, "`%s`", d->fallback);
	else
		fputs(d->block && d->shape ? "required" : "—", out);
}

static void put_range(FILE *out, const struct conf_directive *d)
{
	char min[32], max[32];

	if (!d->shape || !d->shape->units) {
		fputs("—", out);
		return;
	}
	fprintf(out, "%s to %s", conf_units_format(d->shape->units, d->min, min, sizeof(min)),
	        conf_units_format(d->shape->units, d->max, max, sizeof(max)));
}

static void put_row(FILE *out, const struct conf_directive *d)
{
	fprintf(out, "| `%s`%s | ", d->name, d->block ? " { }" : "");
	put_argument(out, d);
	fputs(" | ", out);
	put_default(out, d);
	fputs(" | ", out);
	put_range(out, d);
	fprintf(out, " | %s | %s |\n", d->change == CONF_LIVE ? "live" : "restart", d->text);
}

static void put_context(FILE *out, unsigned context)
{
	const struct conf_directive *d;

	fputs("\n| Directive | Argument | Default | Range | Change | Meaning |\n"
	      "|---|---|---|---|---|---|\n",
	      out);
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (d->contexts & context)
			put_row(out, d);
	}
}

static void put_form(FILE *out, const struct conf_directive *d)
{
	static const char *const forms[] = {
		[CONF_BRACES] = "A block in braces.",
		[CONF_OPTIONAL] = "The block may be left out.",
		[CONF_PAIRS] = "In braces, or as pairs of name and value on the line itself.",
		[CONF_ASSIGNED] = "In braces, or as `name=value` on the line itself.",
	};

	fprintf(out, "\n%s %s", d->text, forms[d->block->form]);
	if (d->block->most > 1)
		fprintf(out, " At most %u of them.", d->block->most);
	fputc('\n', out);
}

static void put_block(FILE *out, const struct conf_directive *d)
{
	const char *gap = "";

	fprintf(out, "\n## In `%s`\n", d->name);
	put_form(out, d);
	fputs("Stands in: ", out);
	for (unsigned bit = 1; bit <= d->contexts; bit <<= 1) {
		const char *name = conf_context_name(bit);

		if (!(d->contexts & bit))
			continue;
		if (name)
			fprintf(out, "%s`%s`", gap, name);
		else
			fprintf(out, "%sthe main level", gap);
		gap = ", ";
	}
	fputs(".\n", out);
	put_context(out, d->block->inside);
}

void sl_config_document(FILE *out)
{
	const struct conf_directive *d;

	fputs(introduction, out);
	fputs("\n## At the main level\n", out);
	put_context(out, CONF_MAIN);
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (d->block)
			put_block(out, d);
	}
}

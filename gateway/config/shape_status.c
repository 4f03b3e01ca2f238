/* shape_status.c: sets of HTTP statuses: `200`, `200-299`, `200-204,429`. */
#include <stdlib.h>

#include "gateway/config/table.h"

/* A status, with out_end behind it; -1 if there is none. */
static int read_one(const char *text, const char **out_end)
{
	int status = 0;

	for (int i = 0; i < 3; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		status = status * 10 + text[i] - '0';
	}
	*out_end = text + 3;
	return status >= SL_STATUS_MIN && status <= SL_STATUS_MAX ? status : -1;
}

static bool read_set(const char *text, struct sl_status_set *out_set)
{
	struct sl_status_set set = { 0 };

	for (;; text++) {
		int from = read_one(text, &text), to = from;

		if (from >= 0 && *text == '-')
			to = read_one(text + 1, &text);
		if (from < 0 || to < from)
			return false;
		sl_status_set_add(&set, from, to);
		if (*text != ',')
			break;
	}
	if (*text)
		return false;
	*out_set = set;
	return true;
}

static bool read_statuses(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	if (read_set(word->text, field))
		return true;
	conf_mismatch(reader, word, "is no set of them");
	return false;
}

/* The end of the run of statuses that begins at `from`. */
static int run_end(const struct sl_status_set *set, int from)
{
	while (sl_status_set_has(set, from + 1))
		from++;
	return from;
}

static bool write_statuses(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_status_set *set = field;
	const char *gap = "";

	(void)d;
	for (int from = SL_STATUS_MIN; from <= SL_STATUS_MAX; from++) {
		int to;

		if (!sl_status_set_has(set, from))
			continue;
		to = run_end(set, from);
		fprintf(out, to > from ? "%s%d-%d" : "%s%d", gap, from, to);
		gap = ",";
		from = to;
	}
	return true;
}

const struct conf_shape conf_shape_statuses = {
	"STATUSES", "HTTP statuses and ranges of them, separated by commas", NULL, read_statuses,
	write_statuses
};

/* profile_file.c: see profile_file.h. */
#include "bench/whatif/profile_file.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/cli/cli.h"

struct reader {
	const char *path;
	unsigned line;
	char *err;
	size_t err_size;
	struct sl_profile profile;
};

static const struct key {
	const char *name;
	size_t at;
	bool whole; /* a uint32_t; else a double */
} keys[] = {
#define KEY(member, whole)                                                                         \
	{                                                                                          \
#member, offsetof(struct sl_profile, member), whole                                \
	}
	KEY(o_ms, false),
	KEY(b_ms_per_token2, false),
	KEY(d0_ms, false),
	KEY(d1_ms_per_token, false),
	KEY(kv_bytes_per_token, false),
	KEY(kv_capacity_tokens, false),
	KEY(chunk_tokens, true),
	KEY(max_seqs, true),
#undef KEY
};

#define ALL_KEYS ((1u << SL_COUNT(keys)) - 1)
#define LIN_KEY (1u << SL_COUNT(keys))
#define NAME_KEY (LIN_KEY << 1)

static int refuse(struct reader *r, const char *what, const char *word)
{
	snprintf(r->err, r->err_size, "%s:%u: %s%s%s%s", r->path, r->line, what, word ? " '" : "",
	         word ? word : "", word ? "'" : "");
	return SL_E_BAD_FIELD;
}

static int read_lin(struct reader *r, const char *text)
{
	struct sl_profile *p = &r->profile;

	for (size_t i = 0; i < SL_LIN_POINTS; i++) {
		text += strspn(text, " \t");
		if (!cli_read_real(text, &p->lin_tokens[i], &text) || *text != ':' ||
		    !cli_read_real(text + 1, &p->lin_ms[i], &text))
			return refuse(r, "lin wants 11 points TOKENS:MS, not", text);
		if (p->lin_ms[i] <= 0 || (i && p->lin_tokens[i] <= p->lin_tokens[i - 1]) ||
		    p->lin_tokens[i] <= 0)
			return refuse(r, "the points of lin must be positive and ascend", NULL);
	}
	if (text[strspn(text, " \t")])
		return refuse(r, "lin has more than 11 points:", text);
	return 0;
}

static int read_key(struct reader *r, const struct key *key, const char *text)
{
	const char *rest;
	double x;

	if (!cli_read_real(text, &x, &rest) || *rest || x < 0 || x > 1e12)
		return refuse(r, "is no number that makes sense:", text);
	if (key->whole && (x < 1 || x > 1e6 || x != (double)(uint32_t)x))
		return refuse(r, "is no count from 1 to 1000000:", text);
	if (key->whole)
		*(uint32_t *)((char *)&r->profile + key->at) = (uint32_t)x;
	else
		*(double *)((char *)&r->profile + key->at) = x;
	return 0;
}

static int read_name(struct reader *r, const char *text)
{
	free((char *)(uintptr_t)r->profile.name);
	r->profile.name = strdup(text);
	if (!r->profile.name)
		abort();
	return 0;
}

/* Without its comment and end. False: there is more of the line than was read. */
static bool trim(char *line, bool last)
{
	char *end = line + strcspn(line, "#\r\n");

	if (!strchr(line, '\n') && !last)
		return false;
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = '\0';
	return true;
}

/* One line, trimmed. */
static int read_line(struct reader *r, char *line, unsigned *seen)
{
	char *word = line + strspn(line, " \t"), *value;
	size_t n = strcspn(word, " \t");

	if (!*word)
		return 0;
	value = word + n + strspn(word + n, " \t");
	word[n] = '\0';
	if (!*value)
		return refuse(r, "a value is missing after", word);
	if (!strcmp(word, "name")) {
		*seen |= NAME_KEY;
		return read_name(r, value);
	}
	if (!strcmp(word, "lin")) {
		*seen |= LIN_KEY;
		return read_lin(r, value);
	}
	for (size_t i = 0; i < SL_COUNT(keys); i++)
		if (!strcmp(word, keys[i].name)) {
			*seen |= 1u << i;
			return read_key(r, &keys[i], value);
		}
	return refuse(r, "there is no key", word);
}

static int check_complete(struct reader *r, unsigned seen)
{
	if (!(seen & NAME_KEY))
		return refuse(r, "the file ends without a name", NULL);
	if (!(seen & LIN_KEY))
		return refuse(r, "the file ends without", "lin");
	for (size_t i = 0; i < SL_COUNT(keys); i++)
		if (!(seen & 1u << i))
			return refuse(r, "the file ends without", keys[i].name);
	if (r->profile.kv_capacity_tokens < 1024)
		return refuse(r, "kv_capacity_tokens is below 1024", NULL);
	if (r->profile.kv_capacity_tokens > 1e9)
		return refuse(r, "kv_capacity_tokens is above 1000000000", NULL);
	return 0;
}

int profile_file_read(const char *path, char *err, size_t err_size, struct sl_profile *out_profile)
{
	struct reader r = { .path = path, .err = err, .err_size = err_size };
	FILE *in = fopen(path, "r");
	unsigned seen = 0;
	char line[1024];
	int status = 0;

	if (!in) {
		snprintf(err, err_size, "%s: there is no such profile, and no such file", path);
		return SL_E_BAD_FIELD;
	}
	while (!status && fgets(line, sizeof(line), in)) {
		r.line++;
		status = trim(line, feof(in)) ? read_line(&r, line, &seen)
		                              : refuse(&r, "the line is too long", NULL);
	}
	fclose(in);
	if (!status)
		status = check_complete(&r, seen);
	if (status)
		profile_file_fini(&r.profile);
	else
		*out_profile = r.profile;
	return status;
}

void profile_file_fini(struct sl_profile *p)
{
	free((char *)(uintptr_t)p->name);
	p->name = NULL;
}

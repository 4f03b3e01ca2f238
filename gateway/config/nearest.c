/* nearest.c: edit distance in three rows. */
#include "gateway/config/nearest.h"

#define MAX_WORD 64

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same(char a, char b)
{
	return lower(a) == lower(b);
}

static uint32_t least(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

uint32_t conf_edit_distance(const char *a, const char *b)
{
	uint32_t rows[3][MAX_WORD + 1];
	size_t len_a = strlen(a), len_b = strlen(b);

	if (len_a > MAX_WORD || len_b > MAX_WORD)
		return UINT32_MAX;
	for (size_t j = 0; j <= len_b; j++)
		rows[0][j] = (uint32_t)j;
	for (size_t i = 1; i <= len_a; i++) {
		uint32_t *now = rows[i % 3], *last = rows[(i + 2) % 3];
		const uint32_t *before = rows[(i + 1) % 3];

		now[0] = (uint32_t)i;
		for (size_t j = 1; j <= len_b; j++) {
			now[j] = last[j - 1] + !same(a[i - 1], b[j - 1]);
			now[j] = least(now[j], least(last[j], now[j - 1]) + 1);
			if (i > 1 && j > 1 && same(a[i - 1], b[j - 2]) && same(a[i - 2], b[j - 1]))
				now[j] = least(now[j], before[j - 2] + 1);
		}
	}
	return rows[len_a % 3][len_b];
}

/* A third of the word may be wrong, at least one letter, at most three. */
static uint32_t tolerance(const char *word)
{
	size_t third = strlen(word) / 3;

	return third < 1 ? 1 : third > 3 ? 3 : (uint32_t)third;
}

void conf_nearest_init(struct conf_nearest *n, const char *word)
{
	*n = (struct conf_nearest){ .word = word, .distance = tolerance(word) + 1 };
}

/* `cert` for `certificate`: one error, that of stopping early. */
static bool is_abbreviation(const char *word, const char *candidate)
{
	size_t len = strlen(word);

	return len >= 3 && strncmp(word, candidate, len) == 0;
}

void conf_nearest_offer(struct conf_nearest *n, const char *candidate)
{
	uint32_t distance = conf_edit_distance(n->word, candidate);

	if (is_abbreviation(n->word, candidate))
		distance = least(distance, 1);

	/* A word of which every letter would change is no near word. */
	if (distance < n->distance && distance < strlen(candidate)) {
		n->best = candidate;
		n->distance = distance;
	}
}

const char *conf_nearest_of(const char *word, const char *const *words)
{
	struct conf_nearest n;

	conf_nearest_init(&n, word);
	for (; *words; words++)
		conf_nearest_offer(&n, *words);
	return n.best;
}

/* generate.c: kinds of synthetic workloads, and the reading of specs. See
 * generate.h.
 *
 * A kind is a row of defaults and a way to say what a prompt begins with.
 * Block ids are made of a namespace and a number, so that texts are equal
 * where they are meant to be and nowhere else. */
#include "bench/whatif/generate.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "bench/load/prompt.h"

#define PREFIX "synthetic:"
#define STREAM 0x67656e6572617465ull /* keeps its draws apart from other users of the seed */
#define DECODE_MS_PER_TOKEN 20.0     /* how long a chat's user waits for an answer, about */

/* Numbers of a spec; all are doubles, so that one table reads them. */
struct numbers {
	double requests, rate, seed, input, output, spread, shared, pool, zipf, turns, think, most;
};

struct generator {
	struct numbers n;
	struct sl_rng rng;
	struct sl_trace *trace;
	double *weights; /* owned; of the pool, summed up */
	uint64_t next_own;
	double clock_s;
};

struct kind {
	const char *name;
	const char *text;
	void (*make)(struct generator *g);
	struct numbers defaults;
};

struct key {
	const char *name;
	size_t at;
	double least, most;
	bool whole;
	const char *text;
};

#define AT(member) offsetof(struct numbers, member)
static const struct key keys[] = {
	{ "requests", AT(requests), 1, 10e6, true, "how many" },
	{ "rate", AT(rate), 1e-3, 1e6, false, "arrivals a second, a Poisson process" },
	{ "seed", AT(seed), 0, 9007199254740992.0, true, "of everything that is drawn" },
	{ "input", AT(input), 1, 1 << 20, false,
	  "mean tokens of a prompt (chat: of a turn) beyond what is shared" },
	{ "output", AT(output), 1, 1 << 20, false, "mean tokens of an answer" },
	{ "spread", AT(spread), 0, 2, false, "sigma of the log-normal lengths; 0: all equal" },
	{ "shared", AT(shared), 0, 1 << 20, true, "tokens of a shared prefix, in blocks of 512" },
	{ "pool", AT(pool), 1, 1e6, true, "hot: how many prefixes there are" },
	{ "zipf", AT(zipf), 0, 4, false, "hot: exponent of their popularity" },
	{ "turns", AT(turns), 1, 1000, false, "chat: mean turns of a session" },
	{ "think", AT(think), 0, 1e5, false, "chat: mean seconds between answer and next turn" },
	{ "most", AT(most), 512, SL_TRACE_MAX_TOKENS, true, "tokens of the longest prompt" },
};

/* ---- chance ----------------------------------------------------------- */

/* In (0, 1). */
static double uniform(struct generator *g)
{
	return ((double)(sl_rng_next(&g->rng) >> 12) + 0.5) / 4503599627370496.0;
}

static double exponential(struct generator *g, double mean)
{
	return -mean * log(uniform(g));
}

/* The sum of twelve is as normal as a length needs to be. */
static double normal(struct generator *g)
{
	double sum = -6;

	for (int i = 0; i < 12; i++)
		sum += uniform(g);
	return sum;
}

static uint32_t length(struct generator *g, double mean)
{
	double s = g->n.spread;
	double tokens = mean * exp(s * normal(g) - s * s / 2);

	return tokens < 1 ? 1 : tokens > g->n.most ? (uint32_t)g->n.most : (uint32_t)tokens;
}

/* ---- rows ------------------------------------------------------------- */

enum space { SPACE_OWN, SPACE_SHARED };

/* Replays read ids as doubles, too: 53 bits. */
static uint64_t block_id(enum space space, uint64_t of, uint32_t position)
{
	return (uint64_t)space << 52 | (of & 0xffffffffu) << 14 | position;
}

/* A prompt whose first blocks are the shared-th prefix, the rest `own`'s. */
static void add_row(struct generator *g, double at_s, uint64_t shared, uint64_t own,
                    uint64_t session, uint32_t input, uint32_t output)
{
	uint32_t in_prefix = (uint32_t)g->n.shared / SL_TRACE_BLOCK_TOKENS;
	uint64_t *blocks;
	struct sl_trace_row *row = sl_trace_add(g->trace, input, &blocks);

	row->at_us = (int64_t)(at_s * 1e6);
	row->output_tokens = output;
	row->session = session;
	for (uint32_t i = 0; i < row->n_blocks; i++)
		blocks[i] = i < in_prefix ? block_id(SPACE_SHARED, shared, i)
		                          : block_id(SPACE_OWN, own, i);
}

static uint32_t prompt_tokens(const struct generator *g, double beyond)
{
	double tokens = g->n.shared + beyond;

	return tokens > g->n.most ? (uint32_t)g->n.most : (uint32_t)tokens;
}

static bool is_full(const struct generator *g)
{
	return g->trace->n_rows >= (size_t)g->n.requests;
}

static void add_single(struct generator *g, uint64_t shared)
{
	uint32_t input = prompt_tokens(g, length(g, g->n.input));

	g->clock_s += exponential(g, 1 / g->n.rate);
	add_row(g, g->clock_s, shared, g->next_own++, 0, input, length(g, g->n.output));
}

/* ---- kinds ------------------------------------------------------------ */

/* One prefix for all, of any length, 0 too. */
static void make_plain(struct generator *g)
{
	while (!is_full(g))
		add_single(g, 0);
}

static void weigh_pool(struct generator *g)
{
	size_t n = (size_t)g->n.pool;
	double sum = 0;

	g->weights = calloc(n, sizeof(*g->weights));
	if (!g->weights)
		abort();
	for (size_t i = 0; i < n; i++)
		g->weights[i] = sum += exp(-g->n.zipf * log((double)(i + 1)));
}

static uint64_t draw_of_pool(struct generator *g)
{
	size_t low = 0, high = (size_t)g->n.pool - 1;
	double x = uniform(g) * g->weights[high];

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (g->weights[mid] < x)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static void make_hot(struct generator *g)
{
	weigh_pool(g);
	while (!is_full(g))
		add_single(g, draw_of_pool(g));
}

/* Each turn's prompt is the one before, its answer, and something new. */
static void add_session(struct generator *g, double at_s)
{
	uint64_t own = g->next_own++;
	uint32_t turns = 1 + (uint32_t)exponential(g, g->n.turns - 0.5);
	double history = 0;

	for (uint32_t i = 0; i < turns && !is_full(g); i++) {
		uint32_t output = length(g, g->n.output);

		history += length(g, g->n.input);
		if (g->n.shared + history > g->n.most)
			break;
		add_row(g, at_s, 0, own, own + 1, prompt_tokens(g, history), output);
		history += output;
		at_s += output * DECODE_MS_PER_TOKEN / 1e3 + exponential(g, g->n.think);
	}
}

static int by_time(const void *a, const void *b)
{
	const struct sl_trace_row *x = a, *y = b;

	if (x->at_us != y->at_us)
		return x->at_us < y->at_us ? -1 : 1;
	return x->first_block < y->first_block ? -1 : x->first_block > y->first_block;
}

static void make_chat(struct generator *g)
{
	while (!is_full(g)) {
		g->clock_s += exponential(g, g->n.turns / g->n.rate);
		add_session(g, g->clock_s);
	}
	qsort(g->trace->rows, g->trace->n_rows, sizeof(*g->trace->rows), by_time);
}

#define COMMON .requests = 5000, .rate = 20, .seed = 1, .spread = 0.6, .most = 32768
static const struct kind kinds[] = {
	{ "shared",
	  "every request begins with the same 8 KiB",
	  make_plain,
	  { COMMON, .input = 512, .output = 256, .shared = 2048 } },
	{ "hot",
	  "a small pool of long prefixes, some far more popular than others",
	  make_hot,
	  { COMMON, .input = 512, .output = 256, .shared = 4096, .pool = 32, .zipf = 1 } },
	{ "chat",
	  "sessions that grow turn by turn, behind one system prompt",
	  make_chat,
	  { COMMON, .input = 128, .output = 256, .shared = 512, .turns = 6, .think = 20 } },
	{ "short",
	  "short questions, short answers, nothing shared",
	  make_plain,
	  { COMMON, .input = 128, .output = 64 } },
	{ "long",
	  "long documents, nothing shared",
	  make_plain,
	  { .requests = 2000,
	    .rate = 2,
	    .seed = 1,
	    .spread = 0.6,
	    .most = 131072,
	    .input = 16384,
	    .output = 384 } },
};

/* ---- specs ------------------------------------------------------------ */

static int SL_PRINTF(3, 4) complain(char *err, size_t err_size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, err_size, fmt, args);
	va_end(args);
	return SL_E_BAD_FIELD;
}

static const struct kind *find_kind(struct sl_span name)
{
	for (size_t i = 0; i < SL_COUNT(kinds); i++)
		if (sl_span_eq(name, sl_span_str(kinds[i].name)))
			return &kinds[i];
	return NULL;
}

/* A kind has the keys that it has a default for. */
static const struct key *find_key(struct sl_span name, const struct kind *kind)
{
	for (size_t i = 0; i < SL_COUNT(keys); i++) {
		const char *at = (const char *)&kind->defaults + keys[i].at;
		bool own = keys[i].at >= AT(pool) && keys[i].at <= AT(think);

		if (sl_span_eq(name, sl_span_str(keys[i].name)))
			return own && *(const double *)at == 0 ? NULL : &keys[i];
	}
	return NULL;
}

static bool read_number(const struct key *key, const char *text, const char *end, double *out_x)
{
	char *stop;
	double x;

	errno = 0;
	x = strtod(text, &stop);
	if (stop == text || stop != end || errno || !(x >= key->least && x <= key->most) ||
	    (key->whole && x != floor(x)))
		return false;
	*out_x = x;
	return true;
}

/* `shared` is in whole blocks: half a block that is shared is none. */
static int read_pair(const char *text, size_t len, const struct kind *kind, struct numbers *n,
                     char *err, size_t err_size)
{
	const char *equals = memchr(text, '=', len);
	const struct key *key;

	if (!equals)
		return complain(err, err_size, PREFIX "%s: expected key=value, not '%.*s'",
		                kind->name, (int)len, text);
	key = find_key(sl_span(text, (size_t)(equals - text)), kind);
	if (!key)
		return complain(err, err_size, PREFIX "%s has no '%.*s'", kind->name,
		                (int)(equals - text), text);
	if (!read_number(key, equals + 1, text + len, (double *)((char *)n + key->at)))
		return complain(err, err_size,
		                PREFIX "%s: %s must be a %snumber from %.15g to %.15g", kind->name,
		                key->name, key->whole ? "whole " : "", key->least, key->most);
	if (key->at == AT(shared))
		n->shared = floor(n->shared / SL_TRACE_BLOCK_TOKENS) * SL_TRACE_BLOCK_TOKENS;
	return 0;
}

static int read_spec(const char *text, const struct kind **out_kind, struct numbers *out_n,
                     char *err, size_t err_size)
{
	size_t len = strcspn(text, ",");
	const struct kind *kind = find_kind(sl_span(text, len));
	int code = 0;

	if (!kind)
		return complain(err, err_size, "no synthetic workload '%.*s'", (int)len, text);
	*out_kind = kind;
	*out_n = kind->defaults;
	for (text += len; *text == ',' && !code; text += len) {
		text++;
		len = strcspn(text, ",");
		code = read_pair(text, len, kind, out_n, err, err_size);
	}
	if (!code && out_n->shared >= out_n->most)
		code = complain(err, err_size, PREFIX "%s: shared must be less than most",
		                kind->name);
	return code;
}

bool generate_is_spec(const char *text)
{
	return !strncmp(text, PREFIX, sizeof(PREFIX) - 1);
}

int generate_trace(const char *spec, char *err, size_t err_size, struct sl_trace *out_trace)
{
	struct sl_trace trace = { .format = SL_TRACE_SYNTHETIC };
	struct generator g = { .trace = &trace };
	const struct kind *kind = NULL;
	int code;

	code = read_spec(spec + sizeof(PREFIX) - 1, &kind, &g.n, err, err_size);
	if (code)
		return code;
	g.rng = sl_prompt_rng((uint64_t)g.n.seed, STREAM);
	kind->make(&g);
	free(g.weights);
	*out_trace = trace;
	return 0;
}

void generate_help(FILE *out)
{
	fputs("synthetic workloads: " PREFIX "KIND[,key=value...]\n", out);
	for (size_t i = 0; i < SL_COUNT(kinds); i++)
		fprintf(out, "  %-10s %s\n", kinds[i].name, kinds[i].text);
	fputs("keys:\n", out);
	for (size_t i = 0; i < SL_COUNT(keys); i++)
		fprintf(out, "  %-10s %s\n", keys[i].name, keys[i].text);
}

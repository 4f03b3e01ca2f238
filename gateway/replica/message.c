/* message.c: see message.h. */
#include "gateway/replica/message.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define HASH_BYTES 8u
#define MICRO 1e6
/* Far beyond what any gateway has, far below where sums overflow. */
#define MOST_REQUESTS 10000000u
#define MOST_SUM UINT64_C(1000000000000000)
#define MOST_MICROTOKENS 100000000u

/* ---- reading ---------------------------------------------------------- */

struct cursor {
	const char *at, *end;
	bool bad;
};

static struct sl_span take_until(struct cursor *c, char stop)
{
	const char *found = memchr(c->at, stop, (size_t)(c->end - c->at));
	struct sl_span word = { c->at, 0 };

	if (!found) {
		c->bad = true;
		c->at = c->end;
		return word;
	}
	word.len = (size_t)(found - c->at);
	c->at = found + 1;
	return word;
}

/* A number in one spelling: no sign, no leading zero, no blank. */
static uint64_t take_number(struct cursor *c, char stop, uint64_t most)
{
	struct sl_span word = take_until(c, stop);
	uint64_t n = 0;

	if (word.len < 1 || word.len > 19 || (word.len > 1 && word.ptr[0] == '0'))
		c->bad = true;
	for (size_t i = 0; i < word.len && !c->bad; i++) {
		if (word.ptr[i] < '0' || word.ptr[i] > '9')
			c->bad = true;
		n = n * 10 + (uint64_t)(word.ptr[i] - '0');
	}
	if (n > most)
		c->bad = true;
	return n;
}

static uint64_t take_replica(struct cursor *c)
{
	struct sl_span word = take_until(c, ' ');
	uint64_t n = 0;

	if (word.len != 16)
		c->bad = true;
	for (size_t i = 0; i < word.len && !c->bad; i++) {
		const char *digits = "0123456789abcdef";
		const char *digit = word.ptr[i] ? strchr(digits, word.ptr[i]) : NULL;

		if (!digit)
			c->bad = true;
		else
			n = n << 4 | (uint64_t)(digit - digits);
	}
	return n;
}

static struct sl_span take_endpoint(struct cursor *c)
{
	struct sl_span name = take_until(c, '\n');

	if (name.len < 1 || name.len > MESSAGE_NAME_MAX)
		c->bad = true;
	return name;
}

static void take_head(struct cursor *c, struct message_head *head)
{
	struct sl_span word = take_until(c, ' '), kind;

	if (!sl_span_eq(word, SL_SPAN("sluice")) || take_number(c, ' ', 1) != 1)
		c->bad = true;
	head->replica = take_replica(c);
	head->sequence = take_number(c, ' ', UINT64_MAX);
	kind = take_until(c, '\n');
	if (kind.len != 1 || !memchr("FDB", kind.ptr[0], 3))
		c->bad = true;
	head->kind = c->bad ? MESSAGE_DELTA : (enum message_kind)kind.ptr[0];
}

static void take_load(struct cursor *c, const struct message_events *events, void *ctx)
{
	struct sl_span endpoint;
	struct sl_load load;

	load.inflight = (uint32_t)take_number(c, ' ', MOST_REQUESTS);
	load.prefilling = (uint32_t)take_number(c, ' ', MOST_REQUESTS);
	load.seqs = (uint32_t)take_number(c, ' ', MOST_REQUESTS);
	load.queue_us = take_number(c, ' ', MOST_SUM);
	load.context_tokens = take_number(c, ' ', MOST_SUM);
	endpoint = take_endpoint(c);
	if (events && !c->bad)
		events->load(ctx, endpoint, &load);
}

static void take_ejected(struct cursor *c, const struct message_events *events, void *ctx)
{
	struct sl_span endpoint = take_endpoint(c);

	if (events && !c->bad)
		events->ejected(ctx, endpoint);
}

static void take_prompt(struct cursor *c, const struct message_events *events, void *ctx)
{
	double density = (double)take_number(c, ' ', MOST_MICROTOKENS) / MICRO;
	uint32_t n = (uint32_t)take_number(c, ' ', SL_MAX_SHARED_BLOCKS);
	struct sl_span endpoint = take_endpoint(c);
	uint64_t hashes[SL_MAX_SHARED_BLOCKS];
	size_t len = (size_t)n * HASH_BYTES;

	if (n < 1 || (size_t)(c->end - c->at) <= len || c->at[len] != '\n')
		c->bad = true;
	if (c->bad)
		return;
	if (events) {
		memcpy(hashes, c->at, len);
		events->prompt(ctx, endpoint, hashes, n, density);
	}
	c->at += len + 1;
}

static void take_lines(struct cursor *c, const struct message_events *events, void *ctx)
{
	while (c->at < c->end && !c->bad) {
		struct sl_span word = take_until(c, ' ');

		switch (word.len == 1 ? word.ptr[0] : 0) {
		case 'L':
			take_load(c, events, ctx);
			break;
		case 'E':
			take_ejected(c, events, ctx);
			break;
		case 'P':
			take_prompt(c, events, ctx);
			break;
		default:
			c->bad = true;
		}
	}
}

bool message_check(struct sl_span text, struct message_head *out_head)
{
	struct cursor c = { text.ptr, text.ptr + text.len, text.len > MESSAGE_MAX };
	struct message_head head;

	take_head(&c, &head);
	if (!c.bad)
		take_lines(&c, NULL, NULL);
	if (!c.bad)
		*out_head = head;
	return !c.bad;
}

void message_read(struct sl_span text, const struct message_events *events, void *ctx)
{
	struct cursor c = { text.ptr, text.ptr + text.len, false };
	struct message_head head;

	take_head(&c, &head);
	take_lines(&c, events, ctx);
}

/* ---- writing ---------------------------------------------------------- */

void message_buffer_fini(struct message_buffer *b)
{
	free(b->text);
	*b = (struct message_buffer){ 0 };
}

/* Its size is bounded by the configuration's endpoints and by the block log. */
static void reserve(struct message_buffer *b, size_t more)
{
	while (b->cap - b->len < more)
		b->cap = b->cap ? b->cap * 2 : 4096;
	b->text = realloc(b->text, b->cap);
	if (!b->text)
		abort();
}

static void add(struct message_buffer *b, const char *format, ...) SL_PRINTF(2, 3);

static void add(struct message_buffer *b, const char *format, ...)
{
	va_list args;

	reserve(b, 160 + MESSAGE_NAME_MAX);
	va_start(args, format);
	b->len += (size_t)vsnprintf(b->text + b->len, b->cap - b->len, format, args);
	va_end(args);
}

void message_begin(struct message_buffer *b, const struct message_head *head)
{
	b->len = 0;
	add(b, "sluice 1 %016" PRIx64 " %" PRIu64 " %c\n", head->replica, head->sequence,
	    (char)head->kind);
}

static uint64_t at_most(uint64_t n, uint64_t most)
{
	return n < most ? n : most;
}

void message_add_load(struct message_buffer *b, const char *endpoint, const struct sl_load *load)
{
	add(b, "L %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
	    at_most(load->inflight, MOST_REQUESTS), at_most(load->prefilling, MOST_REQUESTS),
	    at_most(load->seqs, MOST_REQUESTS), at_most(load->queue_us, MOST_SUM),
	    at_most(load->context_tokens, MOST_SUM), endpoint);
}

void message_add_ejected(struct message_buffer *b, const char *endpoint)
{
	add(b, "E %s\n", endpoint);
}

void message_add_prompt(struct message_buffer *b, const char *endpoint, const uint64_t *hashes,
                        uint32_t n, double tokens_per_byte)
{
	size_t len = (size_t)n * HASH_BYTES;

	add(b, "P %" PRIu64 " %" PRIu32 " %s\n",
	    at_most((uint64_t)(tokens_per_byte * MICRO), MOST_MICROTOKENS), n, endpoint);
	reserve(b, len + 1);
	memcpy(b->text + b->len, hashes, len);
	b->len += len;
	b->text[b->len++] = '\n';
}

/* scan_help.h: scans a text in one call or in pieces, and compares results.
 * Included after cmocka.h. */
#ifndef SLUICE_TESTS_SCAN_HELP_H
#define SLUICE_TESTS_SCAN_HELP_H

#include <stdlib.h>

#include "sluice/scan.h"

#define SCANNED_BLOCKS 512

/* A result that outlives the scanner. */
struct scanned {
	int err;
	size_t offset;
	const char *field;
	struct sl_facts facts;
	struct sl_block blocks[SCANNED_BLOCKS];
};

static inline void keep_result(struct sl_scan *scan, int err, struct scanned *out)
{
	memset(out, 0, sizeof(*out));
	out->err = err;
	out->offset = err ? sl_scan_offset(scan) : 0;
	out->field = err ? sl_scan_field(scan) : "";
}

static inline void finish_scan(struct sl_scan *scan, const char *body, struct scanned *out)
{
	struct sl_facts facts;
	int err = sl_scan_finish(scan, body, &facts);

	keep_result(scan, err, out);
	if (err)
		return;
	out->facts = facts;
	assert_true(facts.n_blocks <= SCANNED_BLOCKS);
	for (uint32_t i = 0; i < facts.n_blocks; i++)
		out->blocks[i] = facts.blocks[i];
	out->facts.blocks = NULL;
}

static inline void scan_text(enum sl_api api, const char *text, size_t len, struct scanned *out)
{
	struct sl_scan *scan = sl_scan_new();
	int err;

	sl_scan_reset(scan, api);
	err = sl_scan_feed(scan, text, 0, len);
	if (err)
		keep_result(scan, err, out);
	else
		finish_scan(scan, text, out);
	sl_scan_free(scan);
}

/* In pieces of 1 to `most` bytes. Before each the body moves to new memory of
 * just its length, so that a look at what has not arrived is an error. */
static inline void scan_pieces(enum sl_api api, const char *text, size_t len, size_t most,
                               uint64_t seed, struct scanned *out)
{
	struct sl_scan *scan = sl_scan_new();
	struct sl_rng rng = { seed };
	char *body = malloc(1);
	size_t at = 0;
	int err = 0;

	sl_scan_reset(scan, api);
	while (at < len && !err) {
		size_t take = 1 + sl_rng_next(&rng) % most;
		char *moved;

		take = take < len - at ? take : len - at;
		moved = malloc(at + take);
		memcpy(moved, text, at + take);
		free(body);
		body = moved;
		err = sl_scan_feed(scan, body, at, take);
		at += take;
	}
	if (err)
		keep_result(scan, err, out);
	else
		finish_scan(scan, body, out);
	free(body);
	sl_scan_free(scan);
}

static inline void expect_same_member(const struct sl_member *a, const struct sl_member *b)
{
	assert_int_equal(a->key_off, b->key_off);
	assert_int_equal(a->value_off, b->value_off);
	assert_int_equal(a->value_end, b->value_end);
	assert_int_equal(a->kind, b->kind);
}

/* Same blocks, and each after the first `n` is not asked for. */
static inline uint32_t shared_blocks(const struct scanned *a, const struct scanned *b)
{
	uint32_t n = 0;

	while (n < a->facts.n_blocks && n < b->facts.n_blocks &&
	       a->blocks[n].hash == b->blocks[n].hash &&
	       a->blocks[n].end_bytes == b->blocks[n].end_bytes)
		n++;
	return n;
}

static inline void expect_same(const struct scanned *a, const struct scanned *b)
{
	const struct sl_facts *x = &a->facts;
	const struct sl_facts *y = &b->facts;

	assert_int_equal(a->err, b->err);
	assert_int_equal(a->offset, b->offset);
	assert_string_equal(a->field, b->field);
	for (int f = 0; f < SL_F_COUNT; f++)
		expect_same_member(&x->member[f], &y->member[f]);
	assert_int_equal(x->body_len, y->body_len);
	assert_int_equal(x->object_off, y->object_off);
	assert_int_equal(x->object_empty, y->object_empty);
	assert_int_equal(x->stream, y->stream);
	assert_int_equal(x->include_usage, y->include_usage);
	assert_int_equal(x->multimodal, y->multimodal);
	assert_int_equal(x->has_tools, y->has_tools);
	assert_int_equal(x->structured, y->structured);
	assert_int_equal(x->token_prompt, y->token_prompt);
	assert_int_equal(x->prompts, y->prompts);
	assert_int_equal(x->n, y->n);
	assert_int_equal(x->max_tokens, y->max_tokens);
	assert_int_equal(x->turns, y->turns);
	assert_int_equal(x->prompt_bytes, y->prompt_bytes);
	assert_int_equal(x->prompt_tokens_exact, y->prompt_tokens_exact);
	assert_int_equal(x->n_blocks, y->n_blocks);
	assert_int_equal(shared_blocks(a, b), x->n_blocks);
}

#endif

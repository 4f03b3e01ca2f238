/* scan_facts.c: after the last byte, what the members say together. */
#include "routing/scan_state.h"
#include "routing/simd.h"

static const struct sl_member *member(const struct sl_scan *scan, enum sl_field f)
{
	return &scan->facts.member[f];
}

/* Present, and not null. */
static bool given(const struct sl_scan *scan, enum sl_field f)
{
	return member(scan, f)->kind > SL_J_NULL;
}

static uint64_t value_hash(const struct sl_scan *scan, enum sl_field f)
{
	const struct sl_member *m = member(scan, f);

	return given(scan, f) ? simd->hash(scan->body + m->value_off, m->value_end - m->value_off)
	                      : 0;
}

/* The value of a plain integer. False for 1.0, 1e2, "1" and what does not fit
 * into 63 bits: there the engine is the judge. */
static bool plain_integer(const struct sl_scan *scan, enum sl_field f, int64_t *out_value)
{
	const struct sl_member *m = member(scan, f);
	uint32_t i = m->value_off;
	bool negative;
	int64_t value = 0;

	if (m->kind != SL_J_NUMBER)
		return false;
	negative = scan->body[i] == '-';
	for (i += negative; i < m->value_end; i++) {
		int digit = scan->body[i] - '0';

		if (digit < 0 || digit > 9 || value > (INT64_MAX - digit) / 10)
			return false;
		value = value * 10 + digit;
	}
	*out_value = negative ? -value : value;
	return true;
}

static int64_t max_tokens(const struct sl_scan *scan)
{
	enum sl_field f = given(scan, SL_F_MAX_COMPLETION_TOKENS) ? SL_F_MAX_COMPLETION_TOKENS
	                                                          : SL_F_MAX_TOKENS;
	int64_t value;

	return plain_integer(scan, f, &value) ? value : -1;
}

static uint32_t choices(const struct sl_scan *scan)
{
	int64_t value;

	if (!plain_integer(scan, SL_F_N, &value) || value < 1 || value > UINT32_MAX)
		return 1;
	return (uint32_t)value;
}

static bool is_filled_array(const struct sl_scan *scan, enum sl_field f)
{
	const struct sl_member *m = member(scan, f);
	uint32_t i = m->value_off + 1;

	if (m->kind != SL_J_ARRAY)
		return false;
	while (scan_is_space(scan->body[i]))
		i++;
	return scan->body[i] != ']';
}

static uint64_t seed(const struct sl_scan *scan)
{
	uint64_t model = value_hash(scan, SL_F_MODEL);
	uint64_t salt = value_hash(scan, SL_F_CACHE_SALT);
	uint64_t tools = scan->facts.has_tools ? scan->tools : 0;

	return chain_mix(chain_mix(model, salt), chain_mix(tools, scan->system));
}

static void count_prompts(struct sl_scan *scan)
{
	struct sl_facts *facts = &scan->facts;
	uint32_t batch = scan->texts + scan->lists;

	facts->prompts = batch ? batch : 1;
	facts->token_prompt = scan->tokens > 0 && scan->texts == 0;
	facts->prompt_tokens_exact = facts->token_prompt ? scan->tokens : 0;
}

void scan_conclude(struct sl_scan *scan)
{
	struct sl_facts *facts = &scan->facts;
	const struct sl_member *stream = member(scan, SL_F_STREAM);

	facts->body_len = scan->len;
	facts->stream = stream->kind == SL_J_BOOL && scan->body[stream->value_off] == 't';
	facts->has_tools = is_filled_array(scan, SL_F_TOOLS);
	facts->structured = (given(scan, SL_F_RESPONSE_FORMAT) && !scan->format_text) ||
	                    given(scan, SL_F_STRUCTURED_OUTPUTS) || scan->guided;
	facts->n = choices(scan);
	facts->max_tokens = max_tokens(scan);
	count_prompts(scan);

	facts->prompt_hash = chain_seal(&scan->chain, seed(scan));
	facts->prompt_bytes = chain_bytes(&scan->chain);
	facts->blocks = scan->chain.blocks;
	facts->n_blocks = scan->chain.n_blocks;
}

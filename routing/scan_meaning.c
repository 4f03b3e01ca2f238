/* scan_meaning.c: what each value of a request is for the gateway.
 *
 * The table `rules` says, for a value of each meaning, what its items and
 * members mean, whether its string is a segment of the prompt stream, whether
 * it is digested, and what else is done with it.
 *
 * The prompt stream: a message's content goes into it as it stands in the
 * body, escapes and all. The other members of a message, and of a content
 * part, are digested one by one; the sum of their digests, in which order
 * does not count, is the marker that closes the message or part. Behind the
 * marker the stream is filled up by as many bytes as those members had,
 * because tool calls are prompt like any text; an image, whose base64 says
 * nothing of its tokens, fills at most IMAGE_BYTES.
 *
 * A digest mixes the hashes of a value's tokens, so that white space between
 * them does not count; null is the same as absent. Everything here is a hint
 * for placement: what an engine thinks of a malformed message is its word. */
#include "routing/scan_state.h"
#include "routing/simd.h"

/* An image is some 85 to 1,500 tokens in the models at hand: 1,000 of 4 bytes. */
#define IMAGE_BYTES 4096u

/* What a marker closes. */
#define MARK_PART 0x70617274u    /* "part" */
#define MARK_MESSAGE 0x6d657367u /* "mesg" */
#define MARK_PROMPT 0x70726d74u  /* "prmt" */

enum {
	STREAM = 1, /* its string is a segment of the prompt */
	DIGEST = 2,
};

struct key_rule {
	const char *key;
	uint8_t len;
	uint8_t meaning;
};

struct rule {
	uint8_t flags;
	uint8_t item;                /* meaning of an array's items */
	uint8_t other;               /* meaning of members not in keys */
	const struct key_rule *keys; /* of an object; ends with a NULL key */
	void (*begin)(struct sl_scan *scan);
	void (*end)(struct sl_scan *scan, uint32_t end);
};

#define KEY(text, mean)                                                                            \
	{                                                                                          \
		text, sizeof(text) - 1, mean                                                       \
	}
#define KEYS_END                                                                                   \
	{                                                                                          \
		NULL, 0, 0                                                                         \
	}

static const struct key_rule message_keys[] = {
	KEY("role", MEAN_MESSAGE_ROLE),
	KEY("content", MEAN_CONTENT),
	KEYS_END,
};
static const struct key_rule part_keys[] = {
	KEY("type", MEAN_PART_TYPE),
	KEY("text", MEAN_PART_TEXT),
	KEYS_END,
};
static const struct key_rule stream_options_keys[] = {
	KEY("include_usage", MEAN_INCLUDE_USAGE),
	KEYS_END,
};
static const struct key_rule response_format_keys[] = {
	KEY("type", MEAN_FORMAT_TYPE),
	KEYS_END,
};

#define WORD(text)                                                                                 \
	{                                                                                          \
		text, sizeof(text) - 1                                                             \
	}

/* ---- what the meanings do ---------------------------------------------- */

/* The text of the string at hand is one of these words; the last is empty. */
static bool is_word(const struct sl_scan *scan, uint32_t end, const struct sl_span *words)
{
	const char *text = scan->body + scan->token_off + 1;
	size_t len = end - scan->token_off - 2;

	if (scan->kind != SL_J_STRING)
		return false;
	for (; words->len; words++)
		if (words->len == len && !memcmp(words->ptr, text, len))
			return true;
	return false;
}

static bool is_true(const struct sl_scan *scan)
{
	return scan->kind == SL_J_BOOL && scan->body[scan->token_off] == 't';
}

/* Of a value that its meaning names, whatever its key's spelling. */
static void begin_digest(struct sl_scan *scan)
{
	scan->digest = scan->meaning;
	scan->digest_bytes = 0;
}

static void end_tools(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	scan->tools = scan->digest;
}

static void end_system(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	if (scan->kind != SL_J_NULL)
		scan->system += scan->digest;
}

static void add_digest(struct sl_scan *scan, struct scan_sum *sum, bool is_prompt)
{
	if (scan->kind == SL_J_NULL)
		return;
	sum->sum += scan->digest;
	sum->bytes += is_prompt ? scan->digest_bytes : 0;
}

static void begin_message(struct sl_scan *scan)
{
	scan->message = (struct scan_sum){ 0 };
}

static void end_message(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	chain_mark(&scan->chain, chain_mix(scan->message.sum, MARK_MESSAGE), scan->message.bytes);
}

static void end_message_role(struct sl_scan *scan, uint32_t end)
{
	static const struct sl_span assistant[] = { WORD("assistant"), WORD("") };

	scan->facts.turns += is_word(scan, end, assistant);
	add_digest(scan, &scan->message, false);
}

static void end_message_other(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	add_digest(scan, &scan->message, true);
}

static void begin_part(struct sl_scan *scan)
{
	scan->part = (struct scan_sum){ 0 };
	scan->media = false;
}

static void end_part(struct sl_scan *scan, uint32_t end)
{
	uint64_t fill = scan->part.bytes;

	(void)end;
	if (scan->media && fill > IMAGE_BYTES)
		fill = IMAGE_BYTES;
	chain_mark(&scan->chain, chain_mix(scan->part.sum, MARK_PART), fill);
}

static void end_part_type(struct sl_scan *scan, uint32_t end)
{
	/* Words only, in the dialects of chat completions, responses and messages. */
	static const struct sl_span textual[] = {
		WORD("text"),
		WORD("input_text"),
		WORD("output_text"),
		WORD("refusal"),
		WORD("reasoning_text"),
		WORD("thinking"),
		WORD("redacted_thinking"),
		WORD("tool_use"),
		WORD("tool_result"),
		WORD(""),
	};

	add_digest(scan, &scan->part, false);
	scan->media = scan->kind == SL_J_STRING && !is_word(scan, end, textual);
	scan->facts.multimodal |= scan->media;
}

static void end_part_other(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	add_digest(scan, &scan->part, true);
}

/* A token id as four bytes. What is no such id leaves the judgement to the
 * engine and any four bytes to the chain. */
static void end_token(struct sl_scan *scan, uint32_t end)
{
	const char *text = scan->body + scan->token_off;
	size_t len = end - scan->token_off;
	uint64_t value = 0;
	uint32_t id;

	if (scan->kind != SL_J_NUMBER)
		return;
	for (size_t i = 0; i < len && i < 10 && value != UINT64_MAX; i++)
		value = text[i] >= '0' && text[i] <= '9' ? value * 10 + (uint64_t)(text[i] - '0')
		                                         : UINT64_MAX;
	if (len > 10 || value > UINT32_MAX)
		value = simd->hash(text, len);
	id = (uint32_t)value;
	chain_append(&scan->chain, &id, sizeof(id));
	scan->tokens++;
}

static void begin_prompt_item(struct sl_scan *scan)
{
	begin_message(scan);
	scan->texts += scan->kind == SL_J_STRING;
	scan->lists += scan->kind == SL_J_ARRAY;
}

/* One prompt of a batch, one token of a single prompt, or one message. */
static void end_prompt_item(struct sl_scan *scan, uint32_t end)
{
	if (scan->kind == SL_J_NUMBER)
		end_token(scan, end);
	else if (scan->kind == SL_J_OBJECT)
		end_message(scan, end);
	else
		chain_mark(&scan->chain, MARK_PROMPT, 0);
}

static void end_include_usage(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	scan->facts.include_usage = is_true(scan);
}

static void end_format_type(struct sl_scan *scan, uint32_t end)
{
	static const struct sl_span text[] = { WORD("text"), WORD("") };

	scan->format_text = is_word(scan, end, text);
}

static void end_guided(struct sl_scan *scan, uint32_t end)
{
	(void)end;
	scan->guided |= scan->kind != SL_J_NULL;
}

#define DIGESTED .flags = DIGEST, .item = MEAN_DIGEST, .other = MEAN_DIGEST

static const struct rule rules[MEAN_COUNT] = {
	[MEAN_DIGEST] = { DIGESTED },
	[MEAN_TOOLS] = { DIGESTED, .begin = begin_digest, .end = end_tools },
	[MEAN_SYSTEM] = { DIGESTED, .begin = begin_digest, .end = end_system },
	[MEAN_MESSAGES] = { .item = MEAN_MESSAGE },
	[MEAN_MESSAGE] = { .other = MEAN_MESSAGE_OTHER,
	                   .keys = message_keys,
	                   .begin = begin_message,
	                   .end = end_message },
	[MEAN_MESSAGE_ROLE] = { DIGESTED, .begin = begin_digest, .end = end_message_role },
	[MEAN_MESSAGE_OTHER] = { DIGESTED, .end = end_message_other },
	[MEAN_CONTENT] = { .flags = STREAM, .item = MEAN_PART },
	[MEAN_PART] = { .flags = STREAM,
	                .other = MEAN_PART_OTHER,
	                .keys = part_keys,
	                .begin = begin_part,
	                .end = end_part },
	[MEAN_PART_TEXT] = { .flags = STREAM },
	[MEAN_PART_TYPE] = { DIGESTED, .begin = begin_digest, .end = end_part_type },
	[MEAN_PART_OTHER] = { DIGESTED, .end = end_part_other },
	[MEAN_PROMPT] = { .flags = STREAM, .item = MEAN_PROMPT_ITEM },
	[MEAN_PROMPT_ITEM] = { .flags = STREAM,
	                       .item = MEAN_TOKEN,
	                       .other = MEAN_MESSAGE_OTHER,
	                       .keys = message_keys,
	                       .begin = begin_prompt_item,
	                       .end = end_prompt_item },
	[MEAN_TOKEN] = { .end = end_token },
	[MEAN_STREAM_OPTIONS] = { .keys = stream_options_keys },
	[MEAN_INCLUDE_USAGE] = { .end = end_include_usage },
	[MEAN_RESPONSE_FORMAT] = { .keys = response_format_keys },
	[MEAN_FORMAT_TYPE] = { .end = end_format_type },
	[MEAN_GUIDED] = { .end = end_guided },
};

/* ---- top-level members -------------------------------------------------- */

#define ON_ALL_PATHS                                                                               \
	[SL_F_TOOLS] = MEAN_TOOLS, [SL_F_STREAM_OPTIONS] = MEAN_STREAM_OPTIONS,                    \
	[SL_F_RESPONSE_FORMAT] = MEAN_RESPONSE_FORMAT

static const uint8_t top_meanings[][SL_F_COUNT] = {
	[SL_API_CHAT] = { ON_ALL_PATHS, [SL_F_MESSAGES] = MEAN_MESSAGES },
	[SL_API_COMPLETIONS] = { ON_ALL_PATHS, [SL_F_PROMPT] = MEAN_PROMPT },
	[SL_API_EMBEDDINGS] = { ON_ALL_PATHS, [SL_F_INPUT] = MEAN_PROMPT },
	[SL_API_OTHER] = { ON_ALL_PATHS, [SL_F_MESSAGES] = MEAN_MESSAGES,
	                   [SL_F_PROMPT] = MEAN_PROMPT, [SL_F_INPUT] = MEAN_PROMPT },
};

/* Members that are read but may be duplicated: none of them is ever edited. */
static uint8_t unlisted_meaning(const struct sl_scan *scan, const char *key, size_t len)
{
	if (len > 7 && !memcmp(key, "guided_", 7))
		return MEAN_GUIDED;
	if (scan->api == SL_API_OTHER && ((len == 6 && !memcmp(key, "system", 6)) ||
	                                  (len == 12 && !memcmp(key, "instructions", 12))))
		return MEAN_SYSTEM;
	return MEAN_SKIP;
}

/* For a key that is written with escapes. */
__attribute__((noinline)) static enum sl_field find_escaped(struct sl_scan *scan, const char *key,
                                                            size_t len)
{
	char decoded[SCAN_KEY_MAX];
	size_t n = scan_key_decode(key, len, decoded);

	scan->meaning = unlisted_meaning(scan, decoded, n);
	return scan_field_find(decoded, n);
}

static bool unlisted_key(struct sl_scan *scan)
{
	scan->member = &scan->unlisted;
	scan->field_kinds = SL_J_ANY;
	return true;
}

static bool duplicate_key(struct sl_scan *scan, enum sl_field f)
{
	scan_fail(scan, scan->body + scan->token_off, SL_E_DUPLICATE_FIELD);
	scan->err_field = sl_field_key(f);
	return false;
}

bool scan_top_key(struct sl_scan *scan, const char *key, size_t len)
{
	enum sl_field f = scan_field_find(key, len);
	struct sl_member *m;

	scan->facts.object_empty = false;
	if (f == SL_F_COUNT && scan_key_is_escaped(key, len))
		f = find_escaped(scan, key, len);
	else if (f == SL_F_COUNT)
		scan->meaning = unlisted_meaning(scan, key, len);
	if (f == SL_F_COUNT)
		return unlisted_key(scan);
	m = &scan->facts.member[f];
	if (m->value_end)
		return duplicate_key(scan, f);
	m->key_off = scan->token_off;
	scan->member = m;
	scan->field_kinds = scan_fields[f].kinds;
	scan->meaning = top_meanings[scan->api][f];
	return true;
}

void scan_fail_kind(struct sl_scan *scan)
{
	scan_fail(scan, scan->body + scan->token_off, SL_E_BAD_FIELD);
	scan->err_field = sl_field_key((enum sl_field)(scan->member - scan->facts.member));
}

/* ---- the grammar's calls ------------------------------------------------- */

static const struct key_rule *find_key(const struct key_rule *keys, const char *key, size_t len)
{
	for (; keys->key; keys++)
		if (keys->len == len && !memcmp(keys->key, key, len))
			return keys;
	return NULL;
}

__attribute__((noinline)) static uint8_t escaped_meaning(const struct rule *of, const char *key,
                                                         size_t len)
{
	char decoded[SCAN_KEY_MAX];
	size_t n = scan_key_decode(key, len, decoded);
	const struct key_rule *found = find_key(of->keys, decoded, n);

	return found ? found->meaning : of->other;
}

static uint8_t member_meaning(const struct rule *of, const char *key, size_t len)
{
	const struct key_rule *found;

	if (!of->keys)
		return of->other;
	found = find_key(of->keys, key, len);
	if (found)
		return found->meaning;
	return scan_key_is_escaped(key, len) ? escaped_meaning(of, key, len) : of->other;
}

static uint8_t container(const struct sl_scan *scan)
{
	return (uint8_t)(scan->stack[scan->depth - 1] & ~SCAN_OBJECT);
}

void scan_member_key(struct sl_scan *scan, const char *key, size_t len)
{
	const struct rule *of = &rules[container(scan)];

	scan->meaning = member_meaning(of, key, len);
	if (of->flags & DIGEST) {
		scan->digest = chain_mix(scan->digest, simd->hash(key, len));
	} else if (scan->meaning == of->other && rules[of->other].flags & DIGEST) {
		scan->digest = simd->hash(key, len);
		scan->digest_bytes = 0;
	}
}

void scan_item(struct sl_scan *scan)
{
	scan->meaning = rules[container(scan)].item;
}

void scan_meant_begin(struct sl_scan *scan)
{
	const struct rule *rule = &rules[scan->meaning];

	if (rule->begin)
		rule->begin(scan);
	if (scan->kind == SL_J_STRING && rule->flags & STREAM)
		chain_open(&scan->chain, scan->token_off + 1);
	if (rule->flags & DIGEST && scan->kind & (SL_J_OBJECT | SL_J_ARRAY))
		scan->digest = chain_mix(scan->digest, scan->kind);
}

/* Strings are hashed with their quotes: "1" is not 1. */
static void digest_value(struct sl_scan *scan, uint32_t end)
{
	size_t len = end - scan->token_off;
	uint64_t h = scan->kind;

	if (!(scan->kind & (SL_J_OBJECT | SL_J_ARRAY))) {
		h = simd->hash(scan->body + scan->token_off, len);
		scan->digest_bytes += len;
	}
	scan->digest = chain_mix(scan->digest, h);
}

void scan_meant_end(struct sl_scan *scan, uint32_t end)
{
	const struct rule *rule = &rules[scan->meaning];

	if (scan->kind == SL_J_STRING && rule->flags & STREAM)
		chain_close(&scan->chain, scan->body, end - 1);
	if (rule->flags & DIGEST)
		digest_value(scan, end);
	if (rule->end)
		rule->end(scan, end);
}

void scan_string_part(struct sl_scan *scan, uint32_t upto)
{
	if (rules[scan->meaning].flags & STREAM)
		chain_extend(&scan->chain, scan->body, upto);
}

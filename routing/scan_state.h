/* scan_state.h: what the parts of the scanner share.
 *
 *   scan.c          the grammar: containers, members, white space; life cycle
 *   scan_token.c    numbers, literals, and strings where they are not plain
 *   scan_meaning.c  what a value is for the gateway: prompt, digest, fact
 *   scan_fields.c   the members of fields.def by name
 *   scan_facts.c    what is concluded after the last byte
 *
 * A value has a kind (its JSON type) and a meaning (enum scan_meaning), which
 * follows from its container's meaning and, in an object, from its key. */
#ifndef SLUICE_ROUTING_SCAN_STATE_H
#define SLUICE_ROUTING_SCAN_STATE_H

#include "routing/chain.h"
#include "sluice/scan.h"
#include "sluice/splice.h"

#define SCAN_KEY_MAX 32 /* longer than any key that means something */
#define SCAN_OBJECT 0x80u

enum scan_meaning {
	MEAN_SKIP, /* nothing in it matters */
	MEAN_TOP,
	MEAN_DIGEST, /* inside a value that is digested as a whole */
	MEAN_TOOLS,
	MEAN_SYSTEM,
	MEAN_MESSAGES,
	MEAN_MESSAGE,
	MEAN_MESSAGE_ROLE,
	MEAN_MESSAGE_OTHER,
	MEAN_CONTENT,
	MEAN_PART,
	MEAN_PART_TEXT,
	MEAN_PART_TYPE,
	MEAN_PART_OTHER,
	MEAN_PROMPT,
	MEAN_PROMPT_ITEM,
	MEAN_TOKEN,
	MEAN_STREAM_OPTIONS,
	MEAN_INCLUDE_USAGE,
	MEAN_RESPONSE_FORMAT,
	MEAN_FORMAT_TYPE,
	MEAN_GUIDED,
	MEAN_COUNT
};

/* What the members of one message, or of one content part, add up to. A sum,
 * so that their order does not matter. */
struct scan_sum {
	uint64_t sum;
	uint64_t bytes; /* of strings and numbers in it that are prompt, too */
};

struct sl_scan {
	/* From here to `chain` all is zeroed by a reset. */
	const char *body;   /* borrowed during a call */
	uint32_t len;       /* bytes read */
	uint32_t token_off; /* first byte of the key or scalar value at hand */
	uint8_t state;
	uint8_t sub;     /* state within a string, number or literal */
	uint8_t kind;    /* of the value at hand */
	uint8_t meaning; /* of the value at hand */
	uint8_t api;
	uint8_t field_kinds; /* what the top-level member at hand may be */
	uint8_t depth;       /* open containers */
	bool media;          /* the part at hand is not text */
	bool guided;
	bool format_text; /* response_format is {"type":"text"} */
	int err;
	uint32_t err_off;
	const char *err_field; /* static, or NULL */

	/* The top-level member at hand: in `facts`, or `unlisted`. */
	struct sl_member *member;
	struct sl_member unlisted;

	uint64_t digest; /* of the value at hand, or that it is part of */
	uint64_t digest_bytes;
	struct scan_sum message;
	struct scan_sum part;
	uint64_t tools;
	uint64_t system;
	uint32_t texts;  /* strings in an array of prompts */
	uint32_t lists;  /* arrays in an array of prompts */
	uint64_t tokens; /* token ids */
	struct sl_facts facts;

	struct chain chain;
	/* Meanings of the open containers; SCAN_OBJECT marks objects. */
	uint8_t stack[SL_SCAN_MAX_DEPTH];
};

/* White space of JSON. */
static inline bool scan_is_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* Records the error at p and returns NULL, the answer of every step that fails. */
const char *scan_fail(struct sl_scan *scan, const char *p, int err);

/* ---- scan_token.c: each returns where it stopped, or NULL -------------- */

/* Stops at the closing quote, or at end with the string still open. */
const char *scan_string(struct sl_scan *scan, const char *p, const char *end);
/* Stops behind the number, at a byte that is no part of it, and sets *out_done;
 * or at end, or at an error, and leaves *out_done alone. */
const char *scan_number(struct sl_scan *scan, const char *p, const char *end, bool *out_done);
const char *scan_literal(struct sl_scan *scan, const char *p, const char *end, bool *out_done);

/* ---- scan_meaning.c --------------------------------------------------- */

/* A key of the body's own object was read. False: scan->err is set. */
bool scan_top_key(struct sl_scan *scan, const char *key, size_t len);
/* A key of any other object. */
void scan_member_key(struct sl_scan *scan, const char *key, size_t len);
/* scan->meaning of the items of the innermost array. */
void scan_item(struct sl_scan *scan);
/* The two below, for a value that means something. */
void scan_meant_begin(struct sl_scan *scan);
void scan_meant_end(struct sl_scan *scan, uint32_t end);
/* The member at hand has a kind it may not have. */
void scan_fail_kind(struct sl_scan *scan);
/* The bytes so far of a string that goes on in the next feed. */
void scan_string_part(struct sl_scan *scan, uint32_t upto);

/* ---- scan_fields.c ---------------------------------------------------- */

struct scan_field {
	const char *key;
	uint8_t len;
	uint8_t kinds;
	bool private;
};
extern const struct scan_field scan_fields[SL_F_COUNT];

/* The field of this key as it stands, or SL_F_COUNT. */
enum sl_field scan_field_find(const char *key, size_t len);
/* Is it written with escapes, and short enough to mean something? */
static inline bool scan_key_is_escaped(const char *raw, size_t len)
{
	return len <= 6 * SCAN_KEY_MAX && memchr(raw, '\\', len);
}
/* Resolves the escapes of a key. Returns its length, or 0 if that is more than
 * SCAN_KEY_MAX. */
size_t scan_key_decode(const char *raw, size_t len, char out[SCAN_KEY_MAX]);

/* ---- inline, because most values mean nothing --------------------------- */

/* A value of this kind begins at off. False: scan->err is set. */
static inline bool scan_value_begin(struct sl_scan *scan, uint8_t kind, uint32_t off)
{
	scan->kind = kind;
	scan->token_off = off;
	if (scan->depth == 1) {
		scan->member->value_off = off;
		scan->member->kind = kind;
		if (!(kind & scan->field_kinds)) {
			scan_fail_kind(scan);
			return false;
		}
	}
	if (scan->meaning != MEAN_SKIP)
		scan_meant_begin(scan);
	return true;
}

/* The value at hand ended before body[end]. For scalars token_off is its start. */
static inline void scan_value_end(struct sl_scan *scan, uint32_t end)
{
	if (scan->depth == 1)
		scan->member->value_end = end;
	if (scan->meaning != MEAN_SKIP)
		scan_meant_end(scan, end);
}

/* ---- scan_facts.c ----------------------------------------------------- */

void scan_conclude(struct sl_scan *scan);

#endif

/* h1_body.c: where a body begins and ends, by length, by chunks or by close.
 *
 * Chunk framing is a table of states over classes of bytes: what the grammar of
 * RFC 9112 §7.1 does not name is an error, there is no lenient path. A chunk's
 * data is handed over in place. */
#include "gateway/http/h1.h"

#include "gateway/http/field.h"

#define MAX_OVERHEAD (16u * 1024u)
#define MAX_DIGITS 16

enum state {
	BAD,
	SIZE,      /* the only state that computes; its hexadecimal digits never reach the table */
	EXT_SPACE, /* blanks after which only a new extension may come */
	EXT_NAME_START,
	EXT_NAME,
	EXT_NAME_SPACE,
	EXT_VALUE_START,
	EXT_VALUE,
	EXT_QUOTED,
	EXT_ESCAPE,
	EXT_END,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	LINE, /* start of a trailer line, or the end */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	END_LF,
	END,
	N_STATES
};

enum byte_class {
	CTL,
	CR,
	LF,
	BLANK,
	SEMI,
	EQUALS,
	COLON,
	QUOTE,
	BACKSLASH,
	TOKEN,
	TEXT,
	N_CLASSES
};

#define ANY_TEXT(to)                                                                               \
	[BLANK] = (to), [SEMI] = (to), [EQUALS] = (to), [COLON] = (to), [TOKEN] = (to),            \
	[TEXT] = (to)

static const uint8_t next_state[N_STATES][N_CLASSES] = {
	[SIZE] = { [CR] = SIZE_LF, [SEMI] = EXT_NAME_START, [BLANK] = EXT_SPACE },
	[EXT_SPACE] = { [BLANK] = EXT_SPACE, [SEMI] = EXT_NAME_START },
	[EXT_NAME_START] = { [BLANK] = EXT_NAME_START, [TOKEN] = EXT_NAME },
	[EXT_NAME] = { [TOKEN] = EXT_NAME,
	               [EQUALS] = EXT_VALUE_START,
	               [SEMI] = EXT_NAME_START,
	               [BLANK] = EXT_NAME_SPACE,
	               [CR] = SIZE_LF },
	[EXT_NAME_SPACE] = { [BLANK] = EXT_NAME_SPACE,
	                     [EQUALS] = EXT_VALUE_START,
	                     [SEMI] = EXT_NAME_START },
	[EXT_VALUE_START] = { [BLANK] = EXT_VALUE_START,
	                      [TOKEN] = EXT_VALUE,
	                      [QUOTE] = EXT_QUOTED },
	[EXT_VALUE] = { [TOKEN] = EXT_VALUE,
	                [SEMI] = EXT_NAME_START,
	                [BLANK] = EXT_SPACE,
	                [CR] = SIZE_LF },
	[EXT_QUOTED] = { ANY_TEXT(EXT_QUOTED), [QUOTE] = EXT_END, [BACKSLASH] = EXT_ESCAPE },
	[EXT_ESCAPE] = { ANY_TEXT(EXT_QUOTED), [QUOTE] = EXT_QUOTED, [BACKSLASH] = EXT_QUOTED },
	[EXT_END] = { [SEMI] = EXT_NAME_START, [BLANK] = EXT_SPACE, [CR] = SIZE_LF },
	[SIZE_LF] = { [LF] = DATA },
	[DATA_CR] = { [CR] = DATA_LF },
	[DATA_LF] = { [LF] = SIZE },
	[LINE] = { [TOKEN] = TRAILER_NAME, [CR] = END_LF },
	[TRAILER_NAME] = { [TOKEN] = TRAILER_NAME, [COLON] = TRAILER_VALUE },
	[TRAILER_VALUE] = { ANY_TEXT(TRAILER_VALUE), [QUOTE] = TRAILER_VALUE,
	                    [BACKSLASH] = TRAILER_VALUE, [CR] = TRAILER_LF },
	[TRAILER_LF] = { [LF] = LINE },
	[END_LF] = { [LF] = END },
};

static enum byte_class classify(char c)
{
	switch (c) {
	case '\r':
		return CR;
	case '\n':
		return LF;
	case ' ':
	case '\t':
		return BLANK;
	case ';':
		return SEMI;
	case '=':
		return EQUALS;
	case ':':
		return COLON;
	case '"':
		return QUOTE;
	case '\\':
		return BACKSLASH;
	default:
		if (http_is(c, HTTP_TCHAR))
			return TOKEN;
		return http_is(c, HTTP_VALUE) ? TEXT : CTL;
	}
}

static void begin(struct sl_h1_body *b, enum sl_h1_framing framing, uint64_t left)
{
	*b = (struct sl_h1_body){ .framing = framing, .state = SIZE, .left = left };
	b->done = framing == SL_H1_NONE;
}

static void begin_length(struct sl_h1_body *b, int64_t length)
{
	begin(b, length > 0 ? SL_H1_LENGTH : SL_H1_NONE, length > 0 ? (uint64_t)length : 0);
}

void sl_h1_request_body(struct sl_h1_body *b, const struct sl_head *head)
{
	if (head->chunked)
		begin(b, SL_H1_CHUNKED, 0);
	else
		begin_length(b, head->content_length);
}

void sl_h1_response_body(struct sl_h1_body *b, const struct sl_head *head, bool head_request)
{
	if (head_request || head->status < 200 || head->status == 204 || head->status == 304)
		begin(b, SL_H1_NONE, 0);
	else if (head->chunked)
		begin(b, SL_H1_CHUNKED, 0);
	else if (head->content_length >= 0)
		begin_length(b, head->content_length);
	else
		begin(b, SL_H1_UNTIL_CLOSE, 0);
}

static bool hex_value(char c, uint64_t *out_value)
{
	if (!http_is(c, HTTP_HEX))
		return false;
	*out_value = (uint64_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
	return true;
}

static int add_digit(struct sl_h1_body *b, uint64_t digit)
{
	if (b->digits == MAX_DIGITS || b->left > (uint64_t)INT64_MAX >> 4)
		return SL_E_BAD_HTTP;
	b->digits++;
	b->left = b->left << 4 | digit;
	return 0;
}

/* One byte of framing. */
static int step(struct sl_h1_body *b, char c)
{
	uint64_t digit;

	if (b->state == SIZE && hex_value(c, &digit))
		return add_digit(b, digit);
	if (b->state == SIZE && b->digits == 0)
		return SL_E_BAD_HTTP;
	b->state = next_state[b->state][classify(c)];
	switch (b->state) {
	case BAD:
		return SL_E_BAD_HTTP;
	case DATA:
		b->digits = 0;
		if (b->left == 0)
			b->state = LINE;
		return 0;
	case SIZE_LF:
	case DATA_LF:
	case SIZE:
	case END_LF:
		return 0;
	case END:
		b->done = true;
		return 0;
	default:
		return ++b->overhead > MAX_OVERHEAD ? SL_E_BAD_HTTP : 0;
	}
}

static size_t take_data(struct sl_h1_body *b, const char *buf, size_t len, struct sl_span *data)
{
	size_t n = b->left < len ? (size_t)b->left : len;

	*data = sl_span(buf, n);
	b->left -= n;
	return n;
}

static int feed_chunked(struct sl_h1_body *b, const char *buf, size_t len, size_t *used,
                        struct sl_span *data)
{
	size_t at = 0;

	while (at < len && !b->done) {
		int err;

		if (b->state == DATA) {
			at += take_data(b, buf + at, len - at, data);
			if (b->left == 0)
				b->state = DATA_CR;
			break;
		}
		err = step(b, buf[at++]);
		if (err)
			return err;
	}
	*used = at;
	return 0;
}

int sl_h1_body_feed(struct sl_h1_body *b, const char *buf, size_t len, size_t *used,
                    struct sl_span *data)
{
	*used = 0;
	*data = sl_span(buf, 0);
	switch (b->framing) {
	case SL_H1_LENGTH:
		*used = take_data(b, buf, len, data);
		b->done = b->left == 0;
		return 0;
	case SL_H1_CHUNKED:
		return feed_chunked(b, buf, len, used, data);
	case SL_H1_UNTIL_CLOSE:
		*data = sl_span(buf, len);
		*used = len;
		return 0;
	default:
		return 0;
	}
}

bool sl_h1_body_closed(const struct sl_h1_body *b)
{
	return b->done || b->framing == SL_H1_UNTIL_CLOSE;
}

size_t sl_h1_chunk_head(char *buf, size_t chunk_len)
{
	size_t digits = 1;

	while (digits < sizeof(chunk_len) * 2 && chunk_len >> (digits * 4))
		digits++;
	for (size_t i = digits; i-- > 0; chunk_len >>= 4)
		buf[i] = "0123456789abcdef"[chunk_len & 15];
	buf[digits] = '\r';
	buf[digits + 1] = '\n';
	return digits + 2;
}

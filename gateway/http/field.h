/* field.h: what both codecs must agree on about bytes and fields. Inside
 * gateway/http only. */
#ifndef SLUICE_HTTP_FIELD_H
#define SLUICE_HTTP_FIELD_H

#include "gateway/http/head.h"

enum http_char {
	HTTP_TCHAR = 1,  /* RFC 9110 §5.6.2 token */
	HTTP_VALUE = 2,  /* HTAB, SP, VCHAR, obs-text */
	HTTP_TARGET = 4, /* visible ASCII without " < > # \ : what no URL parser leaves raw */
	HTTP_HOST = 8,   /* RFC 3986 §3.2.2 reg-name */
	HTTP_HEX = 16,
};
extern const uint8_t http_chars[256];

static inline bool http_is(char c, enum http_char kind)
{
	return http_chars[(unsigned char)c] & kind;
}

/* True if every byte is of that kind; an empty span is. */
bool http_all(struct sl_span text, enum http_char kind);
bool http_value_ok(struct sl_span value);
struct sl_span http_trim(struct sl_span text); /* SP and HTAB at both ends */

/* host [":" port]: a reg-name or a bracketed address, never user information. */
bool http_authority_ok(struct sl_span authority);
/* 1*DIGIT up to 2^63-1, nothing else. */
bool http_parse_length(struct sl_span value, int64_t *out_length);

/* A head that has seen no field yet. */
void http_head_init(struct sl_head *head, int version);
/* Takes from a field what the head has members for. 0, or BAD_HTTP for a second
 * or malformed Content-Length and for a request's second Content-Type or
 * Authorization, EXPECTATION for what we cannot meet. */
SL_MUST_CHECK int http_head_note(struct sl_head *head, const struct sl_hfield *field);

#endif

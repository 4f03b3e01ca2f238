/* h1.h: HTTP/1.1 from and to byte ranges (RFC 9112), strictly.
 *
 * Refused: Content-Length with Transfer-Encoding, any Transfer-Encoding but a
 * single `chunked`, Content-Length that is not one plain number (equal
 * repetitions included), bare CR or LF, obs-fold, NUL, white space before a
 * colon, an empty or non-token name, a missing, double or invalid Host in
 * 1.1, Transfer-Encoding in 1.0, absolute-form with another authority than
 * Host, asterisk- and authority-form (except nothing: OPTIONS * and CONNECT
 * are refused), chunk framing with anything but CRLF, chunk sizes past 2^63. */
#ifndef SLUICE_HTTP_H1_H
#define SLUICE_HTTP_H1_H

#include "gateway/http/head.h"

struct sl_h1_head {
	struct sl_head head;
	struct sl_hfield fields[SL_MAX_HFIELDS];
};

/* Parses a request head at buf[0..len). Returns its length in bytes, 0 if it
 * is not complete yet, or a negative sl_err. *resume lets the search for the
 * end continue where it stopped: start with 0, pass the same variable again
 * with the same buffer start. Empty lines before the request line are taken
 * (at most 2). An incomplete head past limits->bytes is HEADERS_TOO_LARGE. */
SL_MUST_CHECK int sl_h1_request(const char *buf, size_t len, size_t *resume,
                                const struct sl_head_limits *limits, struct sl_h1_head *out);
/* The same for a response to a request of that method. 1xx heads are returned
 * like others (the caller skips them). */
SL_MUST_CHECK int sl_h1_response(const char *buf, size_t len, size_t *resume,
                                 const struct sl_head_limits *limits, bool head_request,
                                 struct sl_h1_head *out);

/* Body framing, pull style. */
enum sl_h1_framing { SL_H1_NONE, SL_H1_LENGTH, SL_H1_CHUNKED, SL_H1_UNTIL_CLOSE };
struct sl_h1_body {
	enum sl_h1_framing framing;
	uint8_t state;
	uint8_t digits;
	uint32_t overhead; /* bytes of chunk extensions and trailers so far: bounded at 16 KiB */
	uint64_t left;     /* of the length, or of the current chunk */
	bool done;
};
void sl_h1_request_body(struct sl_h1_body *b, const struct sl_head *head);
/* By RFC 9112 §6.3: 204, 304, 1xx and answers to HEAD have none. */
void sl_h1_response_body(struct sl_h1_body *b, const struct sl_head *head, bool head_request);
/* Consumes from buf: *used bytes of it, of which *data (a sub-range of buf, may
 * be empty) is content. Call again while used < len and !b->done. At most one
 * piece of content per call. Trailers are checked and dropped. 0 or negative. */
SL_MUST_CHECK int sl_h1_body_feed(struct sl_h1_body *b, const char *buf, size_t len, size_t *used,
                                  struct sl_span *data);
/* The peer closed: true if that is a proper end of this body. */
bool sl_h1_body_closed(const struct sl_h1_body *b);

/* Writes "%zx\r\n" for a chunk; buf holds at least 18 bytes. Returns length. */
size_t sl_h1_chunk_head(char *buf, size_t chunk_len);

#endif

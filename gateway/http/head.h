/* head.h: a message head, the same for HTTP/1.1 and HTTP/2.
 *
 * gateway/http knows no socket, clock or thread: bytes in, events out. */
#ifndef SLUICE_HTTP_HEAD_H
#define SLUICE_HTTP_HEAD_H

#include "sluice/err.h"

/* What a proxy must know of a field by its name alone. */
enum sl_field_class {
	SL_FC_PLAIN = 0,      /* end to end */
	SL_FC_HOP = 1,        /* hop-by-hop: never forwarded (also what Connection names) */
	SL_FC_FRAMING = 2,    /* content-length, transfer-encoding: the codec's own */
	SL_FC_PRIVATE = 3,    /* a client may not assert it: x-prefiller-*, x-gateway-destination-*,
	                         x-data-parallel-rank, x-sluice-* */
	SL_FC_HOST = 4,       /* host: replaced on the way */
	SL_FC_REQUEST_ID = 5, /* x-request-id: kept or made by the gateway */
	SL_FC_EXPECT = 6,
	SL_FC_AUTH = 7, /* authorization: forwarded unless the pool has a key of its own */
	SL_FC_CONTENT_TYPE = 8,
	SL_FC_ACCEPT_ENCODING = 9, /* dropped upstream: the relay must read events */
	SL_FC_HOPS = 10,           /* x-sluice-hops: said by another gateway */
};
enum sl_field_class sl_field_class(struct sl_span lower_or_mixed_name);
/* Values of this name (lower case) are unique or secret: HPACK must not index them. */
bool sl_field_unindexed(struct sl_span lower_name);

struct sl_hfield {
	struct sl_span name;  /* lower case in HTTP/2; as sent in HTTP/1.1 */
	struct sl_span value; /* no surrounding white space */
	uint8_t cls;          /* enum sl_field_class; HOP also when Connection names it */
};

#define SL_MAX_HFIELDS 256

/* Spans are borrowed from the codec until the call that handed it over returns. */
struct sl_head {
	struct sl_span method;          /* requests */
	struct sl_span path;            /* origin-form target, query included */
	struct sl_span authority;       /* Host or :authority */
	int status;                     /* responses */
	int version;                    /* 10, 11 or 20 */
	const struct sl_hfield *fields; /* no pseudo-header fields, no Host */
	uint32_t n_fields;
	int64_t content_length; /* -1: not given */
	bool chunked;           /* HTTP/1.1 */
	bool keep_alive;        /* HTTP/1.1: the connection may serve another message */
	bool expect_continue;
	bool content_json; /* requests: content-type is application/json (parameters ignored), or
	                      absent */
	uint32_t seen;     /* 1 << class of the fields that may come once */
	bool until_close;  /* responses: only the end of the connection ends the body */
	bool event_stream; /* responses: content-type is text/event-stream */
};

/* First field of this name (lower case), or NULL. */
const struct sl_hfield *sl_head_find(const struct sl_head *head, struct sl_span name);

/* Writes the name in lower case (ASCII); returns the end. */
char *sl_put_lower(char *at, struct sl_span name);
/* Writes up to 20 digits; returns the end. */
char *sl_put_decimal(char *at, uint64_t n);

struct sl_head_limits {
	uint32_t bytes; /* whole head, names + values + 32 per field in HTTP/2 */
	uint32_t count; /* fields, cookie crumbs included */
	uint32_t uri;   /* target bytes: 16 KiB */
};

#endif

/* stream.h: one request from a client and the way back, the same for HTTP/1.1
 * and HTTP/2.
 *
 * A session (h1_session, h2_session) owns the stream. It tells the handler of
 * the request through sl_stream_events; the handler answers through the verbs
 * below. The stream is the handler's from on_head until it calls finish or
 * abort, or is told on_gone; after that it must not be touched. */
#ifndef SLUICE_DOWNSTREAM_STREAM_H
#define SLUICE_DOWNSTREAM_STREAM_H

#include "gateway/downstream/hold.h"
#include "gateway/http/head.h"

struct sl_client;
struct sl_sessions;
struct sl_stream;

struct sl_stream_events {
	/* The head is borrowed until it returns. Sets sl_stream.user. May answer
	 * at once. end: there is no body. */
	void (*on_head)(void *ctx, struct sl_stream *s, const struct sl_head *head, bool end);
	/* Borrowed bytes. Not called once the handler has finished. */
	void (*on_body)(struct sl_stream *s, const char *data, size_t len);
	void (*on_end)(struct sl_stream *s);
	/* The client left, or broke the protocol, or was too slow. */
	void (*on_gone)(struct sl_stream *s, int err);
	/* Bytes that had to wait are below half of what they were. */
	void (*on_drained)(struct sl_stream *s, size_t pending);
};

struct sl_stream_ops {
	void (*respond)(struct sl_stream *s, int status, const struct sl_hfield *fields, uint32_t n,
	                int64_t length);
	size_t (*write)(struct sl_stream *s, const char *data, size_t len);
	void (*finish)(struct sl_stream *s, const char *data, size_t len);
	void (*abort)(struct sl_stream *s);
	void (*proceed)(struct sl_stream *s);
};

struct sl_stream {
	const struct sl_stream_ops *ops;
	struct sl_sessions *all;  /* borrowed: its worker's */
	void *user;               /* the handler's; NULL: nobody is interested any more */
	const char *protocol;     /* "http/1.1" or "h2" */
	struct sl_span client;    /* "10.0.0.9:51234", borrowed from the session */
	struct sl_client *origin; /* its client among all, borrowed; NULL: not counted */
	struct sl_hold hold;      /* what its window holds back; HTTP/2 only */
	bool responded;
	bool overdrawn; /* there is no memory for what was written: abort it */
};

/* Status and fields (lower-case names; no framing or hop-by-hop ones).
 * length: of the body, -1 if unknown. Once per stream. */
static inline void sl_stream_respond(struct sl_stream *s, int status,
                                     const struct sl_hfield *fields, uint32_t n, int64_t length)
{
	s->responded = true;
	s->ops->respond(s, status, fields, n, length);
}

/* Body bytes, borrowed during the call. Returns how many bytes of this stream
 * wait inside the gateway: stop the source when that is too much. */
static inline size_t sl_stream_write(struct sl_stream *s, const char *data, size_t len)
{
	return s->ops->write(s, data, len);
}

/* The answer is complete with these last bytes, of which there may be none. */
static inline void sl_stream_finish(struct sl_stream *s, const char *data, size_t len)
{
	s->ops->finish(s, data, len);
}

/* The answer will never be complete, and the client must be able to tell:
 * RST_STREAM, or a connection that ends without its last chunk. */
static inline void sl_stream_abort(struct sl_stream *s)
{
	s->ops->abort(s);
}

/* 100 Continue, if the client waits for it. */
static inline void sl_stream_proceed(struct sl_stream *s)
{
	s->ops->proceed(s);
}

#endif

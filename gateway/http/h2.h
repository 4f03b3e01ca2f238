/* h2.h: HTTP/2 sessions over byte ranges, both ends. The only user of nghttp2.
 *
 * Output goes to a growing buffer that the caller drains; nothing is sent
 * from inside _recv: replies submitted while it runs are serialised when it
 * returns. Response bytes are serialised straight from the caller's memory;
 * only what flow control stops is copied, and its amount is returned so that
 * the caller can stop reading the engine. */
#ifndef SLUICE_HTTP_H2_H
#define SLUICE_HTTP_H2_H

#include "gateway/http/head.h"
#include "gateway/http/outbuf.h"

struct sl_h2;        /* a connection's session */
struct sl_h2_stream; /* one stream; valid until on_close has returned */

struct sl_h2_limits {
	struct sl_head_limits head;
	uint32_t max_streams;
	uint32_t stream_window;     /* 256 KiB */
	uint32_t connection_window; /* 1 MiB */
	/* Of a server: budgets of suspicious acts and of streams that the peer
	 * resets; all comes back in 30 seconds. 0: 2000 and 1000. */
	uint32_t glitches, resets;
};

/* Why a peer was sent away with ENHANCE_YOUR_CALM. */
enum sl_h2_cut { SL_H2_CUT_NONE, SL_H2_CUT_GLITCHES, SL_H2_CUT_RESETS };

/* What a stream's peer has taken of what was written for it. */
struct sl_h2_progress {
	size_t pending;   /* bytes that wait */
	uint64_t taken;   /* bytes that do not any more */
	uint32_t emptied; /* how often nothing was left waiting */
};

/* ctx is the session's. on_head, on_data run inside _recv; the others after the
 * bytes given to _recv are consumed, or from _pull; never from another call.
 * Server and client use the same table; what a side never gets may be NULL. */
struct sl_h2_events {
	/* Server: a request. Client: a response (1xx are skipped). Return a user
	 * pointer for the stream (server; NULL refuses it with REFUSED_STREAM);
	 * the client's return value is ignored. */
	void *(*on_head)(void *ctx, struct sl_h2_stream *s, const struct sl_head *head, bool end);
	/* Server only: the head was malformed or over the limit; the codec
	 * answers or resets by itself unless this returns true (answered). */
	bool (*on_bad_head)(void *ctx, struct sl_h2_stream *s, int err);
	void (*on_data)(void *ctx, void *user, const char *data, size_t len);
	/* Peer's END_STREAM; also after an on_head with end set. */
	void (*on_end)(void *ctx, void *user);
	/* Streams always end here, exactly once. err: 0 clean (both sides done),
	 * else RST_STREAM or GOAWAY by the peer or a violation; h2_code is its
	 * code (7: REFUSED_STREAM: certainly not processed). user may be NULL. */
	void (*on_close)(void *ctx, void *user, int err, uint32_t h2_code);
	/* A stream's copied bytes fell below half of what held it back; told again
	 * at every halving, down to none. */
	void (*on_drained)(void *ctx, void *user, size_t pending);
	/* Client: the server will take no more streams (GOAWAY). */
	void (*on_goaway)(void *ctx);
};

struct sl_h2 *sl_h2_server_new(const struct sl_h2_limits *l, const struct sl_h2_events *ev,
                               void *ctx);
struct sl_h2 *sl_h2_client_new(const struct sl_h2_limits *l, const struct sl_h2_events *ev,
                               void *ctx);
/* Open streams get on_close(CLIENT_GONE or UPSTREAM_RESET). Never from inside an event. */
void sl_h2_free(struct sl_h2 *h2);

/* Tells the time (monotonic), by which budgets are refilled; before _recv. */
void sl_h2_tick(struct sl_h2 *h2, uint64_t now_us);
/* So many more on_end may come; the requests behind them wait, in order, until it
 * is said again and _pull is called. Without it all come at once. */
void sl_h2_allow(struct sl_h2 *h2, uint32_t n);
/* Something waits for that. */
bool sl_h2_backlog(const struct sl_h2 *h2);
/* Bytes from the peer. 0, or negative: the connection must be closed after
 * what is in the output buffer (a GOAWAY) has been sent. */
SL_MUST_CHECK int sl_h2_recv(struct sl_h2 *h2, const char *data, size_t len);
/* The output; may gain bytes in any call. */
struct sl_outbuf *sl_h2_out(struct sl_h2 *h2);
/* Serialises whatever can be and delivers what waits to be told: call it after
 * output was drained. Frames are only made while the output holds less than
 * 64 KiB. */
void sl_h2_pull(struct sl_h2 *h2);
/* False when the session has nothing more to read or write: close it. */
bool sl_h2_alive(const struct sl_h2 *h2);
uint32_t sl_h2_streams(const struct sl_h2 *h2); /* open ones */
enum sl_h2_cut sl_h2_cut(const struct sl_h2 *h2);
/* Streams refused since the last call because there were too many. */
uint32_t sl_h2_refused_take(struct sl_h2 *h2);
/* Not 0 while the peer is inside something that holds up all that would come
 * after it: the preface, its SETTINGS, a header block, a frame other than DATA.
 * Another number is another such thing. */
uint64_t sl_h2_unfinished(const struct sl_h2 *h2);

/* Server: status and fields (names must be lower case; unique values such as
 * x-request-id, date are not indexed). end: no body follows. */
int sl_h2_respond(struct sl_h2 *h2, struct sl_h2_stream *s, int status,
                  const struct sl_hfield *fields, uint32_t n, bool end);
/* Client: opens a stream. NULL if the peer's limit is reached or it is going
 * away. end: no body follows. */
struct sl_h2_stream *sl_h2_request(struct sl_h2 *h2, const struct sl_head *head, const char *scheme,
                                   void *user, bool end);
/* Body bytes; borrowed only during the call. Returns the bytes of this stream
 * that wait in a copy. */
size_t sl_h2_write(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len);
/* The same as _write and _finish together, in fewer frames. */
size_t sl_h2_write_last(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len);
struct sl_h2_progress sl_h2_stream_progress(const struct sl_h2_stream *s);
/* The whole body, not copied: borrowed until on_close, or until the stream is
 * reset from here. END_STREAM follows. */
void sl_h2_write_borrowed(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len);
/* END_STREAM after what was written. A request that has not ended yet may go
 * on for a while (EARLY_BYTES), so that its errors are still seen and its client
 * reads the answer before a reset; the caller ends it with sl_h2_reset(NO_ERROR)
 * when it has waited long enough. */
void sl_h2_finish(struct sl_h2 *h2, struct sl_h2_stream *s);
/* RST_STREAM; what waits is dropped. on_close follows. */
void sl_h2_reset(struct sl_h2 *h2, struct sl_h2_stream *s, uint32_t h2_code);
/* The receiver has disposed of len bytes of on_data: open the windows again. */
void sl_h2_consume(struct sl_h2 *h2, struct sl_h2_stream *s, size_t len);
void *sl_h2_stream_user(const struct sl_h2_stream *s);
void sl_h2_stream_set_user(struct sl_h2_stream *s, void *user);
/* NULL: the owner is no longer interested; later events get NULL. */
void sl_h2_stream_set_user(struct sl_h2_stream *s, void *user);
uint32_t sl_h2_stream_id(const struct sl_h2_stream *s);

/* Graceful end, server: first notice (GOAWAY 2^31-1), later the real one. */
void sl_h2_shutdown_notice(struct sl_h2 *h2);
void sl_h2_goaway(struct sl_h2 *h2);

#endif

/* h2_session.h: the inside of an HTTP/2 session, shared by the h2_*.c files
 * and by nobody else. */
#ifndef SLUICE_HTTP_H2_SESSION_H
#define SLUICE_HTTP_H2_SESSION_H

#include <nghttp2/nghttp2.h>

#include "gateway/http/field.h"
#include "gateway/http/h2.h"
#include "gateway/http/spares.h"

/* No more frames are made while the output holds this much. */
#define H2_OUT_LIMIT ((size_t)64 * 1024)

/* RFC 9113 §7 */
enum h2_code {
	H2_NO_ERROR = 0,
	H2_PROTOCOL_ERROR = 1,
	H2_INTERNAL_ERROR = 2,
	H2_STREAM_CLOSED = 5,
	H2_REFUSED_STREAM = 7,
	H2_CANCEL = 8,
	H2_ENHANCE_YOUR_CALM = 11,
};

/* ---- h2_head.c: the one head that is being received ----
 * Header blocks never interleave on a connection, so one builder per session
 * serves all streams. Its memory is bounded by the head limits. */
struct h2_chunk {
	struct h2_chunk *next;
	size_t used, cap;
	char bytes[];
};

struct h2_builder {
	struct h2_chunk *chunks;  /* owned; newest first */
	struct sl_hfield *fields; /* owned */
	uint32_t cap;
	uint32_t seen;  /* fields, pseudo-header fields and what was dropped included */
	uint64_t bytes; /* names + values + 32 each */
	uint32_t cookies;
	struct sl_span host;
	bool has_authority;
	int err; /* why the head will be refused; its other fields are not kept */
	struct sl_head head;
};

void h2_builder_reset(struct h2_builder *b);
void h2_builder_fini(struct h2_builder *b);
/* Adds a field. False when the block is so far past the limits that it must not
 * be read on. */
bool h2_builder_add(struct h2_builder *b, const struct sl_head_limits *limits, struct sl_span name,
                    struct sl_span value);
/* Completes b->head. 0 or why it must be refused. */
SL_MUST_CHECK int h2_builder_finish(struct h2_builder *b);

/* ---- h2_guard.c ---- */

#define H2_FRAME_HEADER 9u

struct h2_guard {
	uint32_t skip;                           /* bytes to pass over: preface, payload */
	uint64_t units;                          /* see sl_h2_unfinished */
	bool settled;                            /* the first frame is here */
	bool in_block;                           /* CONTINUATION must follow */
	bool in_data;                            /* what is skipped is DATA's */
	unsigned char head[H2_FRAME_HEADER + 4]; /* of the frame that begins */
	uint8_t have, need;                      /* bytes in head */
	uint32_t last_id;                        /* highest stream the peer has opened */
	uint32_t read_id;                        /* ... that nghttp2 knows of */
	uint32_t gap_from, gap_to;               /* ids that it passed over last */
	uint32_t ended[64];                      /* ids on which it has said all, a ring */
	uint32_t n_ended;
	uint32_t stray[8]; /* streams that got DATA behind their end in this read */
	uint8_t n_stray;
};

void h2_guard_init(struct h2_guard *g, bool server);
/* How many of these bytes nghttp2 may read: all, or up to a frame for which the
 * connection must be ended with *out_code. */
size_t h2_guard_walk(struct sl_h2 *h2, const char *data, size_t len, uint32_t *out_code);
/* Resets the stray ones. Only after nghttp2 has read the same bytes: it drops a
 * reset of a stream that it has not seen opened. */
void h2_guard_refuse_stray(struct sl_h2 *h2);

/* ---- h2_budget.c ---- */

/* What a peer may do that costs us and brings nothing: every such act takes, time
 * gives back, and so does honest work. */
struct h2_budget {
	int32_t left, full; /* left < 0: used up, for good */
};

/* A peer may be odd, but not for nothing: every suspicious act costs, every
 * request and every DATA frame it takes earns. Out of budget, the connection
 * ends with ENHANCE_YOUR_CALM. */
void h2_spend(struct sl_h2 *h2, int32_t cost);
void h2_earn(struct sl_h2 *h2);
void h2_spend_reset(struct sl_h2 *h2);
void h2_budgets_init(struct sl_h2 *h2);

/* ---- streams ---- */

enum h2_event {
	H2_EV_END = 1,
	H2_EV_DRAINED = 2,
	H2_EV_CLOSE = 4,
	H2_EV_QUEUED = 128, /* is in the session's queue */
};

struct sl_h2_stream {
	struct sl_h2 *h2;
	void *user;                       /* borrowed from the caller */
	struct sl_h2_stream *prev, *next; /* all streams of the session */
	struct sl_h2_stream *next_event;
	int32_t id;
	uint32_t code;       /* of the close */
	uint8_t events;      /* waiting to be delivered */
	bool announced;      /* the caller knows it: it gets on_close */
	bool head_done;      /* a final head was received */
	bool answered;       /* our head was submitted */
	bool recv_end;       /* END_STREAM received */
	bool sent_end;       /* END_STREAM sent */
	bool reset;          /* we have sent or queued RST_STREAM */
	bool violated;       /* ... because of what the peer sent */
	bool discard;        /* what still arrives is of no use */
	bool closed;         /* nghttp2 has forgotten it */
	bool data_submitted; /* nghttp2 asks us for body bytes */
	bool deferred;       /* ... and was told to wait */
	bool fin;            /* no more bytes will be written */
	bool head_borrowed;  /* our head is queued and lies in the caller's memory */
	bool unsent;         /* client: the request never left */
	size_t unconsumed;   /* bytes given to on_data, not yet to sl_h2_consume */
	size_t discarded;    /* of a body behind its answer */
	uint64_t taken;      /* see sl_h2_progress */
	uint32_t emptied;
	size_t held;     /* largest amount of waiting bytes that was returned */
	const char *now; /* the caller's bytes; see h2_body.c */
	size_t now_len;
	struct sl_outbuf pending; /* copied bytes */
};

struct sl_h2 {
	nghttp2_session *ng; /* owned */
	const struct sl_h2_events *ev;
	void *ctx;
	struct sl_h2_limits limits;
	struct sl_outbuf out;
	struct h2_builder builder;
	struct h2_guard guard;
	struct sl_h2_stream *streams; /* owned list */
	struct sl_spares spares;      /* of streams */
	struct sl_h2_stream *events, *events_tail;
	uint32_t n_streams;
	uint32_t allowed;        /* on_end, see sl_h2_allow */
	uint32_t n_live;         /* streams that the caller knows and was not told the end of */
	uint32_t borrowed_heads; /* queued ones that must be serialised at once */
	struct h2_budget glitches, resets;
	uint64_t tick_us; /* up to when they are refilled; 0: never */
	uint32_t refused; /* streams, not yet told */
	enum sl_h2_cut cut;
	bool server;
	bool receiving;   /* inside nghttp2_session_mem_recv */
	bool delivering;  /* inside h2_deliver */
	bool failed;      /* the connection is beyond use */
	bool goaway_seen; /* ... and not yet told */
};

/* ---- h2_session.c ---- */
struct sl_h2 *h2_new(bool server, const struct sl_h2_limits *limits, const struct sl_h2_events *ev,
                     void *ctx);
struct sl_h2_stream *h2_stream_add(struct sl_h2 *h2);
void h2_stream_release(struct sl_h2_stream *s);
void h2_queue_event(struct sl_h2_stream *s, enum h2_event event);
/* Serialises, unless nghttp2 is on the stack; it will be done then. */
void h2_pump(struct sl_h2 *h2);
void h2_reset_stream(struct sl_h2_stream *s, uint32_t code);
/* ---- h2_fields.c: outgoing fields ---- */
struct h2_fields {
	nghttp2_nv nv[SL_MAX_HFIELDS + 8];
	size_t n;
	uint8_t flags; /* for every one */
};
/* Not by an initialiser: clearing the array would cost more than all the rest. */
static inline void h2_fields_init(struct h2_fields *f, uint8_t flags)
{
	f->n = 0;
	f->flags = flags;
}
void h2_fields_add(struct h2_fields *f, struct sl_span name, struct sl_span value);
/* All but what is connection-specific. */
void h2_fields_add_all(struct h2_fields *f, const struct sl_hfield *fields, uint32_t n);

/* ---- h2_body.c ---- */
ssize_t h2_body_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                     nghttp2_data_source *source, void *user);
int h2_body_send(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *header, size_t length,
                 nghttp2_data_source *source, void *user);

/* ---- h2_server.c, h2_client.c: a head is complete ---- */
void h2_server_head(struct sl_h2_stream *s, bool end);
void h2_client_head(struct sl_h2_stream *s, bool end);

#endif

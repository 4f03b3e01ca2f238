/* events.h: takes server-sent events out of a stream, data and all.
 *
 * The gateway has a watcher of its own for this (gateway/http/sse.h). The load
 * generator is its judge and therefore does not use it: a defect in a shared
 * reader would hide itself. Lines end in LF or CRLF; a lone CR, which no
 * engine sends, is an ordinary byte. */
#ifndef SLUICE_LOAD_EVENTS_H
#define SLUICE_LOAD_EVENTS_H

#include "sluice/err.h"

#define SL_EVENTS_MAX (4u * 1024u * 1024u) /* bytes of one event's data, or of one line */

struct sl_events_buf {
	char *ptr; /* owned */
	size_t len, cap;
};

struct sl_events {
	struct sl_events_buf line; /* a line whose end has not come yet */
	struct sl_events_buf data; /* the event's data lines so far */
	bool has_data;
};

/* Zeroed memory is a new one. */
void sl_events_fini(struct sl_events *e);
/* Calls fn with the data of each event that is complete. 0, or BODY_TOO_LARGE. */
SL_MUST_CHECK int sl_events_feed(struct sl_events *e, struct sl_span bytes,
                                 void (*fn)(void *ctx, struct sl_span data), void *ctx);
/* True in the middle of an event. */
bool sl_events_partial(const struct sl_events *e);

#endif

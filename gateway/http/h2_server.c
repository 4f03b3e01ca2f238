/* h2_server.c: requests in, responses out. */
#include <assert.h>

#include "gateway/http/h2_session.h"

#define SETTINGS_NO_RFC7540_PRIORITIES 9 /* RFC 9218 §2.1 */

struct sl_h2 *sl_h2_server_new(const struct sl_h2_limits *l, const struct sl_h2_events *ev,
                               void *ctx)
{
	struct sl_h2 *h2 = h2_new(true, l, ev, ctx);
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, l->max_streams },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->stream_window },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->head.bytes },
		{ SETTINGS_NO_RFC7540_PRIORITIES, 1 },
	};

	nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, SL_COUNT(settings));
	nghttp2_session_set_local_window_size(h2->ng, NGHTTP2_FLAG_NONE, 0,
	                                      (int32_t)l->connection_window);
	h2_pump(h2);
	return h2;
}

/* ---- requests ---- */

static void refuse_head(struct sl_h2_stream *s, int err)
{
	static const struct sl_hfield no_body = { { "content-length", 14 },
		                                  { "0", 1 },
		                                  SL_FC_FRAMING };
	struct sl_h2 *h2 = s->h2;

	s->discard = true;
	h2_spend(h2, 10);
	if (h2->ev->on_bad_head && h2->ev->on_bad_head(h2->ctx, s, err))
		return;
	if (err == SL_E_BAD_HTTP)
		h2_reset_stream(s, H2_PROTOCOL_ERROR);
	else
		(void)sl_h2_respond(h2, s, sl_err_info(err)->status, &no_body, 1, true);
}

void h2_server_head(struct sl_h2_stream *s, bool end)
{
	struct sl_h2 *h2 = s->h2;
	int err = h2_builder_finish(&h2->builder);

	s->head_done = true;
	if (err) {
		refuse_head(s, err);
		return;
	}
	/* A stream that was reset a moment ago counts until its request has
	 * ended: who resets and opens again in one breath has no more requests
	 * at the engines than anybody else. */
	if (h2->n_live >= h2->limits.max_streams) {
		s->discard = true;
		h2->refused++;
		h2_spend(h2, 1);
		h2_reset_stream(s, H2_REFUSED_STREAM);
		return;
	}
	s->announced = true;
	h2->n_live++;
	s->user = h2->ev->on_head(h2->ctx, s, &h2->builder.head, end);
	if (!s->user)
		h2_reset_stream(s, H2_REFUSED_STREAM);
}

/* ---- responses ---- */

static void put_status(char text[3], int status)
{
	assert(status >= 200 && status <= 999);
	text[0] = (char)('0' + status / 100);
	text[1] = (char)('0' + status / 10 % 10);
	text[2] = (char)('0' + status % 10);
}

int sl_h2_respond(struct sl_h2 *h2, struct sl_h2_stream *s, int status,
                  const struct sl_hfield *fields, uint32_t n, bool end)
{
	uint8_t flags = end ? NGHTTP2_FLAG_END_STREAM : NGHTTP2_FLAG_NONE;
	struct h2_fields f; /* ten kilobytes: only what is used is written */
	char text[3];

	assert(s->h2 == h2 && !s->answered);
	if (s->closed || s->reset || h2->failed)
		return SL_E_CLIENT_GONE;
	f.n = 0;
	f.flags = 0;
	/* serialised before this returns, or copied */
	h2_fields_init(&f, h2->receiving
	                           ? NGHTTP2_NV_FLAG_NONE
	                           : NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE);
	put_status(text, status);
	h2_fields_add(&f, SL_SPAN(":status"), sl_span(text, sizeof(text)));
	h2_fields_add_all(&f, fields, n);
	if (nghttp2_submit_headers(h2->ng, flags, s->id, NULL, f.nv, f.n, NULL) < 0)
		return SL_E_INTERNAL;
	s->answered = true;
	s->fin = end;
	if (!h2->receiving) {
		s->head_borrowed = true;
		h2->borrowed_heads++;
	}
	h2_pump(h2);
	return 0;
}

/* ---- the end ---- */

void sl_h2_shutdown_notice(struct sl_h2 *h2)
{
	nghttp2_submit_shutdown_notice(h2->ng);
	h2_pump(h2);
}

void sl_h2_goaway(struct sl_h2 *h2)
{
	nghttp2_submit_goaway(h2->ng, NGHTTP2_FLAG_NONE,
	                      nghttp2_session_get_last_proc_stream_id(h2->ng), H2_NO_ERROR, NULL,
	                      0);
	h2_pump(h2);
}

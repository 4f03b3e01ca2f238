/* h2_client.c: requests out, responses in. */
#include <assert.h>

#include "gateway/http/h2_session.h"

struct sl_h2 *sl_h2_client_new(const struct sl_h2_limits *l, const struct sl_h2_events *ev,
                               void *ctx)
{
	struct sl_h2 *h2 = h2_new(false, l, ev, ctx);
	nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, l->stream_window },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, l->head.bytes },
	};

	nghttp2_submit_settings(h2->ng, NGHTTP2_FLAG_NONE, settings, SL_COUNT(settings));
	/* one slow receiver must not hold up the others: only streams have a window */
	nghttp2_session_set_local_window_size(h2->ng, NGHTTP2_FLAG_NONE, 0, INT32_MAX);
	h2_pump(h2);
	return h2;
}

void h2_client_head(struct sl_h2_stream *s, bool end)
{
	struct sl_h2 *h2 = s->h2;
	int err = h2_builder_finish(&h2->builder);

	if (err) {
		s->violated = true;
		s->discard = true;
		h2_reset_stream(s, H2_PROTOCOL_ERROR);
		return;
	}
	if (h2->builder.head.status < 200)
		return;
	s->head_done = true;
	if (!s->reset)
		h2->ev->on_head(h2->ctx, s, &h2->builder.head, end);
}

static bool room_for_stream(const struct sl_h2 *h2)
{
	return !h2->failed && nghttp2_session_check_request_allowed(h2->ng) &&
	       h2->n_streams < nghttp2_session_get_remote_settings(
	                               h2->ng, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

static void add_request_fields(struct h2_fields *f, const struct sl_head *head, const char *scheme,
                               char length[20])
{
	h2_fields_add(f, SL_SPAN(":method"), head->method);
	h2_fields_add(f, SL_SPAN(":scheme"), sl_span_str(scheme));
	h2_fields_add(f, SL_SPAN(":authority"), head->authority);
	h2_fields_add(f, SL_SPAN(":path"), head->path);
	if (head->content_length >= 0) {
		char *last = sl_put_decimal(length, (uint64_t)head->content_length);

		h2_fields_add(f, SL_SPAN("content-length"),
		              sl_span(length, (size_t)(last - length)));
	}
	for (uint32_t i = 0; i < head->n_fields; i++)
		if (head->fields[i].cls != SL_FC_FRAMING)
			h2_fields_add_all(f, &head->fields[i], 1);
}

struct sl_h2_stream *sl_h2_request(struct sl_h2 *h2, const struct sl_head *head, const char *scheme,
                                   void *user, bool end)
{
	nghttp2_data_provider provider = { .read_callback = h2_body_read };
	struct h2_fields f; /* ten kilobytes: only what is used is written */
	struct sl_h2_stream *s;
	char length[20];

	if (!room_for_stream(h2))
		return NULL;
	f.n = 0;
	f.flags = 0;
	/* nghttp2 copies them, and makes the names lower case */
	h2_fields_init(&f, NGHTTP2_NV_FLAG_NONE);
	add_request_fields(&f, head, scheme, length);
	s = h2_stream_add(h2);
	provider.source.ptr = s;
	s->user = user;
	s->id = nghttp2_submit_request(h2->ng, NULL, f.nv, f.n, end ? NULL : &provider, s);
	if (s->id < 0) {
		h2->n_streams--;
		h2_stream_release(s);
		return NULL;
	}
	s->announced = true;
	h2->n_live++;
	s->answered = true;
	s->fin = end;
	s->data_submitted = !end;
	h2_pump(h2);
	return s;
}

/* h2_body.c: body bytes on their way out.
 *
 * A stream's bytes are, in order, those that wait in its copy and, during
 * sl_h2_write, the caller's. nghttp2 decides how many may go; they are put
 * behind their frame header in the output buffer, from wherever they lie. Only
 * what flow control or a full output stops is copied. */
#include <assert.h>

#include "gateway/http/h2_session.h"

static size_t waiting(const struct sl_h2_stream *s)
{
	return sl_outbuf_size(&s->pending) + s->now_len;
}

ssize_t h2_body_read(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t length, uint32_t *flags,
                     nghttp2_data_source *source, void *user)
{
	struct sl_h2_stream *s = source->ptr;
	size_t n = waiting(s);

	(void)ng, (void)id, (void)buf, (void)user;
	if (n == 0 && !s->fin) {
		s->deferred = true;
		return NGHTTP2_ERR_DEFERRED;
	}
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (n > length)
		return (ssize_t)length;
	if (s->fin)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)n;
}

/* Moves the stream's next n bytes into the output, which has room. */
static void move_out(struct sl_h2_stream *s, size_t n)
{
	struct sl_outbuf *out = &s->h2->out;
	size_t copied = sl_outbuf_size(&s->pending);

	if (copied > n)
		copied = n;
	if (copied) {
		sl_outbuf_add(out, s->pending.data + s->pending.off, copied);
		sl_outbuf_drain(&s->pending, copied);
	}
	if (n > copied) {
		sl_outbuf_add(out, s->now, n - copied);
		s->now += n - copied;
		s->now_len -= n - copied;
	}
}

/* At every halving: whoever waits for less than the first leaves must be told
 * again, or nobody would write any more. */
static void note_drained(struct sl_h2_stream *s)
{
	size_t left = sl_outbuf_size(&s->pending);

	if (s->held && left < (s->held + 1) / 2) {
		s->held = left;
		h2_queue_event(s, H2_EV_DRAINED);
	}
}

int h2_body_send(nghttp2_session *ng, nghttp2_frame *frame, const uint8_t *header, size_t length,
                 nghttp2_data_source *source, void *user)
{
	struct sl_h2_stream *s = source->ptr;
	struct sl_h2 *h2 = user;

	(void)ng, (void)frame;
	sl_outbuf_reserve(&h2->out, 9 + length);
	sl_outbuf_add(&h2->out, header, 9);
	move_out(s, length);
	note_drained(s);
	h2_earn(h2);
	/* the frame is out; PAUSE makes nghttp2 ask before it makes the next */
	return sl_outbuf_size(&h2->out) < H2_OUT_LIMIT ? 0 : NGHTTP2_ERR_PAUSE;
}

/* Makes nghttp2 ask for the stream's bytes. */
static void offer(struct sl_h2_stream *s)
{
	nghttp2_data_provider provider = { .source = { .ptr = s }, .read_callback = h2_body_read };

	if (!s->data_submitted) {
		s->data_submitted = true;
		if (nghttp2_submit_data(s->h2->ng, NGHTTP2_FLAG_END_STREAM, s->id, &provider))
			h2_reset_stream(s, H2_INTERNAL_ERROR);
	} else if (s->deferred) {
		nghttp2_session_resume_data(s->h2->ng, s->id);
	}
	s->deferred = false;
}

static size_t write_bytes(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len,
                          bool last)
{
	size_t left;

	if (s->closed || s->reset || h2->failed)
		return 0;
	assert(s->h2 == h2 && s->answered && !s->fin);
	s->fin = last;
	if (len || last) {
		s->now = data;
		s->now_len = len;
		offer(s);
		h2_pump(h2);
		if (s->now_len && !s->closed)
			sl_outbuf_add(&s->pending, s->now, s->now_len);
		s->now = NULL;
		s->now_len = 0;
	}
	left = sl_outbuf_size(&s->pending);
	if (left > s->held)
		s->held = left;
	return left;
}

size_t sl_h2_write(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len)
{
	return write_bytes(h2, s, data, len, false);
}

size_t sl_h2_write_last(struct sl_h2 *h2, struct sl_h2_stream *s, const char *data, size_t len)
{
	return write_bytes(h2, s, data, len, true);
}

void sl_h2_finish(struct sl_h2 *h2, struct sl_h2_stream *s)
{
	write_bytes(h2, s, NULL, 0, true);
}

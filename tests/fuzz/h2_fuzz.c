/* h2_fuzz.c: frames for a session that answers as the gateway would. Bits of the
 * first byte: 1 a client instead of a server, 2 no preface given, 4 data is not
 * consumed, 8 streams are reset; the rest is the size of the reads. */
#include <stdlib.h>

#include "gateway/http/h2.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct fuzz {
	struct sl_h2 *h2;
	bool client, keep, reset;
	int open; /* heads or requests without their on_close */
};

struct stream {
	struct fuzz *f;
	struct sl_h2_stream *h2;
	bool closed;
};

static void answer(struct stream *x)
{
	static const struct sl_hfield field = { { "x-request-id", 12 }, { "1", 1 }, 0 };
	static char body[70000];

	if (x->f->client || sl_h2_respond(x->f->h2, x->h2, 200, &field, 1, false) < 0)
		return;
	sl_h2_write(x->f->h2, x->h2, body, sizeof(body));
	if (x->f->reset)
		sl_h2_reset(x->f->h2, x->h2, 2);
	else
		sl_h2_finish(x->f->h2, x->h2);
}

static void *on_head(void *ctx, struct sl_h2_stream *s, const struct sl_head *head, bool end)
{
	struct fuzz *f = ctx;
	struct stream *x;
	size_t total = 0;

	(void)end;
	for (uint32_t i = 0; i < head->n_fields; i++)
		total += head->fields[i].name.len + head->fields[i].value.len;
	CHECK(total < 9000 && head->n_fields <= 50);
	if (f->client)
		return sl_h2_stream_user(s);
	CHECK(head->path.len > 0 && head->path.ptr[0] == '/' && head->authority.len > 0);
	CHECK(!memchr(head->path.ptr, '\r', head->path.len));
	x = calloc(1, sizeof(*x));
	if (!x)
		abort();
	*x = (struct stream){ f, s, false };
	f->open++;
	return x;
}

static void on_data(void *ctx, void *user, const char *data, size_t len)
{
	struct fuzz *f = ctx;
	struct stream *x = user;

	(void)data;
	CHECK(!x->closed);
	if (!f->keep)
		sl_h2_consume(f->h2, x->h2, len);
}

static void on_end(void *ctx, void *user)
{
	(void)ctx;
	answer(user);
}

static void on_close(void *ctx, void *user, int err, uint32_t code)
{
	struct fuzz *f = ctx;
	struct stream *x = user;

	(void)err;
	(void)code;
	CHECK(!x->closed);
	x->closed = true;
	f->open--;
	free(x);
}

static const struct sl_h2_events events = {
	.on_head = on_head,
	.on_data = on_data,
	.on_end = on_end,
	.on_close = on_close,
};

static void add_request(struct fuzz *f)
{
	struct sl_head head = { .method = SL_SPAN("POST"),
		                .path = SL_SPAN("/"),
		                .authority = SL_SPAN("a"),
		                .content_length = -1 };
	struct stream *x = calloc(1, sizeof(*x));

	if (!x)
		abort();
	*x = (struct stream){ f, NULL, false };
	x->h2 = sl_h2_request(f->h2, &head, "http", x, false);
	if (!x->h2) {
		free(x);
		return;
	}
	f->open++;
	sl_h2_write(f->h2, x->h2, "hello", 5);
	sl_h2_finish(f->h2, x->h2);
}

static int feed(struct fuzz *f, const char *data, size_t len)
{
	struct sl_outbuf *out = sl_h2_out(f->h2);
	int rc = sl_h2_recv(f->h2, data, len);

	CHECK(sl_outbuf_size(out) < 600 * 1024);
	sl_outbuf_drain(out, sl_outbuf_size(out));
	sl_h2_pull(f->h2);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static const struct sl_h2_limits limits = { { 8192, 50, 1024 }, 10, 65536, 131072, 0, 0 };
	static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0";
	static const char settings[] = "\0\0\0\4\0\0\0\0";
	size_t piece;
	struct fuzz f;
	int rc = 0;

	if (len == 0)
		return 0;
	f = (struct fuzz){ .client = data[0] & 1, .keep = data[0] & 4, .reset = data[0] & 8 };
	piece = data[0] >> 4 ? (size_t)(data[0] >> 4) * 7 : SIZE_MAX;
	f.h2 = f.client ? sl_h2_client_new(&limits, &events, &f)
	                : sl_h2_server_new(&limits, &events, &f);
	for (int i = 0; f.client && i < 3; i++)
		add_request(&f);
	if (!(data[0] & 2))
		rc = f.client ? feed(&f, settings, sizeof(settings))
		              : feed(&f, preface, sizeof(preface));
	for (size_t at = 1; at < len && rc == 0;) {
		size_t n = len - at < piece ? len - at : piece;

		rc = feed(&f, (const char *)data + at, n);
		at += n;
	}
	CHECK((uint32_t)f.open >= sl_h2_streams(f.h2) || rc < 0 || !f.client);
	sl_h2_free(f.h2);
	CHECK(f.open == 0);
	return 0;
}

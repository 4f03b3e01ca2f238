/* h1_fuzz.c: the first byte chooses what the rest is: a request, a response or
 * a chunked body. Whatever is accepted must keep what the codec promises, and
 * the verdict must not depend on where reads split the bytes; and a reader that
 * shares nothing with the codec must find the same ends and the same content. */
#include <stdlib.h>

#include "gateway/http/h1.h"

#include "tests/fuzz/h1_reader.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* Extensions and trailers of fewer bytes are within any bound. */
#define MAX_OVERHEAD ((size_t)16 * 1024)

static const struct sl_head_limits limits = { 4096, 50, 1024 };

static bool inside(struct sl_span span, const char *buf, size_t len)
{
	return span.len == 0 || (span.ptr >= buf && span.ptr + span.len <= buf + len);
}

/* No byte of an accepted head could be a line end to anybody else. */
static void check_lines(const char *buf, size_t len)
{
	CHECK(len >= 4 && memcmp(buf + len - 4, "\r\n\r\n", 4) == 0);
	for (size_t i = 0; i < len; i++) {
		CHECK(buf[i] != '\0');
		CHECK(buf[i] != '\n' || (i > 0 && buf[i - 1] == '\r'));
		CHECK(buf[i] != '\r' || buf[i + 1] == '\n');
	}
}

static void check_head(const struct sl_head *head, const char *buf, size_t len)
{
	check_lines(buf, len);
	CHECK(!(head->chunked && head->content_length >= 0));
	CHECK(!(head->chunked && head->version == 10));
	CHECK(head->n_fields <= limits.count);
	CHECK(len <= limits.bytes + 4); /* empty lines before it do not count */
	for (uint32_t i = 0; i < head->n_fields; i++) {
		const struct sl_hfield *f = &head->fields[i];

		CHECK(f->name.len > 0 && inside(f->name, buf, len) && inside(f->value, buf, len));
		CHECK(!memchr(f->name.ptr, ' ', f->name.len));
		CHECK(f->cls != SL_FC_HOST);
	}
}

static void check_request(const struct sl_head *head, const char *buf, size_t len)
{
	check_head(head, buf, len);
	CHECK(head->method.len > 0 && inside(head->method, buf, len));
	CHECK(head->path.len > 0 && head->path.ptr[0] == '/' && head->path.len <= limits.uri);
	CHECK(head->version == 10 || head->authority.len > 0);
	CHECK(!memchr(head->path.ptr, ' ', head->path.len));
}

/* The codec may refuse more than the grammar of framing does, never less. */
static void compare_head(bool request, const struct sl_head *head, const char *buf, size_t len,
                         int rc)
{
	struct reading second = reader_head(request, buf, len);

	CHECK(second.ok && second.len == (size_t)rc);
	CHECK(second.chunked == head->chunked && second.length == head->content_length);
	CHECK(head->n_fields == second.fields);
}

static int parse(bool request, const char *buf, size_t len, size_t *resume, struct sl_h1_head *out)
{
	return request ? sl_h1_request(buf, len, resume, &limits, out)
	               : sl_h1_response(buf, len, resume, &limits, false, out);
}

static void fuzz_head(bool request, const char *buf, size_t len)
{
	struct sl_h1_head whole, part;
	size_t resume = 0;
	int rc = parse(request, buf, len, &resume, &whole), rc2 = 0;

	if (rc > 0 && request)
		check_request(&whole.head, buf, (size_t)rc);
	else if (rc > 0)
		check_head(&whole.head, buf, (size_t)rc);
	if (rc > 0)
		compare_head(request, &whole.head, buf, len, rc);
	resume = 0;
	for (size_t n = 0; n < len && rc2 == 0;)
		rc2 = parse(request, buf, ++n, &resume, &part);
	CHECK((rc > 0) == (rc2 > 0) && (rc < 0 || rc == rc2));
}

struct result {
	int rc;
	bool done;
	size_t used, n;
	uint64_t sum;
};

static struct result feed(const char *buf, size_t len, size_t piece)
{
	struct sl_head head = { .chunked = true };
	struct result r = { .rc = 0 };
	struct sl_h1_body b;

	sl_h1_request_body(&b, &head);
	while (r.used < len && !b.done && r.rc == 0) {
		size_t have = len - r.used < piece ? len - r.used : piece, used;
		struct sl_span data;

		r.rc = sl_h1_body_feed(&b, buf + r.used, have, &used, &data);
		if (r.rc)
			break;
		CHECK(used > 0 && used <= have && inside(data, buf + r.used, used));
		for (size_t i = 0; i < data.len; i++)
			r.sum = r.sum * 31 + (unsigned char)data.ptr[i];
		r.n += data.len;
		r.used += used;
	}
	r.done = b.done;
	return r;
}

/* Both take a whole body or neither does; but the codec bounds extensions and
 * trailers, and judges a beginning where the reader wants whole lines. */
static void compare_body(const struct result *first, const char *buf, size_t len)
{
	struct unchunked second = reader_chunks(buf, len);

	if (first->done)
		CHECK(second.verdict == READER_DONE && second.used == first->used);
	if (second.verdict == READER_DONE && len < MAX_OVERHEAD)
		CHECK(first->done);
	if (second.verdict == READER_MORE && len < MAX_OVERHEAD)
		CHECK(first->rc == 0 && !first->done);
	if (first->done || (second.verdict == READER_MORE && first->rc == 0))
		CHECK(first->n == second.n && first->sum == second.sum);
}

static void fuzz_body(const char *buf, size_t len)
{
	struct result whole = feed(buf, len, SIZE_MAX), bytes = feed(buf, len, 1);

	CHECK(whole.rc == bytes.rc && whole.done == bytes.done);
	if (whole.rc == 0)
		CHECK(whole.n == bytes.n && whole.sum == bytes.sum && whole.used == bytes.used);
	compare_body(&whole, buf, len);
	CHECK(!whole.done || memcmp(buf + whole.used - 2, "\r\n", 2) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *rest = (const char *)data + 1;

	if (len == 0)
		return 0;
	switch (data[0]) {
	case 'q':
		fuzz_head(true, rest, len - 1);
		break;
	case 's':
		fuzz_head(false, rest, len - 1);
		break;
	default:
		fuzz_body(rest, len - 1);
		break;
	}
	return 0;
}

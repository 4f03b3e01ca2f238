/* sse_fuzz.c: the first byte is the size of the reads; what is found in the
 * rest must be the same in one piece. */
#include <stdlib.h>

#include "gateway/http/sse.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

static size_t watch(struct sl_sse *s, const char *data, size_t len, size_t piece)
{
	size_t boundary = 0;

	sl_sse_init(s);
	for (size_t at = 0; at < len;) {
		size_t n = len - at < piece ? len - at : piece;
		size_t end = sl_sse_feed(s, data + at, n);

		CHECK(end <= n);
		if (end)
			boundary = at + end;
		at += n;
		CHECK(sl_sse_partial(s) == (boundary < at));
	}
	sl_sse_fini(s);
	return boundary;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	const char *text = (const char *)data + 1;
	struct sl_sse whole, parts;
	struct sl_span member;

	if (len == 0)
		return 0;
	CHECK(watch(&whole, text, len - 1, SIZE_MAX) == watch(&parts, text, len - 1, data[0] + 1u));
	CHECK(whole.events == parts.events && whole.skipped == parts.skipped);
	CHECK(whole.done == parts.done && whole.error == parts.error);
	CHECK(whole.first_is_error == parts.first_is_error);
	CHECK(memcmp(&whole.usage, &parts.usage, sizeof(whole.usage)) == 0);
	member = sl_json_member(text, len - 1, SL_SPAN("a"));
	CHECK(member.len == 0 || (member.ptr > text && member.ptr + member.len <= text + len - 1));
	sl_usage_init(&whole.usage);
	(void)!sl_usage_read(text, len - 1, &whole.usage);
	return 0;
}

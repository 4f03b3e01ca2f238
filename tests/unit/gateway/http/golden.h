/* golden.h: answers of real engines, as they came from the socket. */
#ifndef SLUICE_TEST_GOLDEN_H
#define SLUICE_TEST_GOLDEN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/http/h1.h"

/* The file's bytes, exactly as many; the caller frees them. */
static inline char *golden_read(const char *name, size_t *out_len)
{
	static char bytes[65536];
	char path[512];
	FILE *f;
	char *copy;

	snprintf(path, sizeof(path), SOURCE_DIR "/tests/golden/http/%s", name);
	f = fopen(path, "rb");
	if (!f)
		fail_msg("%s is missing", path);
	*out_len = fread(bytes, 1, sizeof(bytes), f);
	fclose(f);
	copy = malloc(*out_len + 1);
	assert_non_null(copy);
	memcpy(copy, bytes, *out_len);
	return copy;
}

/* Takes the framing off, fed `piece` bytes at a time; the content ends up at
 * the front of `bytes`. Returns its length. */
static inline size_t golden_content(char *bytes, size_t len, size_t piece, struct sl_h1_body *body)
{
	size_t at = 0, n = 0;

	while (at < len && !body->done) {
		size_t end = len - at > piece ? at + piece : len;

		while (at < end && !body->done) {
			struct sl_span data;
			size_t used;

			assert_int_equal(sl_h1_body_feed(body, bytes + at, end - at, &used, &data),
			                 0);
			assert_true(used > 0);
			memmove(bytes + n, data.ptr, data.len);
			n += data.len;
			at += used;
		}
	}
	return n;
}

#endif

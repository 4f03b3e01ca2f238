/* prom_fuzz.c: any bytes as a page, once whole and once in pieces whose size
 * the first byte chooses; both readings must agree. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/probe.h"

static int read_page(const char *data, size_t len, size_t piece, struct sl_engine_page *out)
{
	struct sl_page_reader *r = sl_page_reader_new(SL_ENGINE_VLLM);
	struct sl_page_adapters adapters;
	int err;

	for (size_t at = 0; at < len; at += piece) {
		size_t n = len - at < piece ? len - at : piece;
		char *copy = malloc(n); /* so that reading past a piece is seen */

		memcpy(copy, data + at, n);
		sl_page_reader_feed(r, copy, n);
		free(copy);
	}
	err = sl_page_reader_finish(r, out);
	adapters = sl_page_reader_adapters(r);
	assert(adapters.running.len + adapters.waiting.len <= len);
	sl_page_reader_free(r);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_engine_page whole = { 0 }, pieces = { 0 };
	size_t piece;
	int err;

	if (len < 1)
		return 0;
	piece = data[0] % 64 + 1u;
	err = read_page((const char *)data + 1, len - 1, len, &whole);
	assert(read_page((const char *)data + 1, len - 1, piece, &pieces) == err);
	assert(memcmp(&whole, &pieces, sizeof(whole)) == 0);
	assert(err == 0 || err == SL_E_BAD_HTTP);
	assert(whole.running >= -1 && whole.kv_capacity_tokens >= -1);
	return 0;
}

/* page_fuzz.c: any bytes as a page of any dialect, once whole and once in pieces;
 * both readings must agree. The first byte chooses the dialect, the second the
 * pieces' size, and whether an operator maps signals. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/probe.h"

static char requests[] = "my_requests", state[] = "state", running[] = "running",
            percent[] = "vllm:kv_cache_usage_perc", none[] = "";
static const struct sl_signal_map maps[] = {
	{ SL_SIGNAL_RUNNING, requests, { state, running }, 1 },
	{ SL_SIGNAL_KV_USAGE, percent, { none, none }, 0.01 },
};

static struct sl_page_reader *reader_new(uint8_t choice)
{
	enum sl_engine_kind kind = (enum sl_engine_kind)(choice % SL_ENGINE_KIND_COUNT);

	return sl_page_reader_new_mapped(kind, maps, choice & 128 ? SL_COUNT(maps) : 0);
}

static int read_page(uint8_t choice, const char *data, size_t len, size_t piece,
                     struct sl_engine_page *out)
{
	struct sl_page_reader *r = reader_new(choice);
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
	struct sl_engine_page whole, pieces;
	const char *page = (const char *)data + 2;
	int err;

	if (len < 2)
		return 0;
	sl_engine_page_clear(&whole);
	sl_engine_page_clear(&pieces);
	err = read_page(data[0], page, len - 2, len, &whole);
	assert(read_page(data[0], page, len - 2, data[1] % 64 + 1u, &pieces) == err);
	assert(err == 0 || err == SL_E_BAD_HTTP);
	assert(whole.families == pieces.families);
	for (int i = 0; i < SL_SIGNAL_COUNT; i++) {
		double value = sl_engine_page_signal(&whole, (enum sl_signal)i);

		assert(value >= -1);
		assert(!(value < sl_engine_page_signal(&pieces, (enum sl_signal)i)));
		assert(!(value > sl_engine_page_signal(&pieces, (enum sl_signal)i)));
	}
	return 0;
}

/* loads_fuzz.c: any bytes as an engine's JSON: its loads, and what it is taken for
 * by them. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/dialect.h"

/* The same answer to all that is asked: there is an end, and a verdict. */
static void detect(struct sl_span body, int status)
{
	struct sl_detect d = { 0 };
	unsigned asked = 0;

	while (sl_detect_ask(&d)) {
		assert(++asked <= 5);
		sl_detect_answer(&d, status, body);
	}
	assert(d.kind != SL_ENGINE_AUTO && d.kind < SL_ENGINE_KIND_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len ? len : 1); /* exactly as long as it says */
	struct sl_engine_page page;
	int err;

	memcpy(copy, data, len);
	sl_engine_page_clear(&page);
	err = sl_loads_parse(copy, len, &page);
	assert(err == 0 || err == SL_E_BAD_JSON);
	assert((err == 0) == (page.families > 0));
	for (int i = 0; i < SL_SIGNAL_COUNT; i++)
		assert(sl_engine_page_signal(&page, (enum sl_signal)i) >= -1);
	detect(sl_span(copy, len), 200);
	detect(sl_span(copy, len), 401);
	detect(sl_span(copy, len), 503);
	free(copy);
	return 0;
}

/* models_fuzz.c: any bytes as an answer to GET /v1/models. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/probe.h"

static void count(void *ctx, const struct sl_model_card *card)
{
	assert(card->id.len > 0 && card->id.ptr[card->id.len] == '\0');
	assert(!card->parent.len || card->parent.ptr[card->parent.len] == '\0');
	++*(int *)ctx;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	char *copy = malloc(len ? len : 1); /* exactly as long as it says */
	int seen = 0, n;

	memcpy(copy, data, len);
	n = sl_models_parse(copy, len, count, &seen);
	assert(n == SL_E_BAD_JSON || n == seen);
	free(copy);
	return 0;
}

/* filesd_fuzz.c: any text as a file_sd file. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_server_set *set = sl_server_set_new();
	char *copy = malloc(len + 1); /* exactly as long as it says */
	char error[64] = "";

	memcpy(copy, data, len);
	copy[len] = '\0';
	if (sl_file_sd_parse(copy, set, error, sizeof(error))) {
		assert(*error == '\0');
		for (uint32_t i = 0; i < set->n; i++)
			assert(*set->servers[i].addr.host && set->servers[i].addr.port > 0);
	} else {
		assert(*error && strlen(error) < sizeof(error));
	}
	sl_server_set_unref(set);
	free(copy);
	return 0;
}

/* Traces: any file is a trace or is refused with its line, and every row of a
 * trace has the blocks of its length. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/load/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	FILE *in = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
	struct sl_trace t;
	char err[256] = "";

	if (!in)
		return 0;
	if (sl_trace_read(in, "t", 100, err, sizeof(err), &t) < 0) {
		assert(!strncmp(err, "t:", 2));
	} else {
		assert(t.n_rows > 0 && t.n_rows <= 100);
		for (size_t i = 0; i < t.n_rows; i++) {
			const struct sl_trace_row *row = &t.rows[i];

			assert(row->input_tokens > 0 && row->output_tokens > 0);
			assert(row->n_blocks == (row->input_tokens + 511) / 512);
			assert(row->first_block + row->n_blocks <= t.n_blocks);
		}
		sl_trace_fini(&t);
	}
	fclose(in);
	return 0;
}

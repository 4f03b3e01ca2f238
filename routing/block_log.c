/* block_log.c: see block_log.h. */
#include "routing/block_log.h"

#include "routing/alloc.h"

struct sl_block_log *sl_block_log_new(uint32_t max_runs, uint32_t max_hashes)
{
	struct sl_block_log *log = alloc_zero(1, sizeof(*log));

	assert(max_hashes >= SL_MAX_SHARED_BLOCKS);
	log->runs = alloc_zero(max_runs, sizeof(*log->runs));
	log->hashes = alloc_zero(max_hashes, sizeof(*log->hashes));
	log->cap_runs = max_runs;
	log->cap_hashes = max_hashes;
	return log;
}

void sl_block_log_free(struct sl_block_log *log)
{
	if (!log)
		return;
	free(log->runs);
	free(log->hashes);
	free(log);
}

void block_log_add(struct sl_block_log *log, uint32_t ep, const struct sl_block *blocks, uint32_t n,
                   double tokens_per_byte)
{
	if (n > SL_MAX_SHARED_BLOCKS)
		n = SL_MAX_SHARED_BLOCKS;
	if (log->n_runs == log->cap_runs || n > log->cap_hashes - log->n_hashes) {
		log->dropped += log->n_runs;
		log->n_runs = log->n_hashes = 0;
	}
	log->runs[log->n_runs++] = (struct sl_block_run){
		.ep = ep, .first = log->n_hashes, .count = n, .tokens_per_byte = tokens_per_byte
	};
	for (uint32_t i = 0; i < n; i++)
		log->hashes[log->n_hashes++] = blocks[i].hash;
}

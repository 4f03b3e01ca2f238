/* result.h: all that a replay found out, as numbers. */
#ifndef SLUICE_LOAD_RESULT_H
#define SLUICE_LOAD_RESULT_H

#include "bench/load/answer.h"
#include "bench/load/samples.h"

#define SL_RESULT_MAX_STATUS 1000

struct sl_result {
	size_t requests; /* of the trace */
	size_t sent;
	size_t completed;
	size_t failed;
	size_t mismatches; /* among the completed */
	size_t good;       /* completed, right, and within every SLO */
	uint32_t fails[SL_FAIL_COUNT];
	uint32_t statuses[SL_RESULT_MAX_STATUS]; /* of SL_FAIL_STATUS */
	uint64_t input_tokens;  /* of the completed, as usage says, or as asked for */
	uint64_t output_tokens; /* as usage says, or chunks */
	uint64_t cached_tokens; /* usage.prompt_tokens_details.cached_tokens */
	bool cached_told;       /* by at least one answer */
	uint64_t connections;
	size_t resent; /* moved from a connection that the server had let go of */
	size_t peak_live;
	uint32_t *per_second; /* owned: chunks in each second */
	size_t n_seconds;
	int64_t offered_us;  /* the last request was due this long after the first */
	int64_t duration_us; /* from the first request to the last answer */
	bool interrupted;
	bool engines_scraped; /* the next two are known */
	double prefix_hits, prefix_queries;
	struct sl_samples ttft, tpot, itl, e2e;
	struct sl_samples lag; /* sent later than due */
};

/* Zeroed memory is a new one. */
void sl_result_fini(struct sl_result *r);
void sl_result_add_chunks(struct sl_result *r, int64_t at_us, uint32_t chunks);
uint32_t sl_result_peak_per_second(const struct sl_result *r);
bool sl_result_ok(const struct sl_result *r);

#endif

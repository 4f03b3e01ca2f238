/* workload.h: the requests of a what-if run, as engines and gateways see them.
 *
 * A *request* has an arrival, a length in tokens either way, and a prompt that
 * is known by hashes only. Engines know it by the chained hash of each full KV
 * block; gateways by what the scanner would have said of its body: the chain
 * of byte boundaries, which meet the same text at the same offsets as in
 * production. A token stands for BYTES_PER_TOKEN bytes.
 *
 * Equal ids in the same positions of a trace are the same text; a chain hash
 * covers everything before it. Immutable once made: threads share it. */
#ifndef SLUICE_WHATIF_WORKLOAD_H
#define SLUICE_WHATIF_WORKLOAD_H

#include "bench/load/trace.h"
#include "sluice/facts.h"

#define WORKLOAD_BYTES_PER_TOKEN 4u
/* KV block of the simulated engines, in tokens. vLLM's default is 16; 64 is a
 * quarter of the work and wastes 24 tokens more per sequence. */
#define WORKLOAD_KV_TOKENS 64u

struct workload_request {
	int64_t at_us; /* at rate factor 1, from 0; ascending */
	uint32_t input_tokens;
	uint32_t output_tokens;
	uint64_t session; /* 0: names none */
	size_t first_name, first_block;
	uint32_t n_names;  /* input_tokens / WORKLOAD_KV_TOKENS */
	uint32_t n_blocks; /* boundaries that a gateway hashes */
	/* Full KV blocks of the prompt and its answer whose names are known, from
	 * first_answered_name on: the beginning of the session's next prompt, if
	 * that goes on where this one's answer ends; else those of the prompt. */
	uint32_t n_answered_names;
	size_t first_answered_name;
};

struct workload {
	struct workload_request *requests; /* owned */
	uint32_t n;
	uint64_t *names;         /* owned; chained, of full KV blocks */
	struct sl_block *blocks; /* owned */
	uint64_t tokens_in, tokens_out;
};

/* From from_us on, for for_us, requests come `factor` times as fast (times at
 * rate factor 1); what follows comes that much earlier. for_us 0: none. */
struct workload_burst {
	int64_t from_us, for_us;
	double factor;
};

struct workload_options {
	uint64_t seed;     /* of the de-quantisation */
	int64_t spread_us; /* negative: what the format needs */
	struct workload_burst burst;
};

void workload_init(struct workload *w, const struct sl_trace *trace,
                   const struct workload_options *opt);
void workload_fini(struct workload *w);

/* Requests per second as recorded. */
double workload_rate(const struct workload *w);
/* Chained hashes of its full KV blocks, n_names of them; borrowed. */
const uint64_t *workload_names(const struct workload *w, uint32_t request);
/* The same behind which the answer's follow, as far as a later prompt names
 * them; n_answered_names of them. */
const uint64_t *workload_answered_names(const struct workload *w, uint32_t request);
/* What the scanner would say; its blocks are borrowed from the workload. */
void workload_facts(const struct workload *w, uint32_t request, struct sl_facts *out_facts);

#endif

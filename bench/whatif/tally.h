/* tally.h: what came of the requests of one what-if run, and its summary. */
#ifndef SLUICE_WHATIF_TALLY_H
#define SLUICE_WHATIF_TALLY_H

#include "sluice/base.h"

/* Service level that a request must meet to count as good. */
struct slo {
	double ttft_ms; /* 5000 */
	double tpot_ms; /* 50; mean time per output token after the first */
};

struct tally_request {
	bool done;     /* false: it failed for good */
	float ttft_ms; /* arrival to first token */
	float tpot_ms; /* (end - first token) / (tokens - 1); 0 with one token */
	float e2e_ms;
	uint32_t prompt_tokens;
	uint32_t output_tokens;
	uint32_t cached_tokens;
	uint32_t prefill, decode; /* where it was last placed */
};

/* The state of the fleet during one slice of the run: means over its engines. */
struct tally_slice {
	float running;     /* sequences per engine */
	float running_max; /* of the fullest engine */
	float waiting;
	float kv_usage; /* 0..1 */
};

#define TALLY_SLICES 200

struct tally {
	struct tally_request *requests; /* owned; in the order of arrival */
	uint32_t n;
	uint32_t first; /* those before it came while the fleet warmed up: not counted */
	uint32_t n_bad; /* ended outside the SLO, so far */
	uint32_t n_engines;
	double *busy_ms;      /* owned; by engine: time in which it computed */
	uint32_t *dispatched; /* owned; by engine: prefills sent there */
	uint64_t span_us;     /* first arrival to last end */
	uint64_t arrivals_us; /* first to last arrival */
	struct tally_slice slices[TALLY_SLICES];
	uint32_t n_slices;
	uint64_t slice_us;
	double kv_usage; /* mean over time and engines */
	uint64_t preemptions;
	uint64_t remote; /* requests with two legs */
	uint64_t retries;
	uint64_t decisions; /* digest of every placement, in order */
	bool abandoned;     /* stopped early: too many were bad already */
};

void tally_init(struct tally *t, uint32_t n_requests, uint32_t n_engines);
void tally_fini(struct tally *t);
/* Note the end of a request. */
void tally_note(struct tally *t, uint32_t request, struct tally_request end, const struct slo *slo);

struct spread {
	double mean, p50, p90, p99;
};

struct summary {
	struct spread ttft_ms, tpot_ms, e2e_ms;
	double slo_ok;  /* share of all requests inside the SLO */
	double ttft_ok; /* inside the SLO of TTFT, and that of TPOT, each alone */
	double tpot_ok;
	double goodput;   /* of them, per second of arrivals */
	double hit_rate;  /* cached tokens of all prompt tokens */
	double imbalance; /* max / mean over engines of time computed per role */
	double kv_usage;
	double rate; /* requests per second offered */
	uint32_t failed;
	uint64_t preemptions, remote, retries, decisions;
};
/* roles: by engine, an enum sl_role each; imbalance is the worst of the roles. */
void tally_summarize(const struct tally *t, const struct slo *slo, const uint8_t *roles,
                     struct summary *out);
/* Share inside the SLO at best, of those that count; 0 if none does. */
double tally_best_share(const struct tally *t);
/* The q-quantile (0..1) of n floats, which it reorders. */
double tally_quantile(float *values, size_t n, double q);

#endif

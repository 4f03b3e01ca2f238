/* options.h: the command line of `sluice-bench whatif`. */
#ifndef SLUICE_WHATIF_OPTIONS_H
#define SLUICE_WHATIF_OPTIONS_H

#include "bench/whatif/fleet.h"
#include "bench/whatif/profile_file.h"
#include "bench/whatif/world.h"

#define OPTIONS_MAX_CHANGES 64

/* N engines from the first that no other one was said of, so many times slower. */
struct options_slow {
	uint32_t count;
	double factor;
};

/* One engine that is away for a while. */
struct options_fail {
	uint32_t engine;
	int64_t from_us, for_us;
};

/* Further engines that join later. */
struct options_join {
	uint32_t count;
	int64_t at_us;
};

struct options {
	const char *trace;
	uint64_t limit;
	uint32_t engines, prefill, decode;
	const char *profile_name; /* or a file's */
	double kv_factor;
	double transfer_gb_per_s, transfer_latency_ms;
	double rate_factor;
	const char *policy; /* all, or names with commas */
	bool compare;
	bool knee, plan;
	double good_share;
	uint32_t replicas;
	int64_t replica_delay_us; /* negative: cut off */
	int64_t scrape_us;
	int64_t warmup_us;
	struct workload_burst burst; /* in simulated time */
	struct options_slow slow[OPTIONS_MAX_CHANGES];
	uint32_t n_slow;
	struct options_fail fail[OPTIONS_MAX_CHANGES];
	uint32_t n_fail;
	struct options_join join[OPTIONS_MAX_CHANGES];
	uint32_t n_join;
	double slo_ttft_ms, slo_tpot_ms;
	int64_t spread_us; /* negative: what the format needs */
	uint64_t seed;
	const char *json, *html;
	const char *commit; /* to be noted in them; "" none */
	uint32_t threads;
	bool quiet, list;

	struct sl_profile profile; /* that of profile_name */
	bool profile_owned;        /* it came from a file */
};

#define OPTIONS_RUN (-1)
/* OPTIONS_RUN with *out filled, to be freed with _fini; or the exit status. */
int options_parse(int argc, char **argv, struct options *out);
void options_fini(struct options *o);
/* The fleet that was described; its profile is the options'. */
void options_fleet(const struct options *o, struct fleet *out_fleet);
/* Policies by name, in the order asked for; NULL-terminated and owned by the
 * caller. NULL after a message: there is none of that name. */
const struct policy **options_policies(const struct options *o);

#endif

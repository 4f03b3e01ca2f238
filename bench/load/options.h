/* options.h: the command line of `sluice-bench replay`. */
#ifndef SLUICE_LOAD_OPTIONS_H
#define SLUICE_LOAD_OPTIONS_H

#include "bench/load/message.h"

#define SL_OPTIONS_MAX_ENGINES 256
#define SL_OPTIONS_RUN (-1) /* of _parse: go on */

struct sl_options {
	const char *trace; /* strings are argv's */
	const char *url;
	const char *json;  /* NULL: none */
	const char *model; /* NULL: ask */
	size_t limit;      /* 0: all */
	double rate_factor;
	double tokens_scale;
	uint64_t seed;
	uint32_t bytes_per_token;
	uint32_t max_concurrency; /* 0: none */
	enum sl_api api;
	bool stream;
	bool verify;
	int64_t timeout_us;
	int64_t spread_us;   /* negative: by the trace's format */
	int64_t slo_ttft_us; /* 0: none */
	int64_t slo_tpot_us;
	char *headers;                         /* owned: "Name: value\r\n..." or "" */
	char *engines[SL_OPTIONS_MAX_ENGINES]; /* owned URLs */
	size_t n_engines;
};

/* SL_OPTIONS_RUN with *out_options filled, or the exit status: 0 after
 * --help, 2 after an error, which was printed. */
int sl_options_parse(int argc, char **argv, struct sl_options *out_options);
void sl_options_fini(struct sl_options *o);

#endif

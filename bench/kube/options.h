/* options.h: what `sluice-bench kubernetes` was asked to be. */
#ifndef SLUICE_BENCH_KUBE_OPTIONS_H
#define SLUICE_BENCH_KUBE_OPTIONS_H

#include "bench/sim/options.h"

struct sl_kapi_template;

struct sl_kapi_options {
	struct sl_sim_address listen;
	const char *token, *namespace_; /* borrowed from argv; token NULL: all may */
	const char *service;            /* the name in the pods' labels */
	const char *forbid;             /* "pods", "watch:pods", ... or NULL */
	const struct sl_kapi_template *template;
	uint32_t pods, page_limit, history, first_address;
	uint64_t seed, resource_version;
	int64_t bookmark_us;
};

/* As cli_parse returns. */
int sl_kapi_options_read(struct sl_kapi_options *opt, int argc, char **argv);

#endif

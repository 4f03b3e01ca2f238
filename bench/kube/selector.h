/* selector.h: label and field selectors, with the API server's own words for
 * what is wrong with one. */
#ifndef SLUICE_BENCH_KUBE_SELECTOR_H
#define SLUICE_BENCH_KUBE_SELECTOR_H

#include "bench/kube/version.h"

#define SL_KAPI_MAX_TERMS 32
#define SL_KAPI_MAX_VALUES 64
#define SL_KAPI_SELECTOR_BYTES 4096

enum sl_kapi_op {
	SL_KAPI_OP_IN,
	SL_KAPI_OP_NOT_IN,
	SL_KAPI_OP_EXISTS,
	SL_KAPI_OP_NOT_EXISTS,
	SL_KAPI_OP_GREATER,
	SL_KAPI_OP_LESS,
};

struct sl_kapi_term {
	enum sl_kapi_op op;
	const char *key; /* in the selector's own text */
	uint16_t first_value, n_values;
};

/* No terms: everything matches. Points into itself: never copied. */
struct sl_kapi_selector {
	struct sl_kapi_term terms[SL_KAPI_MAX_TERMS];
	uint32_t n, n_values;
	const char *values[SL_KAPI_MAX_VALUES]; /* in the text */
	char text[SL_KAPI_SELECTOR_BYTES];      /* keys and values, each ended by NUL */
	size_t used;
};

#define SL_KAPI_WRONG_BYTES 512

/* Adds the terms of a labelSelector; false: out_wrong says why. */
SL_MUST_CHECK bool sl_kapi_selector_labels(struct sl_kapi_selector *s, const char *text,
                                           char out_wrong[SL_KAPI_WRONG_BYTES]);
bool sl_kapi_selector_match(const struct sl_kapi_selector *s, const struct sl_kapi_version *v);

/* The same for a fieldSelector, which knows =, == and != alone. */
SL_MUST_CHECK bool sl_kapi_selector_fields(struct sl_kapi_selector *s,
                                           const struct sl_kapi_resource *resource,
                                           const char *text, char out_wrong[SL_KAPI_WRONG_BYTES]);
bool sl_kapi_selector_match_fields(const struct sl_kapi_selector *s,
                                   const struct sl_kapi_version *v);

#endif

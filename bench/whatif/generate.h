/* generate.h: workloads made by rule, for questions that no trace answers.
 *
 * A *spec* is synthetic:KIND[,key=value...]. Arrivals are a Poisson process,
 * lengths log-normal; both follow from the seed alone. Only log, exp and sqrt
 * are taken from the C library: a spec is the same trace on every compiler. */
#ifndef SLUICE_WHATIF_GENERATE_H
#define SLUICE_WHATIF_GENERATE_H

#include "bench/load/trace.h"

/* Whether a --trace argument is a spec, and no file. */
bool generate_is_spec(const char *text);
/* 0, or negative with one line in err. */
SL_MUST_CHECK int generate_trace(const char *spec, char *err, size_t err_size,
                                 struct sl_trace *out_trace);
/* The kinds and the keys, a line each, for --help. */
void generate_help(FILE *out);

#endif

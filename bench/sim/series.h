/* series.h: pages of numbers by a table: what all dialects have but vLLM,
 * whose page is its own (metrics_page.c).
 *
 * A dialect's table is dialect_NAME.def, rows of
 *   SL_SIM_SERIES(type, name, label, values, help, value)
 *   SL_SIM_SERIES_HIST(name, help, id)
 * type: GAUGE or COUNTER; label: NULL, or one besides the common ones, whose
 * values are separated by `|`; value: an expression of e (the engine), n (its
 * sl_sim_numbers_now), m (its metrics) and k (which of the label's values).
 * A histogram has vLLM's bounds. series_table.h makes `series` of it. */
#ifndef SLUICE_SIM_SERIES_H
#define SLUICE_SIM_SERIES_H

#include "bench/sim/dialect.h"

enum sl_sim_series_type { SL_SIM_SERIES_GAUGE, SL_SIM_SERIES_COUNTER, SL_SIM_SERIES_HISTOGRAM };

struct sl_sim_series {
	enum sl_sim_series_type type;
	const char *name, *label, *values, *help;
	double (*get)(const struct sl_sim_engine *e, unsigned k);
	enum sl_sim_hist hist;
};

/* A common label: its value, or "" for the model's name; get, if it differs
 * between engines. */
struct sl_sim_label {
	const char *name, *value;
	const char *(*get)(const struct sl_sim_engine *e);
};

struct sl_sim_series_style {
	enum sl_sim_numbers numbers;
	const struct sl_sim_label *labels; /* in the alphabet's order */
	size_t n_labels;
	bool help;    /* HELP lines */
	bool created; /* _created series: the Python client in one process */
	bool process; /* the interpreter's families in front */
};

void sl_sim_series_page(struct sl_sim_buf *b, struct sl_sim_engine *e,
                        const struct sl_sim_series_style *style, const struct sl_sim_series *series,
                        size_t n);

#endif

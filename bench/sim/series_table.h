/* series_table.h: makes `series`, a table of struct sl_sim_series, of the .def
 * that SL_SIM_SERIES_FILE names. Included once by each dialect's file. */
#define SL_SIM_SERIES_HIST(name, help, id)
#define SL_SIM_SERIES(type, name, label, values, help, value)                                      \
	static double get_##name(const struct sl_sim_engine *e, unsigned k)                        \
	{                                                                                          \
		const struct sl_sim_numbers_now n = sl_sim_numbers_now(e);                         \
		const struct sl_sim_metrics *m = &e->metrics;                                      \
                                                                                                   \
		(void)n;                                                                           \
		(void)m;                                                                           \
		(void)k;                                                                           \
		return (double)(value);                                                            \
	}
#include SL_SIM_SERIES_FILE
#undef SL_SIM_SERIES
#undef SL_SIM_SERIES_HIST

static const struct sl_sim_series series[] = {
#define SL_SIM_SERIES_HIST(name, help, id)                                                         \
	{                                                                                          \
		SL_SIM_SERIES_HISTOGRAM,                                                           \
		SL_SIM_SERIES_PREFIX #name,                                                        \
		NULL,                                                                              \
		"",                                                                                \
		help,                                                                              \
		NULL,                                                                              \
		SL_SIM_H_##id                                                                      \
	},
#define SL_SIM_SERIES(type, name, label, values, help, value)                                      \
	{ SL_SIM_SERIES_##type, SL_SIM_SERIES_PREFIX #name, label, values, help, get_##name, 0 },
#include SL_SIM_SERIES_FILE
#undef SL_SIM_SERIES
#undef SL_SIM_SERIES_HIST
};

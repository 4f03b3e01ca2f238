/* page.h: a page of numbers that is made again and again.
 *
 * A *walk* says the whole page: text, value, text, value... The first time
 * its texts are kept in a template; afterwards only the values are asked for
 * and written between the kept texts, which is ten times cheaper. A walk
 * must therefore say the same texts each time: what comes and goes (a series
 * for each state that there was) is no part of it. */
#ifndef SLUICE_SIM_PAGE_H
#define SLUICE_SIM_PAGE_H

#include "bench/sim/buf.h"

struct sl_sim_template {
	struct sl_sim_buf text; /* without the values */
	uint32_t *slots;        /* owned: where in it the values go */
	uint32_t n_slots, cap_slots;
	bool made;
};

void sl_sim_template_fini(struct sl_sim_template *t);

enum sl_sim_numbers {
	SL_SIM_NUMBERS_PYTHON, /* 3.0, 1.5e+06 */
	SL_SIM_NUMBERS_PLAIN,  /* 3, 1500000, 0.101451 */
};

struct sl_sim_page {
	struct sl_sim_buf *out;
	struct sl_sim_template *t;
	enum sl_sim_numbers numbers;
	bool recording;
	size_t at;     /* in the template's text */
	uint32_t slot; /* the next */
	/* The last number that took long to write. */
	double memo;
	char memo_text[32];
	uint32_t memo_len;
};

typedef void (*sl_sim_walk_fn)(struct sl_sim_page *p, const void *subject);

/* Appends the page to out. */
void sl_sim_page_make(struct sl_sim_buf *out, struct sl_sim_template *t,
                      enum sl_sim_numbers numbers, sl_sim_walk_fn walk, const void *subject);

/* For walks. */
void sl_sim_page_printf(struct sl_sim_page *p, const char *format, ...) SL_PRINTF(2, 3);
void sl_sim_page_text(struct sl_sim_page *p, struct sl_span text);
/* A number that is text: a bucket's bound. */
void sl_sim_page_bound(struct sl_sim_page *p, double bound);
/* " VALUE\n" */
void sl_sim_page_value(struct sl_sim_page *p, double value);
/* The HELP and TYPE lines of NAME = prefix, name, suffix. */
void sl_sim_page_head(struct sl_sim_page *p, const char *prefix, const char *name,
                      const char *suffix, const char *type, const char *help);

/* A label's value, escaped. */
void sl_sim_label_escape(struct sl_sim_buf *b, struct sl_span text);

#endif

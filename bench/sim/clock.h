/* clock.h: what time it is, and how libevent and HTTP want it said. */
#ifndef SLUICE_SIM_CLOCK_H
#define SLUICE_SIM_CLOCK_H

#include <sys/time.h>

#include "sluice/base.h"

/* Monotonic, and Unix time. */
uint64_t sl_sim_now_us(void);
int64_t sl_sim_unix_s(void);
struct timeval sl_sim_timeval(uint64_t us);

/* The value of a date header field, made once a second. All zero at first. */
struct sl_sim_date {
	int64_t unix_s;
	char text[40];
};
/* Borrowed until the next call. */
const char *sl_sim_date_text(struct sl_sim_date *date);

#endif

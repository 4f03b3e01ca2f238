/* clock.c: see clock.h. */
#include "bench/sim/clock.h"

#include <time.h>

uint64_t sl_sim_now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

int64_t sl_sim_unix_s(void)
{
	return (int64_t)time(NULL);
}

struct timeval sl_sim_timeval(uint64_t us)
{
	return (struct timeval){ .tv_sec = (time_t)(us / 1000000u),
		                 .tv_usec = (suseconds_t)(us % 1000000u) };
}

const char *sl_sim_date_text(struct sl_sim_date *date)
{
	time_t now = time(NULL);
	struct tm tm;

	if ((int64_t)now != date->unix_s) {
		date->unix_s = (int64_t)now;
		gmtime_r(&now, &tm);
		strftime(date->text, sizeof(date->text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
	}
	return date->text;
}

/* stamp.c: Unix microseconds to text, without locale or time zone. */
#include "gateway/telemetry/stamp.h"

#include <time.h>

static void put_digits(char *out, unsigned n, long value)
{
	while (n--) {
		out[n] = (char)('0' + value % 10);
		value /= 10;
	}
}

void stamp_write(char *out, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm = { 0 };

	memcpy(out, "0000-00-00T00:00:00.000Z", STAMP_LEN);
	if (!gmtime_r(&seconds, &tm))
		return;
	put_digits(out, 4, tm.tm_year + 1900L);
	put_digits(out + 5, 2, tm.tm_mon + 1L);
	put_digits(out + 8, 2, tm.tm_mday);
	put_digits(out + 11, 2, tm.tm_hour);
	put_digits(out + 14, 2, tm.tm_min);
	put_digits(out + 17, 2, tm.tm_sec);
	put_digits(out + 20, 3, (long)(wall_us / 1000 % 1000));
}

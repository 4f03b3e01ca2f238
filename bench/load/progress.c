/* progress.c: the live line. See progress.h. */
#include "bench/load/progress.h"

#include <stdarg.h>
#include <unistd.h>

#define RECENT 256

void sl_progress_init(struct sl_progress *p, FILE *out)
{
	*p = (struct sl_progress){ .out = out, .live = isatty(fileno(out)) };
}

static long long whole_seconds(int64_t us)
{
	return us > 0 ? (us + 999999) / 1000000 : 0;
}

void sl_progress_format(char *out, size_t size, const struct sl_result *r, size_t live_requests,
                        int64_t elapsed_us, int64_t left_us)
{
	long long gone = elapsed_us / 1000000;
	long long left = whole_seconds(left_us);
	char eta[32] = "draining";

	if (r->sent < r->requests)
		snprintf(eta, sizeof(eta), "eta %lld:%02lld", left / 60, left % 60);
	snprintf(out, size,
	         "sent %zu/%zu  done %zu  failed %zu  live %zu  ttft p50 %.0f ms  %lld:%02lld  %s",
	         r->sent, r->requests, r->completed, r->failed, live_requests,
	         sl_samples_recent_median(&r->ttft, RECENT) / 1000, gone / 60, gone % 60, eta);
}

void sl_progress_draw(const struct sl_progress *p, const struct sl_result *r, size_t live_requests,
                      int64_t elapsed_us, int64_t left_us)
{
	char line[160];

	if (!p->live)
		return;
	sl_progress_format(line, sizeof(line), r, live_requests, elapsed_us, left_us);
	fprintf(p->out, "\r\033[K%s", line);
	fflush(p->out);
}

void sl_progress_clear(const struct sl_progress *p)
{
	if (!p->live)
		return;
	fputs("\r\033[K", p->out);
	fflush(p->out);
}

void sl_progress_note(const struct sl_progress *p, const char *fmt, ...)
{
	va_list args;

	sl_progress_clear(p);
	va_start(args, fmt);
	vfprintf(p->out, fmt, args);
	va_end(args);
	putc('\n', p->out);
}

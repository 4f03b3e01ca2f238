/* progress.c: counters and the line that is drawn from them. See progress.h. */
#include "bench/whatif/progress.h"

#include <math.h>
#include <time.h>
#include <unistd.h>

#define BAR_CELLS 30
#define REDRAW_US 100000u

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

void progress_init(struct progress *p, FILE *out, bool quiet, uint32_t runs, uint32_t requests)
{
	*p = (struct progress){ .out = out, .requests = requests, .began_us = now_us() };
	p->live = !quiet && isatty(fileno(out));
	atomic_store(&p->runs, runs);
}

void progress_more(struct progress *p, uint32_t runs)
{
	atomic_fetch_add_explicit(&p->runs, runs, memory_order_relaxed);
}

static double share_done(const struct progress *p)
{
	double all = (double)atomic_load(&p->runs) * p->requests;
	double done = (double)atomic_load(&p->simulated) + (double)atomic_load(&p->skipped);

	if (all <= 0)
		return 0;
	return done < all ? done / all : 1;
}

static void put_time_left(char *out, size_t size, double done, double elapsed_s)
{
	double left = done > 0 ? ceil(elapsed_s * (1 - done) / done) : -1;

	if (left < 0 || left >= 360000)
		snprintf(out, size, "--:--");
	else
		snprintf(out, size, "%d:%02d", (int)left / 60, (int)left % 60);
}

/* 950, 12k, 1.3M: requests per second. */
static void put_rate(char *out, size_t size, double rate)
{
	if (rate < 10000)
		snprintf(out, size, "%.0f", rate);
	else if (rate < 999500)
		snprintf(out, size, "%.0fk", rate / 1e3);
	else
		snprintf(out, size, "%.1fM", rate / 1e6);
}

void progress_format(char *out, size_t size, const struct progress *p, uint64_t elapsed_us)
{
	double done = share_done(p), seconds = (double)elapsed_us / 1e6;
	char bar[BAR_CELLS + 1], left[24], rate[24];
	int full = (int)(done * BAR_CELLS);

	for (int i = 0; i < BAR_CELLS; i++)
		bar[i] = i < full ? '#' : '.';
	bar[BAR_CELLS] = '\0';
	put_time_left(left, sizeof(left), done, seconds);
	put_rate(rate, sizeof(rate),
	         seconds > 0 ? (double)atomic_load(&p->simulated) / seconds : 0);
	snprintf(out, size, "[%s] %3.0f %%  run %u/%u  %s requests/s  %s left", bar,
	         floor(done * 100), (unsigned)atomic_load(&p->runs_done),
	         (unsigned)atomic_load(&p->runs), rate, left);
}

static void draw(struct progress *p)
{
	uint64_t now, due;
	char line[120];

	if (!p->live)
		return;
	now = now_us();
	due = atomic_load_explicit(&p->next_draw_us, memory_order_relaxed);
	if (now < due || !atomic_compare_exchange_strong(&p->next_draw_us, &due, now + REDRAW_US))
		return;
	progress_format(line, sizeof(line), p, now - p->began_us);
	fprintf(p->out, "\r\033[K%s", line);
	fflush(p->out);
}

void progress_requests(void *ctx, uint32_t ended)
{
	struct progress *p = ctx;

	atomic_fetch_add_explicit(&p->simulated, ended, memory_order_relaxed);
	draw(p);
}

void progress_run_done(struct progress *p, uint32_t ended)
{
	uint64_t rest = ended < p->requests ? p->requests - ended : 0;

	atomic_fetch_add_explicit(&p->skipped, rest, memory_order_relaxed);
	atomic_fetch_add_explicit(&p->runs_done, 1, memory_order_relaxed);
	draw(p);
}

void progress_fini(struct progress *p)
{
	if (!p->live)
		return;
	fputs("\r\033[K", p->out);
	fflush(p->out);
}

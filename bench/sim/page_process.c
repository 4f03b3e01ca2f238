/* page_process.c: the interpreter's and the process's families. The
 * interpreter's are there and say nothing; the engines of a process show the
 * same numbers of it. */
#include "bench/sim/page_process.h"

#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

struct usage {
	uint64_t at_us;
	double resident_bytes, cpu_s;
};

static double resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "r");
	unsigned long size = 0, resident = 0;

	if (f && fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	if (f)
		fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_seconds(void)
{
	struct rusage u;

	if (getrusage(RUSAGE_SELF, &u) != 0)
		return 0;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
	       (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Asked of the kernel a few times a second, however many pages are made. */
static const struct usage *usage_now(void)
{
	static struct usage usage;
	uint64_t now_us = sl_sim_now_us();

	if (!usage.at_us || now_us - usage.at_us > 250000)
		usage = (struct usage){ now_us, resident_bytes(), cpu_seconds() };
	return &usage;
}

static void put_plain(struct sl_sim_page *p, const char *name, const char *type, const char *help,
                      double value)
{
	sl_sim_page_head(p, "", name, "", type, help);
	sl_sim_page_text(p, sl_span_str(name));
	sl_sim_page_value(p, value);
}

void sl_sim_page_process(struct sl_sim_page *p, const struct sl_sim_engine *e)
{
	static const char *const gc[][2] = {
		{ "python_gc_objects_collected_total", "Objects collected during gc" },
		{ "python_gc_objects_uncollectable_total",
		  "Uncollectable objects found during GC" },
		{ "python_gc_collections_total", "Number of times this generation was collected" },
	};

	const struct usage *usage = usage_now();

	for (size_t i = 0; i < SL_COUNT(gc); i++) {
		sl_sim_page_head(p, "", gc[i][0], "", "counter", gc[i][1]);
		for (unsigned k = 0; k < 3; k++)
			sl_sim_page_printf(p, "%s{generation=\"%u\"} 0.0\n", gc[i][0], k);
	}
	put_plain(p, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
	          usage->resident_bytes);
	put_plain(p, "process_start_time_seconds", "gauge",
	          "Start time of the process since unix epoch in seconds.", e->metrics.created_s);
	put_plain(p, "process_cpu_seconds_total", "counter",
	          "Total user and system CPU time spent in seconds.", usage->cpu_s);
	put_plain(p, "process_open_fds", "gauge", "Number of open file descriptors.",
	          e->conns.n + 8);
}

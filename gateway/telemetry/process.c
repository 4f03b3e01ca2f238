/* process.c: CPU, memory, descriptors and start time, as /proc/self has them.
 *
 * The names and meanings are those every Prometheus client library uses, so
 * that operators' existing dashboards and alerts apply. */
#include "gateway/telemetry/process.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "sluice/base.h"

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return -1;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

double process_resident_bytes(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long pages = -1;

	if (!f)
		return -1;
	if (fscanf(f, "%*d %ld", &pages) != 1)
		pages = -1;
	fclose(f);
	return pages < 0 ? -1 : (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	double n = -3; /* ".", ".." and the one that reads */

	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static double max_fds(void)
{
	struct rlimit limit;

	return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? (double)limit.rlim_cur : -1;
}

/* Ticks after boot at which this process began: field 22 of stat, counted
 * after the command's name, which may hold anything up to the last ')'. */
static double start_ticks(void)
{
	FILE *f = fopen("/proc/self/stat", "re");
	char line[1024];
	const char *p;

	if (!f)
		return -1;
	line[fread(line, 1, sizeof(line) - 1, f)] = '\0';
	fclose(f);
	p = strrchr(line, ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	return p ? (double)strtoull(p + 1, NULL, 10) : -1;
}

static double boot_time(void)
{
	FILE *f = fopen("/proc/stat", "re");
	unsigned long long seconds = 0;
	char line[256];

	if (!f)
		return -1;
	while (!seconds && fgets(line, sizeof(line), f))
		if (sscanf(line, "btime %llu", &seconds) != 1)
			seconds = 0;
	fclose(f);
	return seconds ? (double)seconds : -1;
}

static double start_time(void)
{
	double boot = boot_time(), ticks = start_ticks();

	return boot < 0 || ticks < 0 ? -1 : boot + ticks / (double)sysconf(_SC_CLK_TCK);
}

static const struct {
	const char *name;
	const char *type;
	const char *help;
	double (*read)(void); /* negative: not known */
} rows[] = {
	{ "process_cpu_seconds_total", "counter", "User and system CPU time spent.", cpu_seconds },
	{ "process_resident_memory_bytes", "gauge", "Memory resident in RAM.",
	  process_resident_bytes },
	{ "process_open_fds", "gauge", "Open file descriptors.", open_fds },
	{ "process_max_fds", "gauge", "Limit of open file descriptors.", max_fds },
	{ "process_start_time_seconds", "gauge", "Start of the process, Unix time.", start_time },
};

void process_metrics_write(FILE *out)
{
	fprintf(out,
	        "# HELP sluice_build_info The version that runs; always 1.\n"
	        "# TYPE sluice_build_info gauge\nsluice_build_info{version=\"%s\"} 1\n",
	        SLUICE_VERSION);
	for (size_t i = 0; i < SL_COUNT(rows); i++) {
		double value = rows[i].read();

		if (value >= 0)
			fprintf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", rows[i].name,
			        rows[i].help, rows[i].name, rows[i].type, rows[i].name, value);
	}
}

void process_metrics_document(FILE *out)
{
	fprintf(out,
	        "| `sluice_build_info` | gauge | version | The version that runs; always 1. |\n");
	for (size_t i = 0; i < SL_COUNT(rows); i++)
		fprintf(out, "| `%s` | %s |  | %s |\n", rows[i].name, rows[i].type, rows[i].help);
}

/* metrics.c: counting, and numbers as Python prints them. */
#include "bench/sim/metrics.h"

#include <stdio.h>
#include <stdlib.h>

/* Upper bounds, ascending; the first 0 ends a table. */
static const double xfer_bounds[] = { .005, .01, .025, .05, .075, .1, .2, .3, .5, .75, 1, 5, 0 };
static const double post_bounds[] = {
	.001, .005, .01, .025, .05, .075, .1, .2, .3, .5, .75, 1, 5, 0
};
static const double byte_bounds[] = { 2048,       8192,       32768,    131072,    524288,
	                              2097152,    8388608,    33554432, 134217728, 536870912,
	                              2147483648, 8589934592, 0 };
static const double descriptor_bounds[] = { 10,   20,   30,   50,    75,    100,   200, 400,
	                                    1000, 2000, 4000, 10000, 20000, 50000, 0 };
static const double length_bounds[] = { 1,    2,    5,    10,    20,    50,    100,    200, 500,
	                                1000, 2000, 5000, 10000, 20000, 50000, 100000, 0 };
static const double iteration_bounds[] = { 1,   8,    16,   32,   64,   128,   256,
	                                   512, 1024, 2048, 4096, 8192, 16384, 0 };
static const double n_bounds[] = { 1, 2, 5, 10, 20, 0 };
static const double preemption_bounds[] = { 1, 2, 3, 4, 5, 10, 20, 0 };
static const double ttft_bounds[] = { .001, .005, .01, .02, .04, .06, .08, .1,  .25, .5,   .75, 1,
	                              2.5,  5,    7.5, 10,  20,  40,  80,  160, 640, 2560, 0 };
static const double itl_bounds[] = { .01, .025, .05, .075, .1,  .15, .2, .3, .4, .5,
	                             .75, 1,    2.5, 5,    7.5, 10,  20, 40, 80, 0 };
static const double request_bounds[] = { .3, .5, .8, 1,  1.5, 2,   2.5, 5,   10,   15,   20,
	                                 30, 40, 50, 60, 120, 240, 480, 960, 1920, 7680, 0 };
const double sl_sim_http_bounds[] = { .1, .5, 1, 0 };

static const struct sl_sim_hist_info hists[] = {
#define SL_SIM_HIST(id, name, bounds, help) { name, bounds, help },
#include "bench/sim/histograms.def"
#undef SL_SIM_HIST
};

const struct sl_sim_hist_info *sl_sim_hist_info(enum sl_sim_hist which)
{
	return &hists[which];
}

static void observe(struct sl_sim_histogram *h, const double *bounds, double value)
{
	unsigned i = 0;

	while (bounds[i] > 0 && value > bounds[i])
		i++;
	if (bounds[i] > 0)
		h->buckets[i]++;
	h->count++;
	h->sum += value;
}

void sl_sim_observe(struct sl_sim_metrics *m, enum sl_sim_hist which, double value)
{
	observe(&m->hists[which], hists[which].bounds, value);
}

void sl_sim_count_http(struct sl_sim_metrics *m, unsigned handler, int status, double seconds,
                       double request_bytes, double response_bytes)
{
	struct sl_sim_http_count *c = &m->http[handler];

	c->by_class[status >= 100 && status < 600 ? status / 100 : 5]++;
	c->request_bytes += request_bytes;
	c->response_bytes += response_bytes;
	observe(&c->seconds, sl_sim_http_bounds, seconds);
}

/* The shortest text that reads back as the same number, with a point. */
static void shortest(char *out, size_t size, double value)
{
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(out, size, "%.*g", digits, value);
		if (strtod(out, NULL) == value)
			break;
	}
	if (!strpbrk(out, ".e"))
		snprintf(out + strlen(out), size - strlen(out), ".0");
}

/* prometheus_client moves the point of long numbers, exponent written its way. */
void sl_sim_add_float(struct sl_sim_buf *b, double value)
{
	char text[48];
	size_t point, end;

	if (value >= 0 && value < 1e6 && value == (double)(uint32_t)value) {
		sl_sim_buf_printf(b, "%u.0", (uint32_t)value);
		return;
	}
	shortest(text, sizeof(text), value);
	point = strcspn(text, ".e");
	if (text[point] != '.' || point <= 6 || value < 0) {
		sl_sim_buf_str(b, text);
		return;
	}
	memmove(text + 2, text + 1, point - 1);
	text[1] = '.';
	end = strlen(text);
	while (text[end - 1] == '0')
		end--;
	if (text[end - 1] == '.')
		end--;
	sl_sim_buf_printf(b, "%.*se+0%zu", (int)end, text, point - 1);
}

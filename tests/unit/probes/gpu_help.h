/* gpu_help.h: pages of exporters, and what is read of them. */
#ifndef SLUICE_TEST_GPU_HELP_H
#define SLUICE_TEST_GPU_HELP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka wants the four above it */
#include <cmocka.h>
#include <math.h>

#include "sluice/gpu.h"

/* A page of dcgm-exporter, a line a call. */
struct page {
	char text[65536];
	size_t len;
};

static inline void SL_PRINTF(2, 3) put(struct page *p, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	p->len += (size_t)vsnprintf(p->text + p->len, sizeof(p->text) - p->len, format, args);
	va_end(args);
	assert_true(p->len < sizeof(p->text));
}

static inline void put_dcgm(struct page *p, const char *family, int gpu, const char *value)
{
	put(p,
	    "%s{gpu=\"%d\",UUID=\"GPU-%d\",pci_bus_id=\"00000000:0%d:00.0\",device=\"nvidia%d\","
	    "modelName=\"NVIDIA H200\",hostname=\"node-7\",container=\"vllm\",namespace=\"prod\","
	    "pod=\"decode-%d\"} %s\n",
	    family, gpu, gpu, gpu, gpu, gpu / 4, value);
}

#endif

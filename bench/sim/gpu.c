/* gpu.c: see gpu.h. */
#include "bench/sim/gpu.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#ifndef XXH_STATIC_LINKING_ONLY
#define XXH_STATIC_LINKING_ONLY
#endif
#include <xxhash.h>

#define THROTTLED_MHZ 1110
#define WINDOW_US 300000000u

const char *const sl_sim_gpu_watches[SL_SIM_GPU_WATCHES] = {
	"PCIE",
	"NVLINK",
	"PMU",
	"MCU",
	"MEM",
	"SM",
	"INFOROM",
	"THERMAL",
	"POWER",
	"DRIVER",
	"NVSWITCH_NONFATAL",
	"NVSWITCH_FATAL",
	"CONNECTX",
};

static void name_gpu(struct sl_sim_gpu *gpu, const char *host, uint16_t port, uint32_t index)
{
	char key[128];
	XXH128_hash_t h;

	snprintf(key, sizeof(key), "%.80s:%u/%u", host, port, index);
	h = XXH3_128bits(key, strlen(key));
	snprintf(gpu->uuid, sizeof(gpu->uuid), "GPU-%08x-%04x-%04x-%04x-%012llx",
	         (unsigned)(h.high64 >> 32), (unsigned)(h.high64 >> 16) & 0xffff,
	         (unsigned)h.high64 & 0xffff, (unsigned)(h.low64 >> 48),
	         (unsigned long long)(h.low64 & 0xffffffffffffull));
	snprintf(gpu->serial, sizeof(gpu->serial), "69%010u", (unsigned)h.low64);
}

void sl_sim_gpus_init(struct sl_sim_gpus *g, const char *host, uint16_t first_port,
                      uint32_t engines, uint32_t per_engine)
{
	*g = (struct sl_sim_gpus){ .n = engines * per_engine, .per_engine = per_engine };
	g->all = calloc(g->n, sizeof(*g->all));
	if (!g->all)
		abort();
	for (uint32_t i = 0; i < g->n; i++) {
		name_gpu(&g->all[i], host, (uint16_t)(first_port + i / per_engine), i % per_engine);
		g->all[i].slow = 1;
	}
}

void sl_sim_gpus_fini(struct sl_sim_gpus *g)
{
	free(g->all);
	g->all = NULL;
}

/* ---- what it shows --------------------------------------------------- */

double sl_sim_gpus_slow(const struct sl_sim_gpus *g, uint32_t engine)
{
	double worst = 1;

	for (uint32_t i = 0; i < g->per_engine; i++) {
		double slow = g->all[engine * g->per_engine + i].slow;

		worst = slow > worst ? slow : worst;
	}
	return worst;
}

uint32_t sl_sim_gpu_clock_mhz(const struct sl_sim_gpu *gpu)
{
	if (gpu->clock_mhz)
		return gpu->clock_mhz;
	return gpu->thermal || gpu->power ? THROTTLED_MHZ : SL_SIM_GPU_CLOCK_MHZ;
}

static uint64_t throttled_us(const struct sl_sim_gpu *gpu, bool on, uint64_t before_us,
                             uint64_t now_us)
{
	return before_us + (on && now_us > gpu->since_us ? now_us - gpu->since_us : 0);
}

uint64_t sl_sim_gpu_thermal_us(const struct sl_sim_gpu *gpu, uint64_t now_us)
{
	return throttled_us(gpu, gpu->thermal, gpu->thermal_us, now_us);
}

uint64_t sl_sim_gpu_power_us(const struct sl_sim_gpu *gpu, uint64_t now_us)
{
	return throttled_us(gpu, gpu->power, gpu->power_us, now_us);
}

uint32_t sl_sim_gpu_xid_count(const struct sl_sim_gpu *gpu, uint32_t xid, uint64_t now_us)
{
	uint32_t n = 0;

	for (size_t i = 0; i < SL_SIM_GPU_XIDS; i++)
		n += xid && gpu->events[i].xid == xid && now_us - gpu->events[i].at_us < WINDOW_US;
	return n;
}

bool sl_sim_gpu_ill(const struct sl_sim_gpu *gpu)
{
	for (size_t i = 0; i < SL_SIM_GPU_WATCHES; i++)
		if (gpu->health[i] >= 20)
			return true;
	return gpu->xid || gpu->dbe || gpu->row_remap_failure || gpu->recovery_action;
}

/* ---- what is done to it ---------------------------------------------- */

enum kind { FLAG, WHOLE, MORE, REAL };

#define AT(member) offsetof(struct sl_sim_gpu, member)
#define OF(member) offsetof(struct sl_sim_gpus, member)

struct field {
	const char *name;
	enum kind kind;
	size_t at;
};

static const struct field gpu_fields[] = {
	{ "vanish", FLAG, AT(vanished) },
	{ "sentinel", FLAG, AT(sentinel) },
	{ "thermal", FLAG, AT(thermal) },
	{ "power", FLAG, AT(power) },
	{ "xid", WHOLE, AT(xid) },
	{ "clock_mhz", WHOLE, AT(clock_mhz) },
	{ "sbe", MORE, AT(sbe) },
	{ "dbe", MORE, AT(dbe) },
	{ "nvlink_errors", MORE, AT(nvlink_errors) },
	{ "row_remap_failure", WHOLE, AT(row_remap_failure) },
	{ "row_remap_pending", WHOLE, AT(row_remap_pending) },
	{ "remapped_rows", WHOLE, AT(remapped_rows) },
	{ "recovery_action", WHOLE, AT(recovery_action) },
	{ "slow", REAL, AT(slow) },
};

static const struct field exporter_fields[] = {
	{ "down", FLAG, OF(down) },   { "hang", FLAG, OF(hang) },      { "empty", FLAG, OF(empty) },
	{ "stale", FLAG, OF(stale) }, { "status", WHOLE, OF(status) },
};

static const char *set_field(char *base, const struct field *f, const cJSON *item)
{
	void *to = base + f->at;

	if (f->kind == FLAG) {
		if (!cJSON_IsBool(item))
			return "expected true or false";
		*(bool *)to = cJSON_IsTrue(item);
		return NULL;
	}
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble < 1e9))
		return "expected a number that is not negative";
	if (f->kind == REAL)
		*(double *)to = item->valuedouble;
	else if (f->kind == MORE)
		*(uint64_t *)to += (uint64_t)item->valuedouble;
	else
		*(uint32_t *)to = (uint32_t)item->valuedouble;
	return NULL;
}

static const struct field *find_field(const struct field *fields, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(fields[i].name, name) == 0)
			return &fields[i];
	return NULL;
}

/* {"watch":"MEM","value":20} */
static const char *set_health(struct sl_sim_gpu *gpu, const cJSON *item)
{
	const cJSON *watch = cJSON_GetObjectItemCaseSensitive(item, "watch");
	const cJSON *value = cJSON_GetObjectItemCaseSensitive(item, "value");

	if (!cJSON_IsString(watch) || !cJSON_IsNumber(value) ||
	    !(value->valuedouble >= 0 && value->valuedouble <= 20))
		return "health must be {\"watch\":NAME,\"value\":0, 10 or 20}";
	for (size_t i = 0; i < SL_SIM_GPU_WATCHES; i++)
		if (strcmp(sl_sim_gpu_watches[i], watch->valuestring) == 0) {
			gpu->health[i] = (uint32_t)value->valuedouble;
			return NULL;
		}
	return "no such health watch";
}

static const char *set_named(struct sl_sim_gpu *gpu, const cJSON *item)
{
	const struct field *f = find_field(gpu_fields, SL_COUNT(gpu_fields), item->string);

	if (strcmp(item->string, "health") == 0)
		return set_health(gpu, item);
	return f ? set_field((char *)gpu, f, item) : "no such fault of a GPU";
}

static bool is_which(const char *name)
{
	return !strcmp(name, "gpu") || !strcmp(name, "uuid") || !strcmp(name, "engine") ||
	       !strcmp(name, "reset");
}

static bool is_of_exporter(const char *name)
{
	return find_field(exporter_fields, SL_COUNT(exporter_fields), name) != NULL;
}

static void reset_gpu(struct sl_sim_gpu *gpu)
{
	struct sl_sim_gpu fresh = { .slow = 1 };

	memcpy(fresh.uuid, gpu->uuid, sizeof(fresh.uuid));
	memcpy(fresh.serial, gpu->serial, sizeof(fresh.serial));
	*gpu = fresh;
}

/* A copy of the GPU is changed, so that a half-good object changes nothing. */
static const char *change_gpu(struct sl_sim_gpu *gpu, const cJSON *json, uint64_t now_us)
{
	struct sl_sim_gpu next = *gpu;
	const cJSON *item;

	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "reset")))
		reset_gpu(&next);
	next.thermal_us = sl_sim_gpu_thermal_us(&next, now_us);
	next.power_us = sl_sim_gpu_power_us(&next, now_us);
	next.since_us = now_us;
	cJSON_ArrayForEach(item, json)
	{
		const char *wrong = is_which(item->string) || is_of_exporter(item->string)
		                            ? NULL
		                            : set_named(&next, item);

		if (wrong)
			return wrong;
	}
	if (next.slow <= 0)
		return "slow must be greater than 0";
	if (next.xid && cJSON_HasObjectItem(json, "xid")) {
		next.events[next.n_events % SL_SIM_GPU_XIDS].xid = next.xid;
		next.events[next.n_events++ % SL_SIM_GPU_XIDS].at_us = now_us;
	}
	*gpu = next;
	return NULL;
}

static bool is_number_below(const cJSON *item, uint32_t n)
{
	return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < n;
}

/* "gpu": a number, "uuid", or "engine": all of one. False: there is none. */
static bool find_gpus(const struct sl_sim_gpus *g, const cJSON *json, uint32_t *out_first,
                      uint32_t *out_n)
{
	const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, "gpu");
	const cJSON *uuid = cJSON_GetObjectItemCaseSensitive(json, "uuid");
	const cJSON *engine = cJSON_GetObjectItemCaseSensitive(json, "engine");

	if (is_number_below(engine, g->n / g->per_engine)) {
		*out_first = (uint32_t)engine->valuedouble * g->per_engine;
		*out_n = g->per_engine;
		return true;
	}
	*out_n = 1;
	if (is_number_below(number, g->n)) {
		*out_first = (uint32_t)number->valuedouble;
		return true;
	}
	for (uint32_t i = 0; cJSON_IsString(uuid) && i < g->n; i++)
		if (strcmp(g->all[i].uuid, uuid->valuestring) == 0) {
			*out_first = i;
			return true;
		}
	return false;
}

static bool names_gpu_fault(const cJSON *json)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, json) if (!is_of_exporter(item->string)) return true;
	return false;
}

static const char *change_exporter(struct sl_sim_gpus *g, const cJSON *json)
{
	struct sl_sim_gpus next = *g;
	const cJSON *item;

	cJSON_ArrayForEach(item, json)
	{
		const struct field *f =
		        find_field(exporter_fields, SL_COUNT(exporter_fields), item->string);
		const char *wrong = f ? set_field((char *)&next, f, item) : NULL;

		if (wrong)
			return wrong;
	}
	*g = next;
	return NULL;
}

const char *sl_sim_gpus_read(struct sl_sim_gpus *g, const cJSON *json, uint64_t now_us)
{
	struct sl_sim_gpus checked = *g;
	uint32_t first = 0, n = 0;
	const char *wrong;

	if (!cJSON_IsObject(json))
		return "expected an object";
	if (names_gpu_fault(json) && !find_gpus(g, json, &first, &n))
		return "no such GPU: say gpu, uuid or engine";
	wrong = change_exporter(&checked, json);
	/* The GPUs of an engine take the same values: the first one's error is
	 * everybody's. */
	for (uint32_t i = 0; i < n && !wrong; i++)
		wrong = change_gpu(&g->all[first + i], json, now_us);
	if (!wrong)
		*g = checked;
	return wrong;
}

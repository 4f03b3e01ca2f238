/* loads.c: SGLang's word on its load, as JSON.
 *
 * Two forms: {"loads":[{...}, ...]} of /v1/loads, and the older [{...}, ...] of
 * /get_load, whose num_reqs has those that wait in it. One object for each
 * data-parallel rank; what a rank does not say is absent, what none says is
 * absent in the sum. */
#include <cjson/cJSON.h>
#include <math.h>

#include "sluice/dialect.h"

/* Negative: absent. */
static double number_of(const cJSON *load, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(load, name);

	if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble) || item->valuedouble < 0)
		return -1;
	return item->valuedouble;
}

static void add(double *sum, double more)
{
	if (more >= 0)
		*sum = *sum < 0 ? more : *sum + more;
}

static double running_of(const cJSON *load)
{
	double running = number_of(load, "num_running_reqs"), all = number_of(load, "num_reqs");
	double waiting = number_of(load, "num_waiting_reqs");

	if (running >= 0 || all < 0)
		return running;
	return waiting > all ? 0 : waiting > 0 ? all - waiting : all;
}

static void add_load(struct sl_engine_page *page, const cJSON *load, uint32_t *n_usages)
{
	double running = running_of(load), usage = number_of(load, "token_usage");

	if (running < 0)
		return;
	page->families++;
	add(&page->running, running);
	add(&page->waiting, number_of(load, "num_waiting_reqs"));
	add(&page->kv_capacity_tokens, number_of(load, "max_total_num_tokens"));
	add(&page->kv_usage, usage);
	*n_usages += usage >= 0;
}

static int add_loads(const cJSON *loads, struct sl_engine_page *out_page)
{
	struct sl_engine_page page;
	uint32_t n_usages = 0;
	const cJSON *load;

	if (!cJSON_IsArray(loads))
		return SL_E_BAD_JSON;
	sl_engine_page_clear(&page);
	cJSON_ArrayForEach(load, loads) add_load(&page, load, &n_usages);
	if (!page.families)
		return SL_E_BAD_JSON;
	if (n_usages)
		page.kv_usage /= n_usages;
	*out_page = page;
	return 0;
}

int sl_loads_parse(const char *json, size_t len, struct sl_engine_page *out_page)
{
	cJSON *root = cJSON_ParseWithLength(json, len);
	const cJSON *loads = root;
	int err;

	if (cJSON_IsObject(root))
		loads = cJSON_GetObjectItemCaseSensitive(root, "loads");
	err = add_loads(loads, out_page);
	cJSON_Delete(root);
	return err;
}

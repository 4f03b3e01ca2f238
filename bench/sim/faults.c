/* faults.c: reading and applying faults. */
#include "bench/sim/faults.h"

#include <cjson/cJSON.h>

enum kind { FLAG, WHOLE, SIGNED, REAL };

#define AT(member) offsetof(struct sl_sim_faults, member)

static const struct {
	const char *name;
	enum kind kind;
	size_t at;
} fields[] = {
	{ "refuse", FLAG, AT(refuse) },
	{ "hang", FLAG, AT(hang) },
	{ "hang_health", FLAG, AT(hang_health) },
	{ "health_status", WHOLE, AT(health_status) },
	{ "slow", REAL, AT(slow) },
	{ "stale", FLAG, AT(page.stale) },
	{ "hang_metrics", FLAG, AT(page.hang) },
	{ "metrics_garbage", FLAG, AT(page.garbage) },
	{ "metrics_redirect", FLAG, AT(page.redirect) },
	{ "slow_metrics_ms", WHOLE, AT(page.slow_ms) },
	{ "metrics_status", WHOLE, AT(page.status) },
	{ "metrics_bytes", WHOLE, AT(page.bytes) },
	{ "null_kv_params", FLAG, AT(null_kv_params) },
	{ "silent_on_stop", FLAG, AT(silent_on_stop) },
	{ "reset", FLAG, AT(reset) },
	{ "garbage", FLAG, AT(garbage) },
	{ "status", WHOLE, AT(status) },
	{ "share", REAL, AT(share) },
	{ "detail_errors", FLAG, AT(detail_errors) },
	{ "retry_after_s", WHOLE, AT(retry_after_s) },
	{ "error_after_ms", SIGNED, AT(error_after_ms) },
	{ "die_after_tokens", SIGNED, AT(die_after_tokens) },
	{ "stall_after_tokens", SIGNED, AT(stall_after_tokens) },
	{ "half_event", SIGNED, AT(half_event) },
	{ "drop_done", FLAG, AT(drop_done) },
	{ "coalesce", FLAG, AT(coalesce) },
	{ "split", FLAG, AT(split) },
	{ "split_bytes", FLAG, AT(split_bytes) },
	{ "count", WHOLE, AT(count) },
};

void sl_sim_faults_init(struct sl_sim_faults *f)
{
	*f = (struct sl_sim_faults){
		.slow = 1,
		.share = 1,
		.error_after_ms = -1,
		.die_after_tokens = -1,
		.stall_after_tokens = -1,
		.half_event = -1,
	};
}

static const char *set_field(struct sl_sim_faults *f, const cJSON *item, enum kind kind, size_t at)
{
	void *to = (char *)f + at;

	if (kind == FLAG) {
		if (!cJSON_IsBool(item))
			return "expected true or false";
		*(bool *)to = cJSON_IsTrue(item);
		return NULL;
	}
	if (!cJSON_IsNumber(item) || !(item->valuedouble >= -1 && item->valuedouble < 1e9))
		return "expected a number";
	if (kind == REAL && item->valuedouble >= 0)
		*(double *)to = item->valuedouble;
	else if (kind == SIGNED)
		*(int64_t *)to = (int64_t)item->valuedouble;
	else if (kind == WHOLE && item->valuedouble >= 0)
		*(uint32_t *)to = (uint32_t)item->valuedouble;
	else
		return "expected a number that is not negative";
	return NULL;
}

static const char *set_named(struct sl_sim_faults *f, const cJSON *item)
{
	for (size_t i = 0; i < SL_COUNT(fields); i++)
		if (strcmp(item->string, fields[i].name) == 0)
			return set_field(f, item, fields[i].kind, fields[i].at);
	return "no such fault";
}

const char *sl_sim_faults_read(struct sl_sim_faults *f, const cJSON *json)
{
	struct sl_sim_faults next = *f;
	const char *wrong = NULL;
	const cJSON *item;

	if (!cJSON_IsObject(json))
		return "expected an object";
	if (cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "clear")))
		sl_sim_faults_init(&next);
	cJSON_ArrayForEach(item, json)
	{
		if (strcmp(item->string, "clear") == 0)
			continue;
		wrong = set_named(&next, item);
		if (wrong)
			return wrong;
		next.limited |= strcmp(item->string, "count") == 0;
	}
	if (next.slow <= 0)
		return "slow must be greater than 0";
	if (next.page.bytes > SL_SIM_MAX_PAGE_BYTES)
		return "metrics_bytes is too large";
	*f = next;
	return NULL;
}

/* Engine-wide faults are not used up by requests. */
static void clear_per_request(struct sl_sim_faults *f)
{
	struct sl_sim_faults none;

	sl_sim_faults_init(&none);
	none.refuse = f->refuse;
	none.hang_health = f->hang_health;
	none.health_status = f->health_status;
	none.slow = f->slow;
	none.page = f->page;
	none.silent_on_stop = f->silent_on_stop;
	*f = none;
}

struct sl_sim_faults sl_sim_faults_next(struct sl_sim_faults *f)
{
	struct sl_sim_faults now = *f;

	if (f->limited && f->count == 0)
		clear_per_request(&now);
	if (now.status) {
		f->owed += f->share;
		if (f->owed >= 1)
			f->owed -= 1;
		else
			now.status = 0;
	}
	if (f->limited && f->count && --f->count == 0)
		clear_per_request(f);
	return now;
}

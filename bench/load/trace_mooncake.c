/* trace_mooncake.c: Mooncake's JSON lines. See trace.h. */
#include <cjson/cJSON.h>
#include <math.h>

#include "bench/load/trace_reader.h"

#define MAX_EXACT 9007199254740992.0 /* 2^53: what a JSON number holds exactly */
#define QUANTUM_US 3000000           /* its times are rounded to three seconds */

bool trace_is_whole(const cJSON *item, double min, double max)
{
	return cJSON_IsNumber(item) && item->valuedouble >= min && item->valuedouble <= max &&
	       item->valuedouble == floor(item->valuedouble);
}

int trace_read_number(struct trace_reader *r, const cJSON *object, const char *key, double min,
                      double max, double *out_value)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);

	if (!item)
		return trace_complain(r, SL_E_BAD_FIELD, "no \"%s\"", key);
	if (!trace_is_whole(item, min, max))
		return trace_complain(r, SL_E_BAD_FIELD,
		                      "\"%s\" must be a whole number from %.0f to %.0f", key, min,
		                      max);
	*out_value = item->valuedouble;
	return 0;
}

static int check_hash_ids(struct trace_reader *r, const cJSON *ids, uint32_t tokens)
{
	const cJSON *id;
	uint32_t want = trace_blocks_of(tokens);

	if (!cJSON_IsArray(ids))
		return trace_complain(r, SL_E_BAD_FIELD, "no \"hash_ids\" array");
	if ((uint32_t)cJSON_GetArraySize(ids) != want)
		return trace_complain(r, SL_E_BAD_FIELD, "%d hash_ids for %u tokens, expected %u",
		                      cJSON_GetArraySize(ids), tokens, want);
	cJSON_ArrayForEach(id, ids)
	{
		if (!trace_is_whole(id, 0, MAX_EXACT))
			return trace_complain(r, SL_E_BAD_FIELD, "a hash id is no whole number");
	}
	return 0;
}

static int read_mooncake_object(struct trace_reader *r, const cJSON *object)
{
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(object, "hash_ids");
	const cJSON *id;
	struct sl_trace_row *row;
	double at_ms, input, output;
	uint64_t *to;
	int err;

	err = trace_read_number(r, object, "timestamp", 0, MAX_EXACT / 1000, &at_ms);
	if (!err)
		err = trace_read_number(r, object, "input_length", 1, SL_TRACE_MAX_TOKENS, &input);
	if (!err)
		err = trace_read_number(r, object, "output_length", 1, SL_TRACE_MAX_TOKENS,
		                        &output);
	if (!err)
		err = check_hash_ids(r, ids, (uint32_t)input);
	if (err)
		return err;
	row = sl_trace_add(&r->trace, (uint32_t)input, &to);
	row->at_us = (int64_t)at_ms * 1000;
	row->output_tokens = (uint32_t)output;
	cJSON_ArrayForEach(id, ids) *to++ = (uint64_t)id->valuedouble;
	return 0;
}

static int read_mooncake(struct trace_reader *r, char *line, size_t len)
{
	cJSON *object = cJSON_ParseWithLengthOpts(line, len + 1, NULL, 1);
	int err;

	if (!cJSON_IsObject(object))
		err = trace_complain(r, SL_E_BAD_JSON, "not a JSON object");
	else
		err = read_mooncake_object(r, object);
	cJSON_Delete(object);
	return err;
}

static bool begins_mooncake(struct trace_reader *r, char *line, size_t len)
{
	(void)len;
	(void)r;
	return line[0] == '{';
}

const struct trace_format trace_mooncake = {
	.title = "a Mooncake trace or an access log (JSON lines)",
	.begins = begins_mooncake,
	.read = read_mooncake,
	.quantum_us = QUANTUM_US,
	.format = SL_TRACE_MOONCAKE,
};

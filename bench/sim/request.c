/* request.c: checks in vLLM's order: the HTTP layer's, the fields' types
 * ("Bad Request", message with a copy of the complaint), the fields' values,
 * the model, the lengths ("BadRequestError", message for people). */
#include "bench/sim/request.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Characters that 0.32 takes a token to hold at most, to refuse absurd
 * prompts before it tokenises them. */
#define CHARACTERS_PER_TOKEN 13

struct check {
	const struct sl_sim_served *served;
	const cJSON *body;
	struct sl_sim_request *request;
	struct sl_sim_refusal *refusal;
};

static char *dup_or_die(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return copy;
}

static bool refuse(struct check *c, int status, const char *type, const char *param,
                   const char *format, ...) SL_PRINTF(5, 6);

static bool refuse(struct check *c, int status, const char *type, const char *param,
                   const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	c->refusal->status = status;
	c->refusal->type = type;
	c->refusal->param = param ? dup_or_die(param) : NULL;
	sl_sim_buf_str(&c->refusal->message, text);
	return false;
}

/* pydantic's complaint about a field, as vLLM words it. */
static bool refuse_field(struct check *c, const char *kind, const char *field, const char *text)
{
	char loc[96] = "body";

	if (*field)
		snprintf(loc, sizeof(loc), "body.%s", field);
	return refuse(c, 400, "Bad Request", loc,
	              "1 validation error:\n  {'type': '%s', 'loc': '%s', 'msg': '%s'}", kind, loc,
	              text);
}

static bool refuse_json(struct check *c, size_t offset)
{
	char where[32];

	snprintf(where, sizeof(where), "%zu", offset);
	return refuse_field(c, "json_invalid", where, "JSON decode error");
}

static const cJSON *field(const struct check *c, const char *name)
{
	const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->body, name);

	return cJSON_IsNull(item) ? NULL : item;
}

static bool is_whole(const cJSON *item)
{
	/* as a double: 63-bit numbers are whole, whatever an int would say */
	return cJSON_IsNumber(item) && item->valuedouble == floor(item->valuedouble);
}

static bool check_types(struct check *c)
{
	static const struct {
		const char *name;
		enum { WHOLE, NUMBER, FLAG, TEXT, OBJECT } type;
	} rules[] = {
		{ "model", TEXT },      { "max_tokens", WHOLE }, { "max_completion_tokens", WHOLE },
		{ "n", WHOLE },         { "min_tokens", WHOLE }, { "temperature", NUMBER },
		{ "top_p", NUMBER },    { "stream", FLAG },      { "stream_options", OBJECT },
		{ "cache_salt", TEXT }, { "seed", WHOLE },       { "kv_transfer_params", OBJECT },
	};

	for (size_t i = 0; i < SL_COUNT(rules); i++) {
		const cJSON *item = field(c, rules[i].name);

		if (!item)
			continue;
		if (rules[i].type == WHOLE && !is_whole(item))
			return refuse_field(c, "int_type", rules[i].name,
			                    "Input should be a valid integer");
		if (rules[i].type == NUMBER && !cJSON_IsNumber(item))
			return refuse_field(c, "float_type", rules[i].name,
			                    "Input should be a valid number");
		if (rules[i].type == FLAG && !cJSON_IsBool(item))
			return refuse_field(c, "bool_parsing", rules[i].name,
			                    "Input should be a valid boolean");
		if (rules[i].type == TEXT && !cJSON_IsString(item))
			return refuse_field(c, "string_type", rules[i].name,
			                    "Input should be a valid string");
		if (rules[i].type == OBJECT && !cJSON_IsObject(item))
			return refuse_field(c, "dict_type", rules[i].name,
			                    "Input should be a valid dictionary");
	}
	return true;
}

/* ---- prompts ------------------------------------------------------------ */

static bool read_one(struct check *c, const cJSON *prompt, const char *name)
{
	struct sl_sim_request *r = c->request;

	if (r->api == SL_SIM_CHAT ? sl_sim_prompt_chat(&r->prompts[r->n_prompts++], c->body)
	                          : sl_sim_prompt_completion(&r->prompts[r->n_prompts++], prompt))
		return true;
	return refuse_field(c, "value_error", name, "Input should be a valid prompt");
}

/* "a", ["a", "b"], [1, 2] or [[1, 2], [3]]. */
static bool read_many(struct check *c, const cJSON *prompts, const char *name)
{
	bool many = cJSON_IsArray(prompts) &&
	            (cJSON_IsString(prompts->child) || cJSON_IsArray(prompts->child));
	int n = many ? cJSON_GetArraySize(prompts) : 1;
	const cJSON *prompt;

	if (n > SL_SIM_MAX_PROMPTS)
		return refuse_field(c, "too_long", name, "List should have fewer items");
	c->request->prompts = calloc((size_t)n, sizeof(*c->request->prompts));
	if (!c->request->prompts)
		abort();
	if (!many)
		return read_one(c, prompts, name);
	cJSON_ArrayForEach(prompt, prompts) if (!read_one(c, prompt, name)) return false;
	return true;
}

/* kv_transfer_params.prompt_token_ids replaces the prompt, whatever the
 * connector; so says the wire. */
static bool read_prompts(struct check *c)
{
	static const char *const names[] = { "messages", "prompt", "input" };
	const char *name = names[c->request->api];
	const cJSON *ids = cJSON_GetObjectItemCaseSensitive(field(c, "kv_transfer_params"),
	                                                    "prompt_token_ids");
	const cJSON *prompt = field(c, name);

	if (!prompt)
		return refuse_field(c, "missing", name, "Field required");
	if (c->request->api == SL_SIM_CHAT && !cJSON_IsArray(prompt))
		return refuse_field(c, "list_type", name, "Input should be a valid list");
	if (!read_many(c, prompt, name))
		return false;
	if (cJSON_IsArray(ids) && ids->child) {
		sl_sim_prompt_fini(&c->request->prompts[0]);
		if (!sl_sim_prompt_completion(&c->request->prompts[0], ids))
			return refuse_field(c, "int_type", "kv_transfer_params",
			                    "Input should be a valid integer");
	}
	for (uint32_t i = 0; i < c->request->n_prompts; i++)
		if (!c->request->prompts[i].n_tokens)
			return refuse(c, 400, "BadRequestError", NULL,
			              "You must provide at least one prompt token.");
	return true;
}

/* ---- values ------------------------------------------------------------- */

static bool check_stream(struct check *c)
{
	const cJSON *options = field(c, "stream_options");

	c->request->stream = cJSON_IsTrue(field(c, "stream"));
	if (options && !c->request->stream)
		return refuse(c, 400, "BadRequestError", "stream_options",
		              "Stream options can only be defined when `stream=True`. "
		              "(parameter=stream_options)");
	c->request->include_usage =
	        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "include_usage"));
	c->request->continuous_usage =
	        c->request->include_usage &&
	        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(options, "continuous_usage_stats"));
	return true;
}

static uint32_t find_lora(const struct sl_sim_served *served, const char *name)
{
	for (uint32_t i = 0; i < served->n_loras; i++)
		if (sl_span_eq(served->loras[i], sl_span_str(name)))
			return i + 1;
	return 0;
}

static bool check_model(struct check *c)
{
	const char *asked = cJSON_GetStringValue(field(c, "model"));
	struct sl_sim_buf aliases = { 0 };
	bool ok = !asked;

	for (uint32_t i = 0; i < c->served->n_models && !ok; i++)
		ok = strcmp(asked, c->served->models[i]) == 0;
	if (!ok)
		c->request->adapter = find_lora(c->served, asked);
	if (ok || c->request->adapter) {
		c->request->model = dup_or_die(asked ? asked : c->served->models[0]);
		return true;
	}
	for (uint32_t i = 0; i < c->served->n_models; i++)
		sl_sim_buf_printf(&aliases, "%s%s", i ? ", " : "", c->served->models[i]);
	refuse(c, 404, "NotFoundError", "model",
	       "The model `%.128s` does not exist. Valid aliases: %.*s.", asked, (int)aliases.len,
	       aliases.ptr);
	sl_sim_buf_fini(&aliases);
	return false;
}

/* max_completion_tokens wins over max_tokens. */
static const cJSON *max_tokens_field(const struct check *c)
{
	const cJSON *item = field(c, "max_completion_tokens");

	return item && c->request->api == SL_SIM_CHAT ? item : field(c, "max_tokens");
}

static bool check_sampling(struct check *c)
{
	const cJSON *most = max_tokens_field(c), *least = field(c, "min_tokens");
	const cJSON *temperature = field(c, "temperature"), *n = field(c, "n");

	if (most && most->valuedouble < 1)
		return refuse(c, 400, "BadRequestError", "max_tokens",
		              "max_tokens must be at least 1, got %.0f. "
		              "(parameter=max_tokens, value=%.0f)",
		              most->valuedouble, most->valuedouble);
	if (temperature && temperature->valuedouble < 0)
		return refuse(c, 400, "BadRequestError", "temperature",
		              "temperature must be non-negative, got %.1f. "
		              "(parameter=temperature, value=%.1f)",
		              temperature->valuedouble, temperature->valuedouble);
	if (most && least && least->valuedouble > most->valuedouble)
		return refuse(c, 400, "BadRequestError", NULL,
		              "min_tokens must be less than or equal to max_tokens=%.0f, got %.0f.",
		              most->valuedouble, least->valuedouble);
	if (n &&
	    (n->valuedouble < 1 || n->valuedouble * c->request->n_prompts > SL_SIM_MAX_PROMPTS))
		return refuse(c, 400, "BadRequestError", "n",
		              "n must be at least 1 and at most %d, got %.0f. "
		              "(parameter=n, value=%.0f)",
		              SL_SIM_MAX_PROMPTS, n->valuedouble, n->valuedouble);
	c->request->n = n ? (uint32_t)n->valuedouble : 1;
	return true;
}

static bool check_prompt_length(struct check *c, const struct sl_sim_prompt *p)
{
	uint32_t room = c->served->max_model_len;

	if (p->bytes.len > (size_t)room * CHARACTERS_PER_TOKEN)
		return refuse(c, 400, "BadRequestError", "input_text",
		              "This model's maximum context length is %u tokens. However, your "
		              "prompt contains %zu characters (more than %zu characters, which is "
		              "the upper bound for %u input tokens). Please reduce the length of "
		              "the input prompt. (parameter=input_text, value=%zu)",
		              room, p->bytes.len, (size_t)room * CHARACTERS_PER_TOKEN, room,
		              p->bytes.len);
	if (p->n_tokens >= room)
		return refuse(c, 400, "BadRequestError", "input_tokens",
		              "This model's maximum context length is %u tokens. However, your "
		              "request has %u input tokens. Please reduce the length of the input "
		              "messages. (parameter=input_tokens, value=%u)",
		              room, p->n_tokens, p->n_tokens);
	return true;
}

static bool check_lengths(struct check *c)
{
	const cJSON *most = max_tokens_field(c);
	uint32_t room = c->served->max_model_len;

	if (most && most->valuedouble > room)
		return refuse(c, 400, "BadRequestError", "max_tokens",
		              "max_tokens=%.0f cannot be greater than max_model_len=%u. Please "
		              "request fewer output tokens. (parameter=max_tokens, value=%.0f)",
		              most->valuedouble, room, most->valuedouble);
	for (uint32_t i = 0; i < c->request->n_prompts; i++) {
		const struct sl_sim_prompt *p = &c->request->prompts[i];

		if (!check_prompt_length(c, p))
			return false;
		if (most && most->valuedouble > room - p->n_tokens)
			return refuse(c, 400, "BadRequestError", "max_tokens",
			              "This model's maximum context length is %u tokens. However, "
			              "you requested %.0f output tokens and your prompt contains "
			              "%u input tokens. Please reduce the length of either one. "
			              "(parameter=max_tokens, value=%.0f)",
			              room, most->valuedouble, p->n_tokens, most->valuedouble);
	}
	c->request->max_tokens = most ? (uint32_t)most->valuedouble : 0;
	return true;
}

static void read_salt(struct check *c)
{
	const char *salt = cJSON_GetStringValue(field(c, "cache_salt"));

	if (salt)
		c->request->salt = XXH3_64bits(salt, strlen(salt));
	/* by name: other engines may list it at another place */
	if (c->request->adapter)
		c->request->salt = XXH3_64bits_withSeed(
		        c->request->model, strlen(c->request->model), c->request->salt);
}

static bool check_body(struct check *c)
{
	if (!check_types(c) ||
	    !sl_sim_kv_params_read(&c->request->kv, field(c, "kv_transfer_params")))
		return false;
	if (!check_stream(c) || !read_prompts(c) || !check_sampling(c) || !check_model(c) ||
	    !check_lengths(c))
		return false;
	read_salt(c);
	return true;
}

/* cJSON stops behind the value; what follows must be white space. On failure
 * *out_offset is where it stopped. */
static cJSON *parse_whole(struct sl_span body, size_t *out_offset)
{
	const char *end = body.ptr;
	cJSON *json = cJSON_ParseWithLengthOpts(body.ptr, body.len, &end, false);

	while (json && end < body.ptr + body.len && *end && strchr(" \t\r\n", *end))
		end++;
	*out_offset = (size_t)(end - body.ptr);
	if (json && *out_offset < body.len) {
		cJSON_Delete(json);
		return NULL;
	}
	return json;
}

bool sl_sim_request_read(enum sl_sim_api api, struct sl_span body, bool content_json,
                         const struct sl_sim_served *served, struct sl_sim_request *out,
                         struct sl_sim_refusal *out_refusal)
{
	struct check c = { .served = served, .request = out, .refusal = out_refusal };
	size_t offset;
	cJSON *json;
	bool ok;

	*out = (struct sl_sim_request){ .api = api, .n = 1 };
	*out_refusal = (struct sl_sim_refusal){ 0 };
	if (!content_json)
		return refuse(&c, 400, "Bad Request", NULL,
		              "1 validation error:\n  Unsupported Media Type: "
		              "Only 'application/json' is allowed");
	if (!body.len)
		return refuse_field(&c, "missing", "", "Field required");
	json = parse_whole(body, &offset);
	c.body = json;
	if (!json)
		ok = refuse_json(&c, offset);
	else if (!cJSON_IsObject(json))
		ok = refuse_field(&c, "model_attributes_type", "",
		                  "Input should be a valid dictionary or object");
	else
		ok = check_body(&c);
	cJSON_Delete(json);
	return ok;
}

void sl_sim_request_fini(struct sl_sim_request *r)
{
	for (uint32_t i = 0; i < r->n_prompts; i++)
		sl_sim_prompt_fini(&r->prompts[i]);
	free(r->prompts);
	free(r->model);
	sl_sim_kv_params_fini(&r->kv);
	*r = (struct sl_sim_request){ .kv = { .port = -1 } };
}

void sl_sim_refusal_fini(struct sl_sim_refusal *r)
{
	free(r->param);
	sl_sim_buf_fini(&r->message);
	*r = (struct sl_sim_refusal){ 0 };
}

/* models.c: the names in an answer to GET /v1/models.
 *
 * Only OpenAI's list counts: an object whose `data` is an array of objects
 * with a string `id`. A valid object without it holds no names, which is not
 * an error: KServe answers {"models":[...]} on the same path, a form in which
 * the names are not those that /v1/chat/completions takes. Anything that is
 * not one JSON object is BAD_JSON. */
#include <cjson/cJSON.h>

#include "sluice/probe.h"

static bool only_blanks(const char *at, const char *end)
{
	while (at < end && (*at == ' ' || *at == '\t' || *at == '\r' || *at == '\n'))
		at++;
	return at == end;
}

static int each_id(const cJSON *list, void (*fn)(void *ctx, struct sl_span id), void *ctx)
{
	const cJSON *item;
	int n = 0;

	if (!cJSON_IsArray(list))
		return 0;
	for (item = list->child; item; item = item->next) {
		const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "id"));

		if (!id || !*id)
			continue;
		fn(ctx, sl_span_str(id));
		n++;
	}
	return n;
}

int sl_models_parse(const char *json, size_t len, void (*fn)(void *ctx, struct sl_span id),
                    void *ctx)
{
	const char *end = NULL;
	int n = SL_E_BAD_JSON;
	cJSON *root;

	root = cJSON_ParseWithLengthOpts(json, len, &end, false);
	if (cJSON_IsObject(root) && only_blanks(end, json + len))
		n = each_id(cJSON_GetObjectItemCaseSensitive(root, "data"), fn, ctx);
	cJSON_Delete(root);
	return n;
}

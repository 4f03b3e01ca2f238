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

/* Empty if there is none. */
static struct sl_span string_of(const cJSON *item, const char *name)
{
	return sl_span_str(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, name)));
}

static int each_card(const cJSON *list, void (*fn)(void *ctx, const struct sl_model_card *card),
                     void *ctx)
{
	const cJSON *item;
	int n = 0;

	if (!cJSON_IsArray(list))
		return 0;
	for (item = list->child; item; item = item->next) {
		struct sl_model_card card = { string_of(item, "id"), string_of(item, "parent") };

		if (!card.id.len)
			continue;
		fn(ctx, &card);
		n++;
	}
	return n;
}

int sl_models_parse(const char *json, size_t len,
                    void (*fn)(void *ctx, const struct sl_model_card *card), void *ctx)
{
	const char *end = NULL;
	int n = SL_E_BAD_JSON;
	cJSON *root;

	root = cJSON_ParseWithLengthOpts(json, len, &end, false);
	if (cJSON_IsObject(root) && only_blanks(end, json + len))
		n = each_card(cJSON_GetObjectItemCaseSensitive(root, "data"), fn, ctx);
	cJSON_Delete(root);
	return n;
}

/* token.c: see token.h. */
#include "bench/kube/token.h"

#include <cjson/cJSON.h>
#include <stdio.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(char *out, const char *text, size_t len)
{
	uint32_t bits = 0;
	unsigned n = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | (unsigned char)text[i];
		for (n += 8; n >= 6; n -= 6)
			*out++ = digits[bits >> (n - 6) & 63];
	}
	if (n)
		*out++ = digits[bits << (6 - n) & 63];
	*out = 0;
}

/* Bytes, or SIZE_MAX. */
static size_t decode(char *out, const char *text)
{
	uint32_t bits = 0;
	unsigned n = 0;
	size_t len = 0;

	for (; *text; text++) {
		const char *at = strchr(digits, *text);

		if (!at)
			return SIZE_MAX;
		bits = bits << 6 | (uint32_t)(at - digits);
		n += 6;
		if (n >= 8) {
			n -= 8;
			out[len++] = (char)(bits >> n);
		}
	}
	return len;
}

void sl_kapi_token_write(char out[SL_KAPI_TOKEN_BYTES], int64_t rv, const char *behind)
{
	char json[SL_KAPI_TOKEN_BYTES * 3 / 4 - 4];
	int n = snprintf(json, sizeof(json),
	                 "{\"v\":\"meta.k8s.io/v1\",\"rv\":%lld,\"start\":\"%s%.600s\\u0000\"}",
	                 (long long)rv, rv < 0 ? "" : "/", behind);

	encode(out, json, (size_t)n);
}

bool sl_kapi_token_read(const char *token, int64_t *out_rv, char out_behind[SL_KAPI_TOKEN_BYTES])
{
	char text[SL_KAPI_TOKEN_BYTES];
	size_t len = strlen(token) < sizeof(text) ? decode(text, token) : SIZE_MAX;
	cJSON *json = len == SIZE_MAX ? NULL : cJSON_ParseWithLength(text, len);
	const cJSON *rv = cJSON_GetObjectItemCaseSensitive(json, "rv");
	/* its last character is U+0000, where cJSON's text ends */
	const char *start = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "start"));
	bool ok = cJSON_IsNumber(rv) && start;

	if (ok) {
		*out_rv = (int64_t)rv->valuedouble;
		snprintf(out_behind, SL_KAPI_TOKEN_BYTES, "%s", start + (*start == '/'));
	}
	cJSON_Delete(json);
	return ok;
}

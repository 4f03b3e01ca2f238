/* pd.c: hand-offs. See pd.h. */
#include "bench/sim/pd.h"

#include <cjson/cJSON.h>
#include <stdlib.h>

static char *dup_or_die(const char *text)
{
	char *copy = strdup(text);

	if (!copy)
		abort();
	return copy;
}

static char *read_string(const cJSON *object, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));

	return text ? dup_or_die(text) : NULL;
}

static int read_port(const cJSON *object)
{
	const cJSON *port = cJSON_GetObjectItemCaseSensitive(object, "remote_port");

	if (!cJSON_IsNumber(port) || port->valuedouble < 1 || port->valuedouble > 65535)
		return -1;
	return (int)port->valuedouble;
}

/* One list per KV cache group; before vLLM 0.12 a flat list. */
static uint32_t count_blocks(const cJSON *ids)
{
	const cJSON *group = ids->child;

	return (uint32_t)cJSON_GetArraySize(cJSON_IsArray(group) ? group : ids);
}

bool sl_sim_kv_params_read(struct sl_sim_kv_params *p, const cJSON *json)
{
	const cJSON *ids;

	*p = (struct sl_sim_kv_params){ .port = -1 };
	if (!json || cJSON_IsNull(json))
		return true;
	if (!cJSON_IsObject(json))
		return false;
	p->do_remote_decode =
	        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "do_remote_decode"));
	p->do_remote_prefill =
	        cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "do_remote_prefill"));
	p->engine_id = read_string(json, "remote_engine_id");
	p->request_id = read_string(json, "remote_request_id");
	p->host = read_string(json, "remote_host");
	p->port = read_port(json);
	ids = cJSON_GetObjectItemCaseSensitive(json, "remote_block_ids");
	if (cJSON_IsArray(ids))
		p->n_blocks = count_blocks(ids);
	p->fatal =
	        p->do_remote_prefill && (!cJSON_IsArray(ids) || !p->engine_id || !p->request_id ||
	                                 !p->host || !cJSON_HasObjectItem(json, "remote_port"));
	return true;
}

void sl_sim_kv_params_fini(struct sl_sim_kv_params *p)
{
	free(p->engine_id);
	free(p->request_id);
	free(p->host);
	*p = (struct sl_sim_kv_params){ .port = -1 };
}

struct sl_sim_handoff *sl_sim_handoff_add(struct sl_sim_handoffs *all, const char *request_id,
                                          uint32_t *blocks, uint32_t n_blocks, uint64_t until_us)
{
	struct sl_sim_handoff *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->request_id = dup_or_die(request_id);
	h->blocks = blocks;
	h->n_blocks = n_blocks;
	h->until_us = until_us;
	h->next = all->first;
	if (all->first)
		all->first->prev = h;
	all->first = h;
	all->n++;
	all->n_blocks += n_blocks;
	return h;
}

struct sl_sim_handoff *sl_sim_handoff_find(const struct sl_sim_handoffs *all,
                                           const char *request_id)
{
	struct sl_sim_handoff *h = all->first;

	while (h && strcmp(h->request_id, request_id) != 0)
		h = h->next;
	return h;
}

void sl_sim_handoff_del(struct sl_sim_handoffs *all, struct sl_sim_handoff *h, struct sl_sim_kv *kv)
{
	if (h->prev)
		h->prev->next = h->next;
	else
		all->first = h->next;
	if (h->next)
		h->next->prev = h->prev;
	all->n--;
	all->n_blocks -= h->n_blocks;
	while (h->n_blocks)
		sl_sim_kv_unref(kv, h->blocks[--h->n_blocks]);
	free(h->blocks);
	free(h->request_id);
	free(h);
}

uint32_t sl_sim_handoff_expire(struct sl_sim_handoffs *all, struct sl_sim_kv *kv, uint64_t now_us)
{
	struct sl_sim_handoff *h, *next;
	uint32_t n = 0;

	for (h = all->first; h; h = next) {
		next = h->next;
		if (h->until_us > now_us)
			continue;
		sl_sim_handoff_del(all, h, kv);
		n++;
	}
	all->expired += n;
	return n;
}

uint64_t sl_sim_handoff_next_us(const struct sl_sim_handoffs *all)
{
	uint64_t soonest = UINT64_MAX;

	for (const struct sl_sim_handoff *h = all->first; h; h = h->next)
		if (h->until_us < soonest)
			soonest = h->until_us;
	return soonest;
}

void sl_sim_handoff_render(struct sl_sim_buf *b, const struct sl_sim_handoff *h,
                           const struct sl_sim_handoff_place *place)
{
	sl_sim_buf_str(b, "{\"do_remote_prefill\":true,\"do_remote_decode\":false,"
	                  "\"remote_block_ids\":[[");
	for (uint32_t i = 0; i < h->n_blocks; i++)
		sl_sim_buf_printf(b, "%s%u", i ? "," : "", h->blocks[i]);
	sl_sim_buf_str(b, "]],\"remote_engine_id\":");
	sl_sim_buf_json(b, sl_span_str(place->engine_id));
	sl_sim_buf_str(b, ",\"remote_request_id\":");
	sl_sim_buf_json(b, sl_span_str(h->request_id));
	sl_sim_buf_str(b, ",\"remote_host\":");
	sl_sim_buf_json(b, sl_span_str(place->host));
	sl_sim_buf_printf(b,
	                  ",\"remote_port\":%u,\"tp_size\":1,\"dcp_size\":1,\"pp_size\":1,"
	                  "\"remote_num_tokens\":%u,\"remote_blocks_expiry_time\":null,"
	                  "\"transfer_mode\":\"pull\"",
	                  place->port, h->tokens);
	if (place->cached_tokens >= 0)
		sl_sim_buf_printf(b, ",\"remote_prefill_cached_tokens\":%lld",
		                  (long long)place->cached_tokens);
	sl_sim_buf_str(b, "}");
}

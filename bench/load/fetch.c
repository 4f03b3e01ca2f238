/* fetch.c: GETs that are waited for. See fetch.h. */
#include "bench/load/fetch.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "sluice/probe.h"

#define TIMEOUT_US 10000000
#define MAX_MODELS (4u * 1024u * 1024u)

struct fetch {
	const struct sl_target *target;
	const char *path;
	const char *headers;
	void (*fn)(void *ctx, struct sl_span content);
	void *ctx;
	struct event_base *base;
	int status;
	enum sl_call_end end;
};

static void on_message(void *ctx, struct sl_message *out_message)
{
	struct fetch *f = ctx;

	sl_message_get(f->target->host, f->target->base_path, f->path, f->headers, out_message);
}

static void on_head(void *ctx, const struct sl_head *head)
{
	struct fetch *f = ctx;

	f->status = head->status;
}

static void on_data(void *ctx, struct sl_span content)
{
	struct fetch *f = ctx;

	if (f->status == 200)
		f->fn(f->ctx, content);
}

static void on_end(void *ctx, enum sl_call_end end)
{
	struct fetch *f = ctx;

	f->end = end;
	event_base_loopbreak(f->base);
}

static const char *end_text(enum sl_call_end end)
{
	static const char *const texts[] = {
		[SL_CALL_OK] = "",
		[SL_CALL_CONNECT] = "cannot connect",
		[SL_CALL_CLOSED] = "closed without an answer",
		[SL_CALL_RESET] = "connection reset",
		[SL_CALL_PROTOCOL] = "the answer is not HTTP/1.1",
		[SL_CALL_TRUNCATED] = "the answer breaks off",
		[SL_CALL_TIMEOUT] = "no answer in time",
		[SL_CALL_CANCELLED] = "cancelled",
	};

	return texts[end];
}

static int fetch_verdict(const struct fetch *f, char *err, size_t err_size)
{
	const char *host = f->target->host, *base_path = f->target->base_path;

	if (f->end != SL_CALL_OK)
		snprintf(err, err_size, "http://%s%s%s: %s", host, base_path, f->path,
		         end_text(f->end));
	else if (f->status != 200)
		snprintf(err, err_size, "http://%s%s%s: status %d", host, base_path, f->path,
		         f->status);
	else
		return 0;
	return SL_E_UPSTREAM_CONNECT;
}

int sl_fetch(struct event_base *base, const struct sl_target *target, const char *path,
             const char *headers, void (*fn)(void *ctx, struct sl_span content), void *ctx,
             char *err, size_t err_size)
{
	static const struct sl_call_handler handler = { on_message, on_head, on_data, on_end };
	struct fetch f = { target, path, headers, fn, ctx, base, 0, SL_CALL_OK };
	struct sl_client *client = sl_client_new(base, target, TIMEOUT_US);
	struct sl_call call = { .handler = &handler, .ctx = &f };

	sl_client_start(client, &call);
	event_base_dispatch(base);
	sl_client_free(client);
	return fetch_verdict(&f, err, err_size);
}

/* ---- the model ---- */

struct listing {
	char *text; /* owned */
	size_t len;
	char *model; /* owned: the first */
};

static void keep_listing(void *ctx, struct sl_span content)
{
	struct listing *l = ctx;

	if (content.len > MAX_MODELS - l->len)
		return;
	l->text = realloc(l->text, l->len + content.len);
	if (!l->text)
		abort();
	memcpy(l->text + l->len, content.ptr, content.len);
	l->len += content.len;
}

static void keep_first(void *ctx, const struct sl_model_card *card)
{
	struct listing *l = ctx;

	if (l->model)
		return;
	l->model = strndup(card->id.ptr, card->id.len);
	if (!l->model)
		abort();
}

int sl_fetch_model(struct event_base *base, const struct sl_target *target, const char *headers,
                   char *err, size_t err_size, char **out_model)
{
	struct listing l = { .text = NULL };
	int n, code = sl_fetch(base, target, "/v1/models", headers, keep_listing, &l, err,
	                       err_size);

	if (!code) {
		n = l.len ? sl_models_parse(l.text, l.len, keep_first, &l) : 0;
		if (n <= 0) {
			snprintf(err, err_size, "http://%s%s/v1/models names no model; use --model",
			         target->host, target->base_path);
			code = n < 0 ? n : SL_E_MODEL_NOT_FOUND;
		}
	}
	free(l.text);
	if (code)
		free(l.model);
	else
		*out_model = l.model;
	return code;
}

/* ---- counters ---- */

static void feed_page(void *ctx, struct sl_span content)
{
	sl_page_reader_feed(ctx, content.ptr, content.len);
}

int sl_fetch_counters(struct event_base *base, const struct sl_target *target, char *err,
                      size_t err_size, struct sl_prefix_counters *out_counters)
{
	struct sl_page_reader *reader = sl_page_reader_new(SL_ENGINE_VLLM);
	struct sl_engine_page page;
	int code = sl_fetch(base, target, "/metrics", "Accept: text/plain;version=0.0.4\r\n",
	                    feed_page, reader, err, err_size);

	if (!code) {
		code = sl_page_reader_finish(reader, &page);
		if (!code && (page.prefix_hits < 0 || page.prefix_queries < 0))
			code = SL_E_BAD_FIELD;
		if (code)
			snprintf(err, err_size, "http://%s%s/metrics has no prefix cache counters",
			         target->host, target->base_path);
		else
			*out_counters = (struct sl_prefix_counters){ page.prefix_hits,
				                                     page.prefix_queries };
	}
	sl_page_reader_free(reader);
	return code;
}

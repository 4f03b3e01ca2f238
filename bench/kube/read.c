/* read.c: see read.h. */
#include "bench/kube/read.h"

#include <stdio.h>

#include "bench/kube/filter.h"
#include "bench/kube/token.h"

/* ---- one object ------------------------------------------------------ */

struct sl_kapi_version *sl_kapi_named(const struct sl_kapi *kube, const struct sl_kapi_request *r)
{
	char key[520];

	snprintf(key, sizeof(key), "%s/%s", r->namespace_, r->name);
	return sl_kapi_store_find(&kube->store, r->resource->index, key);
}

void sl_kapi_answer_not_found(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                              const char *name)
{
	char message[SL_KAPI_WRONG_BYTES];

	snprintf(message, sizeof(message), "%s \"%s\" not found",
	         sl_kapi_resource_full_name(r->resource), name);
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){ .code = 404,
	                                                .reason = "NotFound",
	                                                .message = message,
	                                                .name = name,
	                                                .group = r->resource->group,
	                                                .kind = r->resource->plural });
}

void sl_kapi_get(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	const struct sl_kapi_version *v = sl_kapi_named(kube, r);

	if (v)
		sl_kapi_answer(conn, r, 200, sl_span(v->text, v->len));
	else
		sl_kapi_answer_not_found(conn, r, r->name);
}

/* ---- which list ------------------------------------------------------ */

/* What a list is of; and, once it is written, what it left. */
struct page {
	const struct sl_kapi_resource *resource;
	struct sl_kapi_filter filter;
	uint64_t rv;
	bool continued;
	int64_t limit;                    /* 0: none */
	char behind[SL_KAPI_TOKEN_BYTES]; /* a key of the store, or empty */

	const struct sl_kapi_version *last;
	uint32_t remaining;
};

static void answer_old_list(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	sl_kapi_answer_status(conn, r,
	                      &(struct sl_kapi_status){
	                              .code = 410,
	                              .reason = "Expired",
	                              .message = "The resourceVersion for the provided list is too "
	                                         "old." });
}

static void answer_old_token(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                             const char *behind)
{
	char next[SL_KAPI_TOKEN_BYTES];

	sl_kapi_token_write(next, -1, behind);
	sl_kapi_answer_status(
	        conn, r,
	        &(struct sl_kapi_status){
	                .code = 410,
	                .reason = "Expired",
	                .next = next,
	                .message = "The provided continue parameter is too old to display a "
	                           "consistent list result. You can start a new list without the "
	                           "continue parameter, or use the continue token in this response "
	                           "to retrieve the remainder of the results. Continuing with the "
	                           "provided token results in an inconsistent list - objects that "
	                           "were created, modified, or deleted between the time the first "
	                           "chunk was returned and now may show up in the list." });
}

static void answer_future(struct sl_sim_conn *conn, const struct sl_kapi_request *r, uint64_t rv,
                          uint64_t current)
{
	char message[160];

	snprintf(message, sizeof(message),
	         "Timeout: Too large resource version: %llu, current: %llu", (unsigned long long)rv,
	         (unsigned long long)current);
	sl_kapi_answer_status(
	        conn, r,
	        &(struct sl_kapi_status){ .code = 504,
	                                  .reason = "Timeout",
	                                  .message = message,
	                                  .cause_reason = "ResourceVersionTooLarge",
	                                  .cause_message = "Too large resource version",
	                                  .retry_after_s = 1 });
}

/* By the continue token; false: answered. */
static bool read_token(const struct sl_kapi *kube, struct sl_sim_conn *conn,
                       const struct sl_kapi_request *r, const char *token, struct page *page)
{
	char relative[SL_KAPI_TOKEN_BYTES];
	int64_t rv;

	if (!sl_kapi_token_read(token, &rv, relative)) {
		sl_kapi_answer_bad(conn, r,
		                   "invalid continue token: continue key is not valid: it is not "
		                   "one of this server");
		return false;
	}
	page->continued = true;
	page->rv = rv < 0 ? kube->store.rv : (uint64_t)rv;
	snprintf(page->behind, sizeof(page->behind), "%s%s%.700s", r->namespace_,
	         *r->namespace_ ? "/" : "", relative);
	if (page->rv >= kube->store.oldest && page->rv <= kube->store.rv)
		return true;
	answer_old_token(conn, r, relative);
	return false;
}

/* By resourceVersion and resourceVersionMatch; false: answered. */
static bool read_version(const struct sl_kapi *kube, struct sl_sim_conn *conn,
                         const struct sl_kapi_request *r, struct page *page)
{
	char match[SL_KAPI_PARAM_BYTES], asked[SL_KAPI_PARAM_BYTES];
	uint64_t rv, now = kube->store.rv;
	bool exact;

	page->rv = now;
	if (!sl_kapi_version_param(conn, r, &rv))
		return false;
	sl_kapi_request_param(r, "resourceVersion", asked);
	sl_kapi_request_param(r, "resourceVersionMatch", match);
	if (!strcmp(asked, "0"))
		page->limit = 0; /* it comes from the server's cache, which has no pages */
	exact = rv && (!strcmp(match, "Exact") || (page->limit && !*match));
	if (exact)
		page->rv = rv;
	if (rv <= now && page->rv >= kube->store.oldest)
		return true;
	if (rv > now && exact)
		sl_kapi_answer_status(
		        conn, r,
		        &(struct sl_kapi_status){ .code = 500,
		                                  .message = "etcdserver: mvcc: required revision "
		                                             "is a future revision" });
	else if (rv > now)
		answer_future(conn, r, rv, now);
	else
		answer_old_list(conn, r);
	return false;
}

static bool read_page(const struct sl_kapi *kube, struct sl_sim_conn *conn,
                      const struct sl_kapi_request *r, struct page *page)
{
	char token[SL_KAPI_PARAM_BYTES];
	int64_t most = kube->opt.page_limit;

	memset(page, 0, sizeof(*page));
	page->resource = r->resource;
	if (!sl_kapi_filter_read(&page->filter, conn, r) ||
	    !sl_kapi_number_param(conn, r, "limit", &page->limit))
		return false;
	if (page->limit < 0)
		page->limit = 0;
	sl_kapi_request_param(r, "continue", token);
	if (!(*token ? read_token(kube, conn, r, token, page) : read_version(kube, conn, r, page)))
		return false;
	if (most && (!page->limit || page->limit > most))
		page->limit = most;
	return true;
}

/* ---- writing it ------------------------------------------------------ */

static void put_item(struct sl_sim_buf *out, const struct sl_kapi_resource *resource,
                     const struct sl_kapi_version *v)
{
	/* {"kind":"Pod","apiVersion":"v1", */
	size_t skip = strlen(resource->kind) + strlen(resource->api_version) + 27;

	if (resource->custom)
		skip = 0;
	else
		sl_sim_buf_str(out, "{");
	sl_sim_buf_add(out, sl_span(v->text + skip, v->len - skip));
}

static void put_items(struct sl_sim_buf *out, struct page *page, const struct sl_kapi_set *view)
{
	uint32_t at = *page->behind ? sl_kapi_set_after(view, page->behind) : 0;
	int64_t n = 0;

	for (; at < view->n; at++) {
		const struct sl_kapi_version *v = view->sorted[at];

		if (!sl_kapi_version_in(v, sl_span_str(page->filter.namespace_)))
			continue;
		if (page->limit && n == page->limit) {
			page->remaining++;
			continue;
		}
		if (!sl_kapi_filter_match(&page->filter, v))
			continue;
		if (n++)
			sl_sim_buf_str(out, ",");
		put_item(out, page->resource, v);
		page->last = v;
	}
}

/* The members of metadata, in the order of the kind. */
static void put_metadata(struct sl_sim_buf *out, const struct page *page)
{
	bool counted = page->remaining && !page->filter.labels.n && !page->filter.fields.n;
	char next[SL_KAPI_TOKEN_BYTES] = "", rv[48], count[48] = "";

	if (page->remaining)
		sl_kapi_token_write(next, (int64_t)page->rv,
		                    *page->filter.namespace_ ? page->last->name : page->last->key);
	snprintf(rv, sizeof(rv), "\"resourceVersion\":\"%llu\"", (unsigned long long)page->rv);
	if (counted)
		snprintf(count, sizeof(count), "\"remainingItemCount\":%u", page->remaining);
	if (page->resource->custom)
		sl_sim_buf_printf(out, "{\"continue\":\"%s\",%s%s%s}", next, count,
		                  counted ? "," : "", rv);
	else if (*next)
		sl_sim_buf_printf(out, "{%s,\"continue\":\"%s\"%s%s}", rv, next, counted ? "," : "",
		                  count);
	else
		sl_sim_buf_printf(out, "{%s}", rv);
}

static void put_list(struct sl_sim_buf *out, struct page *page, const struct sl_kapi_set *view)
{
	const struct sl_kapi_resource *resource = page->resource;
	struct sl_sim_buf items = { 0 };

	put_items(&items, page, view);
	if (resource->custom) {
		sl_sim_buf_printf(out, "{\"apiVersion\":\"%s\",\"items\":[", resource->api_version);
		sl_sim_buf_add(out, sl_sim_buf_span(&items));
		sl_sim_buf_printf(out, "],\"kind\":\"%sList\",\"metadata\":", resource->kind);
		put_metadata(out, page);
	} else {
		sl_sim_buf_printf(out, "{\"kind\":\"%sList\",\"apiVersion\":\"%s\",\"metadata\":",
		                  resource->kind, resource->api_version);
		put_metadata(out, page);
		sl_sim_buf_str(out, ",\"items\":[");
		sl_sim_buf_add(out, sl_sim_buf_span(&items));
		sl_sim_buf_str(out, "]");
	}
	sl_sim_buf_str(out, "}");
	sl_sim_buf_fini(&items);
}

void sl_kapi_list(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	static struct page page;
	struct sl_kapi_set view;
	struct sl_sim_buf json = { 0 };

	if (!read_page(kube, conn, r, &page))
		return;
	if (!sl_kapi_store_view(&kube->store, r->resource->index, page.rv, &view)) {
		answer_old_list(conn, r);
		return;
	}
	put_list(&json, &page, &view);
	sl_kapi_set_fini(&view);
	sl_kapi_answer(conn, r, 200, sl_sim_buf_span(&json));
	sl_sim_buf_fini(&json);
}

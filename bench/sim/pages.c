/* pages.c: see pages.h. A page is its dialect's, made anew, or the kept one if
 * it stands still; made larger, it goes on with bytes that all pages of the
 * process share, so that large pages cost little more than small ones. */
#include "bench/sim/pages.h"

#include <assert.h>

#define TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Histograms that nobody asks for, as an engine with many options has them. */
static void fill(struct sl_sim_buf *b)
{
	static const char *const bounds[] = { "0.3",  "0.5",  "0.8",  "1.0",   "1.5",  "2.0",
		                              "2.5",  "5.0",  "10.0", "15.0",  "20.0", "30.0",
		                              "40.0", "50.0", "60.0", "120.0", "+Inf" };

	for (unsigned k = 0; b->len < SL_SIM_MAX_PAGE_BYTES; k++) {
		sl_sim_buf_printf(b,
		                  "# HELP vllm:filler_%04u_seconds Histogram that nobody reads.\n"
		                  "# TYPE vllm:filler_%04u_seconds histogram\n",
		                  k, k);
		for (size_t i = 0; i < SL_COUNT(bounds); i++)
			sl_sim_buf_printf(b,
			                  "vllm:filler_%04u_seconds_bucket{engine=\"0\",le=\"%s\","
			                  "model_name=\"filler\"} 0.0\n",
			                  k, bounds[i]);
		sl_sim_buf_printf(b,
		                  "vllm:filler_%04u_seconds_count{engine=\"0\",model_name=\"filler"
		                  "\"} 0.0\nvllm:filler_%04u_seconds_sum{engine=\"0\",model_name="
		                  "\"filler\"} 0.0\n",
		                  k, k);
	}
}

/* What makes a page of so many bytes as large as it is wanted, in whole lines. */
static struct sl_span filler(struct sl_sim_engine *e, size_t page_bytes)
{
	uint32_t wanted = e->faults.page.bytes ? e->faults.page.bytes : e->sim->opt.metrics_bytes;
	struct sl_sim_buf *b = &e->sim->filler;
	const char *end;

	if (wanted <= page_bytes)
		return sl_span("", 0);
	if (!b->len)
		fill(b);
	wanted -= (uint32_t)page_bytes;
	if (wanted > b->len)
		wanted = (uint32_t)b->len;
	end = memrchr(b->ptr, '\n', wanted);
	return sl_span(b->ptr, end ? (size_t)(end - b->ptr) + 1 : 0);
}

/* Which of the dialect's pages it is. */
static unsigned number_of(const struct sl_sim_dialect *d, const struct sl_sim_route *route)
{
	unsigned n = 0;

	for (const struct sl_sim_route *r = d->routes; r != route; r++)
		n += (r->is & SL_SIM_PAGE) != 0;
	assert(n < SL_SIM_MAX_PAGES);
	return n;
}

static const struct sl_sim_dialect *dialect_of(const struct sl_sim_engine *e)
{
	return sl_sim_dialect(e->sim->opt.dialect);
}

void sl_sim_pages_heed_faults(struct sl_sim_engine *e)
{
	const struct sl_sim_dialect *d = dialect_of(e);

	for (size_t i = 0; i < d->n_routes; i++) {
		const struct sl_sim_route *r = &d->routes[i];
		struct sl_sim_buf *kept;

		if (!(r->is & SL_SIM_PAGE))
			continue;
		kept = &e->kept[number_of(d, r)];
		if (!e->faults.page.stale)
			sl_sim_buf_fini(kept);
		else if (!kept->len)
			r->page(kept, e);
	}
}

/* The page as it is now, or was when it stopped. */
static void make(struct sl_sim_buf *page, struct sl_sim_engine *e, const struct sl_sim_route *route)
{
	const struct sl_sim_buf *kept = &e->kept[number_of(dialect_of(e), route)];

	if (e->faults.page.stale)
		sl_sim_buf_add(page, sl_sim_buf_span(kept));
	else
		route->page(page, e);
}

static void redirect(struct sl_sim_conn *conn, const struct sl_sim_engine *e)
{
	struct sl_sim_buf location = { 0 };

	sl_sim_buf_printf(&location, "location: http://%s:%u%s/\r\n%c", e->sim->opt.listen.host,
	                  conn->list == &e->metrics_conns ? e->port + e->sim->opt.metrics_offset
	                                                  : e->port,
	                  conn->head.path, 0);
	sl_sim_conn_reply(conn, 307, NULL, location.ptr, sl_span("", 0));
	sl_sim_buf_fini(&location);
}

/* True if it was answered, or will be, otherwise than by the page. */
static bool goes_wrong(struct sl_sim_conn *conn, struct sl_sim_engine *e)
{
	const struct sl_sim_page_faults *f = &e->faults.page;

	if (f->hang)
		conn->held = true;
	else if (f->slow_ms && !conn->late)
		sl_sim_conn_delay(conn, (uint64_t)f->slow_ms * 1000);
	else if (f->status)
		sl_sim_conn_reply(conn, (int)f->status, "text/plain", NULL, SL_SPAN("no page\n"));
	else if (f->garbage)
		sl_sim_conn_reply(conn, 200, TEXT_TYPE, NULL,
		                  SL_SPAN("<!doctype html>\n{{{ \xff\xfe not numbers\0"
		                          "vllm:num_requests_running{engine=\"0 nine\n"));
	else
		return false;
	return true;
}

void sl_sim_pages_answer(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                         const struct sl_sim_route *route)
{
	struct sl_sim_buf *page = &e->sim->scratch;
	bool text = strncmp(route->type, "text/", 5) == 0;

	if (goes_wrong(conn, e))
		return;
	e->tally.pages++;
	if (e->faults.page.redirect && text) {
		redirect(conn, e);
		return;
	}
	page->len = 0;
	make(page, e, route);
	sl_sim_conn_reply_long(conn, 200, route->type, sl_sim_buf_span(page),
	                       text ? filler(e, page->len) : sl_span("", 0));
}

void sl_sim_pages_answer_moved(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                               const struct sl_sim_route *route)
{
	struct sl_sim_buf page = { 0 };

	if (goes_wrong(conn, e))
		return;
	e->tally.pages++;
	sl_sim_buf_str(&page, "# HELP aibrix:info_info AIBrix Info\n"
	                      "# TYPE aibrix:info_info gauge\n"
	                      "aibrix:info_info{engine=\"vllm\",engine_version=\"0.6.1\","
	                      "version=\"0.8.0\"} 1.0\n");
	make(&page, e, route);
	sl_sim_buf_add(&page, filler(e, page.len));
	sl_sim_conn_reply_chunked(conn, TEXT_TYPE, sl_sim_buf_span(&page));
	sl_sim_buf_fini(&page);
}

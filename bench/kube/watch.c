/* watch.c: see watch.h. */
#include "bench/kube/watch.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/kube/filter.h"

#define BACKLOG_BYTES ((size_t)256 * 1024)
#define DEFAULT_TIMEOUT_S 1800

struct watch {
	struct sl_kapi *kube;     /* borrowed */
	struct sl_sim_conn *conn; /* borrowed until it leaves */
	const struct sl_kapi_resource *resource;
	struct sl_kapi_filter filter;
	uint64_t cursor, said_rv; /* told of; named in the last frame */
	bool bookmarks, owes_bookmark;
	struct event deadline, bookmark, piece;
	struct sl_sim_buf split; /* frames that go out in pieces */
	size_t split_at;
};

/* ---- frames ---------------------------------------------------------- */

static void pump(struct watch *w);

/* The last one makes room for what did not fit, which nobody else tells. */
static void on_piece(evutil_socket_t fd, short what, void *arg)
{
	struct watch *w = arg;
	size_t left = w->split.len - w->split_at;
	size_t n = w->kube->faults.split_bytes;

	(void)fd;
	(void)what;
	if (w->kube->faults.hold)
		return;
	if (!left) {
		pump(w);
		return;
	}
	n = n && n < left ? n : left;
	sl_sim_conn_chunk(w->conn, sl_span(w->split.ptr + w->split_at, n));
	w->split_at += n;
	if (w->split_at == w->split.len)
		w->split.len = w->split_at = 0;
	event_active(&w->piece, EV_TIMEOUT, 0);
	sl_sim_conn_flush(w->conn);
}

/* Takes the frame's bytes. */
static void send_frame(struct watch *w, struct sl_sim_buf *frame)
{
	if (w->kube->faults.split_bytes || w->split.len) {
		sl_sim_buf_add(&w->split, sl_sim_buf_span(frame));
		event_active(&w->piece, EV_TIMEOUT, 0);
	} else {
		sl_sim_conn_chunk(w->conn, sl_sim_buf_span(frame));
	}
	sl_sim_buf_fini(frame);
}

static void make_frame(struct sl_sim_buf *out, const char *type, const struct sl_kapi_version *v,
                       uint64_t rv)
{
	sl_sim_buf_printf(out, "{\"type\":\"%s\",\"object\":", type);
	sl_kapi_version_put(out, v, rv);
	sl_sim_buf_str(out, "}\n");
}

/* What the event is to this watch; NULL: nothing. */
static const char *type_for(const struct watch *w, const struct sl_kapi_event *e)
{
	bool now, before;

	if (e->kind != w->resource->index)
		return NULL;
	now = e->now && sl_kapi_filter_match(&w->filter, e->now);
	before = e->before && sl_kapi_filter_match(&w->filter, e->before);
	return now && before ? "MODIFIED" : now ? "ADDED" : before ? "DELETED" : NULL;
}

static void event_frame(struct sl_sim_buf *out, const struct sl_kapi_event *e, const char *type)
{
	make_frame(out, type, type[0] == 'D' ? e->before : e->now, e->rv);
}

static void tell(struct watch *w, const struct sl_kapi_event *e)
{
	const char *type = type_for(w, e);
	struct sl_sim_buf frame = { 0 };

	if (!type)
		return;
	event_frame(&frame, e, type);
	w->said_rv = e->rv;
	send_frame(w, &frame);
}

static void tell_bookmark(struct watch *w, const char *annotations)
{
	const struct sl_kapi_resource *r = w->resource;
	struct sl_sim_buf frame = { 0 };
	unsigned long long rv = w->cursor;

	w->said_rv = w->cursor;
	if (r->custom)
		sl_sim_buf_printf(&frame,
		                  "{\"type\":\"BOOKMARK\",\"object\":{\"apiVersion\":\"%s\","
		                  "\"kind\":\"%s\",\"metadata\":{%s%s\"resourceVersion\":\"%llu\"}",
		                  r->api_version, r->kind, annotations, *annotations ? "," : "",
		                  rv);
	else
		sl_sim_buf_printf(&frame,
		                  "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"%s\","
		                  "\"apiVersion\":\"%s\",\"metadata\":{\"resourceVersion\":\"%llu\""
		                  ",\"creationTimestamp\":null%s%s}%s",
		                  r->kind, r->api_version, rv, *annotations ? "," : "", annotations,
		                  r->empty);
	sl_sim_buf_str(&frame, "}}\n");
	send_frame(w, &frame);
}

/* ---- life ------------------------------------------------------------ */

/* The connection's business with it is over. */
static void free_watch(struct watch *w)
{
	event_del(&w->deadline);
	event_del(&w->bookmark);
	event_del(&w->piece);
	sl_sim_buf_fini(&w->split);
	free(w);
}

void sl_kapi_watch_left(struct sl_sim_conn *conn)
{
	free_watch(conn->job);
}

static void end_watch(struct watch *w)
{
	struct sl_sim_conn *conn = w->conn;

	if (w->split.len > w->split_at)
		sl_sim_conn_chunk(conn,
		                  sl_span(w->split.ptr + w->split_at, w->split.len - w->split_at));
	conn->job = NULL;
	free_watch(w);
	sl_sim_conn_stream_end(conn);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	end_watch(arg);
}

/* ---- telling --------------------------------------------------------- */

static size_t backlog(const struct watch *w)
{
	return sl_sim_conn_backlog(w->conn) + w->split.len - w->split_at;
}

static void bookmark_if_owed(struct watch *w)
{
	if (w->owes_bookmark && w->said_rv < w->cursor)
		tell_bookmark(w, "");
	w->owes_bookmark = false;
}

/* Puts what there is, as much as may wait; false: all is told. */
static bool fill(struct watch *w)
{
	const struct sl_kapi_store *store = &w->kube->store;

	while (backlog(w) < BACKLOG_BYTES) {
		const struct sl_kapi_event *e = sl_kapi_store_next(store, w->cursor);

		if (!e) {
			w->cursor = w->cursor > store->rv ? w->cursor : store->rv;
			bookmark_if_owed(w);
			return false;
		}
		w->cursor = e->rv;
		tell(w, e);
	}
	return true;
}

/* May end it. */
static void pump(struct watch *w)
{
	struct sl_sim_conn *conn = w->conn;
	bool more;

	if (w->kube->faults.hold)
		return;
	if (w->cursor < w->kube->store.oldest) {
		end_watch(w);
		return;
	}
	do {
		more = fill(w);
		sl_sim_conn_flush(conn);
		if (conn->job != w)
			return;
	} while (more && backlog(w) < BACKLOG_BYTES);
}

void sl_kapi_watch_drained(struct sl_sim_conn *conn)
{
	pump(conn->job);
}

typedef void (*each_fn)(struct watch *w);

static void each(struct sl_kapi *kube, each_fn call)
{
	struct sl_sim_conn *next;

	for (struct sl_sim_conn *c = kube->conns.first; c; c = next) {
		next = c->next;
		if (c->job)
			call(c->job);
	}
}

static void resume(struct watch *w)
{
	if (w->split.len)
		event_active(&w->piece, EV_TIMEOUT, 0);
	pump(w);
}

void sl_kapi_watch_pump_all(struct sl_kapi *kube)
{
	each(kube, resume);
}

/* As soon as all before it is told. */
static void owe_bookmark(struct watch *w)
{
	w->owes_bookmark = w->bookmarks;
	pump(w);
}

void sl_kapi_watch_bookmark_all(struct sl_kapi *kube)
{
	each(kube, owe_bookmark);
}

static void on_bookmark(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	owe_bookmark(arg);
}

uint32_t sl_kapi_watch_count(const struct sl_kapi *kube)
{
	uint32_t n = 0;

	for (const struct sl_sim_conn *c = kube->conns.first; c; c = c->next)
		n += c->job != NULL;
	return n;
}

/* ---- the beginning --------------------------------------------------- */

static void tell_all_objects(struct watch *w)
{
	const struct sl_kapi_set *set = &w->kube->store.sets[w->resource->index];

	for (uint32_t i = 0; i < set->n; i++) {
		const struct sl_kapi_version *v = set->sorted[i];
		struct sl_sim_buf frame = { 0 };

		if (!sl_kapi_filter_match(&w->filter, v))
			continue;
		make_frame(&frame, "ADDED", v, v->rv);
		send_frame(w, &frame);
	}
	w->said_rv = w->cursor;
}

/* One ERROR frame, and the end. */
static void refuse_old(struct sl_kapi *kube, struct sl_sim_conn *conn, uint64_t rv)
{
	struct sl_sim_buf frame = { 0 };
	char message[80];

	snprintf(message, sizeof(message), "too old resource version: %llu (%llu)",
	         (unsigned long long)rv, (unsigned long long)kube->store.oldest);
	sl_sim_buf_str(&frame, "{\"type\":\"ERROR\",\"object\":");
	sl_kapi_status_put(&frame, &(struct sl_kapi_status){
	                                   .code = 410, .reason = "Expired", .message = message });
	sl_sim_buf_str(&frame, "}\n");
	sl_kapi_answer_stream(conn);
	sl_sim_conn_chunk(conn, sl_sim_buf_span(&frame));
	sl_sim_buf_fini(&frame);
	sl_sim_conn_stream_end(conn);
}

/* sendInitialEvents has conditions; false: it was answered with 422. */
static bool check_initial(struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	char match[SL_KAPI_PARAM_BYTES];

	if (!sl_kapi_request_flag(r, "sendInitialEvents"))
		return true;
	sl_kapi_request_param(r, "resourceVersionMatch", match);
	if (!strcmp(match, "NotOlderThan"))
		return true;
	sl_kapi_answer_status(
	        conn, r,
	        &(struct sl_kapi_status){
	                .code = 422,
	                .reason = "Invalid",
	                .message = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: "
	                           "Forbidden: sendInitialEvents requires setting "
	                           "resourceVersionMatch to NotOlderThan",
	                .group = "meta.k8s.io",
	                .kind = "ListOptions",
	                .cause_reason = "FieldValueForbidden",
	                .cause_message = "Forbidden: sendInitialEvents requires setting "
	                                 "resourceVersionMatch to NotOlderThan",
	                .cause_field = "resourceVersionMatch" });
	return false;
}

static void set_timers(struct watch *w, int64_t timeout_s)
{
	struct event_base *base = w->kube->net.base;
	struct timeval deadline = { .tv_sec = timeout_s > 0 ? timeout_s : DEFAULT_TIMEOUT_S };
	struct timeval each_time = sl_sim_timeval((uint64_t)w->kube->opt.bookmark_us);

	evtimer_assign(&w->deadline, base, on_deadline, w);
	evtimer_assign(&w->piece, base, on_piece, w);
	event_assign(&w->bookmark, base, -1, EV_PERSIST, on_bookmark, w);
	event_add(&w->deadline, &deadline);
	if (w->bookmarks && w->kube->opt.bookmark_us)
		event_add(&w->bookmark, &each_time);
}

static void start(struct watch *w, const struct sl_kapi_request *r, uint64_t rv)
{
	bool from_now = !rv || sl_kapi_request_flag(r, "sendInitialEvents");

	sl_kapi_answer_stream(w->conn);
	if (w->conn->state == SL_SIM_CONN_DEAD) {
		free_watch(w);
		return;
	}
	w->conn->job = w;
	w->cursor = w->said_rv = from_now ? w->kube->store.rv : rv;
	if (from_now) {
		tell_all_objects(w);
		if (w->bookmarks)
			tell_bookmark(w,
			              "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}");
	}
	pump(w);
}

void sl_kapi_watch(struct sl_kapi *kube, struct sl_sim_conn *conn, const struct sl_kapi_request *r)
{
	struct watch *w;
	uint64_t rv;
	int64_t timeout_s;

	if (!sl_kapi_number_param(conn, r, "timeoutSeconds", &timeout_s) ||
	    !sl_kapi_version_param(conn, r, &rv) || !check_initial(conn, r))
		return;
	if (rv && rv < kube->store.oldest && !sl_kapi_request_flag(r, "sendInitialEvents")) {
		refuse_old(kube, conn, rv);
		return;
	}
	w = calloc(1, sizeof(*w));
	if (!w)
		abort();
	if (!sl_kapi_filter_read(&w->filter, conn, r)) {
		free(w);
		return;
	}
	w->kube = kube;
	w->conn = conn;
	w->resource = r->resource;
	w->bookmarks = sl_kapi_request_flag(r, "allowWatchBookmarks");
	set_timers(w, timeout_s);
	start(w, r, rv);
}

/* ---- faults ---------------------------------------------------------- */

/* What comes next on this watch, or something like it. */
static void next_frame(const struct watch *w, struct sl_sim_buf *out)
{
	const struct sl_kapi_set *set = &w->kube->store.sets[w->resource->index];
	const struct sl_kapi_event *e = sl_kapi_store_next(&w->kube->store, w->cursor);
	const char *type = e ? type_for(w, e) : NULL;

	if (type)
		event_frame(out, e, type);
	else if (set->n)
		make_frame(out, "MODIFIED", set->sorted[0], w->kube->store.rv);
	else
		sl_sim_buf_str(out, "{\"type\":\"BOOKMARK\",\"object\":{}}\n");
}

/* A chunk that promises a frame, and part of it. */
static void put_half(struct watch *w)
{
	struct sl_sim_buf frame = { 0 };
	size_t n;

	next_frame(w, &frame);
	n = (size_t)(sl_rng_next(&w->kube->rng) % frame.len);
	sl_sim_buf_printf(&w->conn->out, "%zx\r\n", frame.len);
	sl_sim_conn_raw(w->conn, sl_span(frame.ptr, n));
	sl_sim_buf_fini(&frame);
	sl_sim_conn_flush(w->conn);
}

static void cut(struct watch *w, enum sl_kapi_cut how, bool middle)
{
	struct sl_sim_conn *conn = w->conn;

	if (how == SL_KAPI_CUT_END) {
		end_watch(w);
		return;
	}
	if (middle && !w->split.len)
		put_half(w);
	/* the flush may have found it gone, and then it is freed */
	sl_sim_conn_close(conn, how == SL_KAPI_CUT_RESET);
}

void sl_kapi_watch_cut(struct sl_kapi *kube, enum sl_kapi_cut how, bool middle)
{
	struct sl_sim_conn *next;

	kube->cuts++;
	for (struct sl_sim_conn *c = kube->conns.first; c; c = next) {
		next = c->next;
		if (c->job)
			cut(c->job, how, middle);
	}
}

/* fetch.c: see fetch.h. */
#include "gateway/upstream/fetch.h"

#include <stdio.h>
#include <stdlib.h>

#define MAX_REDIRECTS 3
#define MAX_PATH_BYTES 4096

struct sl_fetch {
	struct sl_loop *loop;           /* borrowed */
	struct sl_upstreams *upstreams; /* borrowed */
	struct sl_endpoint *ep;         /* ref */
	struct sl_fetch_spec spec;
	const struct sl_fetch_events *events; /* borrowed */
	void *user;
	struct sl_call *call; /* NULL: being answered for the last time */
	struct sl_timer timer;
	struct sl_task redirect_task;
	struct sl_grave grave;
	char *path; /* owned: what is asked now */
	uint64_t started_us, heard_us;
	uint64_t bytes;
	int status;
	unsigned redirects;
};

static const struct sl_call_events call_events;

static void free_fetch(void *arg)
{
	struct sl_fetch *f = arg;

	sl_endpoint_unref(f->ep);
	free(f->path);
	free(f);
}

static void bury(struct sl_fetch *f)
{
	sl_timer_disarm(f->loop, &f->timer);
	sl_loop_undefer(f->loop, &f->redirect_task);
	f->grave = (struct sl_grave){ .fn = free_fetch, .arg = f };
	sl_loop_bury(f->loop, &f->grave);
}

static void stop_call(struct sl_fetch *f)
{
	if (f->call)
		sl_call_cancel(f->call);
	f->call = NULL;
}

static void end(struct sl_fetch *f, enum sl_probe_result result, int status)
{
	stop_call(f);
	bury(f);
	f->events->on_end(f->user, result, status);
}

/* ---- limits ---------------------------------------------------------- */

static uint64_t left(uint64_t since_us, uint64_t limit_us, uint64_t now_us)
{
	if (!limit_us)
		return UINT64_MAX;
	return since_us + limit_us > now_us ? since_us + limit_us - now_us : 0;
}

static uint64_t time_left(const struct sl_fetch *f)
{
	uint64_t now = f->loop->now_us;
	uint64_t all = left(f->started_us, f->spec.timeout_us, now);
	uint64_t silent = left(f->heard_us, f->spec.silence_us, now);

	return all < silent ? all : silent;
}

static void on_timer(void *arg)
{
	struct sl_fetch *f = arg;
	uint64_t more_us = time_left(f);

	if (more_us == 0)
		end(f, SL_PROBE_TIMEOUT, 0);
	else if (more_us != UINT64_MAX)
		sl_timer_arm(f->loop, &f->timer, more_us);
}

/* ---- asking ---------------------------------------------------------- */

static void ask(struct sl_fetch *f)
{
	static const char user_agent[] = "user-agent: sluice/" SLUICE_VERSION "\r\n";
	static const char json[] = "user-agent: sluice/" SLUICE_VERSION "\r\n"
	                           "content-type: application/json\r\n";
	bool post = f->spec.body.len > 0;
	struct sl_call_limits limits = { .connect_timeout_us = f->spec.connect_timeout_us,
		                         .idle_timeout_us = f->spec.idle_timeout_us,
		                         .max_idle = 1,
		                         .read_bytes = SL_LOOP_READ_BYTES };
	struct sl_call_request request = {
		.method = post ? SL_SPAN("POST") : SL_SPAN("GET"),
		.path = sl_span_str(f->path),
		.lines = post ? sl_span(json, sizeof(json) - 1)
		              : sl_span(user_agent, sizeof(user_agent) - 1),
		.more_lines = f->spec.lines,
		.body = f->spec.body,
		.has_body = post,
	};

	f->status = 0;
	f->bytes = 0;
	f->call = sl_call_start(f->upstreams, f->ep, &limits, &request, &call_events, f);
}

static bool is_redirect(int status)
{
	return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* The path of a Location on the same server; empty if it is none. */
static struct sl_span same_server(const struct sl_fetch *f, struct sl_span location)
{
	const char *prefix = f->ep->tls ? "https://" : "http://";
	size_t skip = strlen(prefix) + strlen(f->ep->name);

	if (location.len && location.ptr[0] == '/' && !(location.len > 1 && location.ptr[1] == '/'))
		return location;
	if (location.len <= skip || strncmp(location.ptr, prefix, strlen(prefix)) != 0 ||
	    strncmp(location.ptr + strlen(prefix), f->ep->name, strlen(f->ep->name)) != 0 ||
	    location.ptr[skip] != '/')
		return sl_span(NULL, 0);
	return sl_span(location.ptr + skip, location.len - skip);
}

static void follow(void *arg)
{
	stop_call(arg);
	ask(arg);
}

/* Not from inside the answer that says so. */
static bool redirect(struct sl_fetch *f, const struct sl_head *head)
{
	const struct sl_hfield *location = sl_head_find(head, SL_SPAN("location"));
	struct sl_span path;

	if (!is_redirect(head->status) || !location || f->spec.body.len ||
	    f->redirects == MAX_REDIRECTS)
		return false;
	path = same_server(f, location->value);
	if (!path.len || path.len > MAX_PATH_BYTES)
		return false;
	f->redirects++;
	free(f->path);
	f->path = strndup(path.ptr, path.len);
	f->redirect_task = (struct sl_task){ .fn = follow, .arg = f };
	sl_loop_defer(f->loop, &f->redirect_task);
	return true;
}

/* ---- the call's events ----------------------------------------------- */

static void on_head(void *user, const struct sl_head *head)
{
	struct sl_fetch *f = user;

	f->heard_us = f->loop->now_us;
	if (redirect(f, head))
		return;
	f->status = head->status;
	if (f->events->on_status)
		f->events->on_status(f->user, f->status);
}

static void on_body(void *user, const char *data, size_t len)
{
	struct sl_fetch *f = user;

	f->heard_us = f->loop->now_us;
	f->bytes += len;
	if (f->spec.max_bytes && f->bytes > f->spec.max_bytes)
		end(f, SL_PROBE_BROKEN, 0); /* a page without an end */
	else if (f->status)
		f->events->on_data(f->user, data, len);
}

static void on_end(void *user)
{
	struct sl_fetch *f = user;

	f->call = NULL;
	if (!f->redirect_task.queued)
		end(f, SL_PROBE_OK, f->status);
}

static void on_fail(void *user, int err, bool started, bool sent)
{
	struct sl_fetch *f = user;

	(void)started;
	(void)sent;
	f->call = NULL;
	if (!f->redirect_task.queued)
		end(f, err == SL_E_UPSTREAM_CONNECT ? SL_PROBE_REFUSED : SL_PROBE_BROKEN, 0);
}

static const struct sl_call_events call_events = { on_head, on_body, on_end, on_fail };

/* ---- life ------------------------------------------------------------ */

struct sl_fetch *sl_fetch_start(struct sl_loop *loop, struct sl_upstreams *upstreams,
                                struct sl_endpoint *ep, const struct sl_fetch_spec *spec,
                                const struct sl_fetch_events *events, void *user)
{
	struct sl_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		abort();
	f->loop = loop;
	f->upstreams = upstreams;
	f->ep = sl_endpoint_ref(ep);
	f->spec = *spec;
	f->events = events;
	f->user = user;
	f->path = strndup(spec->path.ptr, spec->path.len);
	f->started_us = f->heard_us = loop->now_us;
	f->timer = (struct sl_timer){ .fn = on_timer, .arg = f };
	if (time_left(f) != UINT64_MAX)
		sl_timer_arm(loop, &f->timer, time_left(f));
	ask(f);
	return f;
}

void sl_fetch_cancel(struct sl_fetch *f)
{
	stop_call(f);
	bury(f);
}

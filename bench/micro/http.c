/* http.c: what the codecs cost, in memory: nanoseconds and, where the kernel
 * lets us count them, instructions per operation. Instructions are the figure
 * to compare on a shared machine. */
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "gateway/http/h1.h"
#include "gateway/http/h2.h"
#include "gateway/http/sse.h"

static const struct sl_head_limits head_limits = { 65536, 100, 16384 };

/* ---- measuring ---- */

static int open_counter(void)
{
	struct perf_event_attr attr = { .type = PERF_TYPE_HARDWARE,
		                        .size = sizeof(attr),
		                        .config = PERF_COUNT_HW_INSTRUCTIONS,
		                        .exclude_kernel = 1,
		                        .exclude_hv = 1 };

	return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);
}

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void measure(const char *name, void (*operation)(void *arg), void *arg, int times)
{
	int counter = open_counter();
	uint64_t before = 0, after = 0;
	bool counted;
	double start, elapsed;

	for (int i = 0; i < times / 10; i++)
		operation(arg);
	counted = counter >= 0 && read(counter, &before, sizeof(before)) == sizeof(before);
	start = now_ns();
	for (int i = 0; i < times; i++)
		operation(arg);
	elapsed = now_ns() - start;
	counted = counted && read(counter, &after, sizeof(after)) == sizeof(after);
	printf("%-32s %9.1f ns", name, elapsed / times);
	if (counted)
		printf(" %9.0f instructions", (double)(after - before) / times);
	printf("\n");
	if (counter >= 0)
		close(counter);
}

static void must(bool condition)
{
	if (!condition) {
		fprintf(stderr, "the codec refused what it is measured with\n");
		exit(1);
	}
}

/* ---- HTTP/1.1 and events ---- */

static const char request_text[] = "POST /v1/chat/completions HTTP/1.1\r\n"
                                   "Host: gateway.example:8080\r\n"
                                   "User-Agent: OpenAI/Python 1.55.0\r\n"
                                   "Accept: application/json\r\n"
                                   "Accept-Encoding: gzip, deflate\r\n"
                                   "Connection: keep-alive\r\n"
                                   "Content-Type: application/json\r\n"
                                   "Authorization: Bearer sk-0123456789abcdef0123456789\r\n"
                                   "X-Stainless-Lang: python\r\n"
                                   "X-Stainless-Async: false\r\n"
                                   "Content-Length: 1024\r\n"
                                   "\r\n";

static const char response_text[] = "HTTP/1.1 200 OK\r\n"
                                    "date: Sat, 21 Nov 2026 01:39:57 GMT\r\n"
                                    "server: uvicorn\r\n"
                                    "content-type: text/event-stream; charset=utf-8\r\n"
                                    "vary: Origin\r\n"
                                    "transfer-encoding: chunked\r\n"
                                    "\r\n";

static const char event_text[] =
        "data: {\"id\":\"chatcmpl-8dcba268e2e5c659\",\"object\":\"chat.completion.chunk\","
        "\"created\":1795225337,\"model\":\"tiny\",\"choices\":[{\"index\":0,\"delta\":{"
        "\"content\":\" word\"},\"logprobs\":null,\"finish_reason\":null,\"token_ids\":null}]}\n\n";

static void h1_request(void *arg)
{
	struct sl_h1_head *head = arg;
	size_t resume = 0;

	must(sl_h1_request(request_text, sizeof(request_text) - 1, &resume, &head_limits, head) >
	     0);
}

static void h1_response(void *arg)
{
	struct sl_h1_head *head = arg;
	size_t resume = 0;

	must(sl_h1_response(response_text, sizeof(response_text) - 1, &resume, &head_limits, false,
	                    head) > 0);
}

static void h1_chunk(void *arg)
{
	static char chunk[sizeof(event_text) + 32];
	static size_t len;
	struct sl_h1_body *body = arg;
	size_t at = 0;

	if (len == 0) {
		len = sl_h1_chunk_head(chunk, sizeof(event_text) - 1);
		memcpy(chunk + len, event_text, sizeof(event_text) - 1);
		len += sizeof(event_text) - 1;
		memcpy(chunk + len, "\r\n", 2);
		len += 2;
	}
	while (at < len) {
		struct sl_span data;
		size_t used;

		must(sl_h1_body_feed(body, chunk + at, len - at, &used, &data) == 0);
		at += used;
	}
}

static void sse_event(void *arg)
{
	must(sl_sse_feed(arg, event_text, sizeof(event_text) - 1) == sizeof(event_text) - 1);
}

/* ---- HTTP/2: a client and a server in memory ---- */

struct pair {
	struct sl_h2 *server, *client;
	const char *request, *answer;
	size_t request_len, answer_len;
	struct sl_h2_stream *open;  /* at the server */
	struct sl_h2_stream *asked; /* at the client */
};

static void *on_request(void *ctx, struct sl_h2_stream *s, const struct sl_head *head, bool end)
{
	struct pair *p = ctx;

	(void)head;
	(void)end;
	p->open = s;
	return s;
}

static void on_server_data(void *ctx, void *user, const char *data, size_t len)
{
	(void)data;
	sl_h2_consume(((struct pair *)ctx)->server, user, len);
}

static void on_request_end(void *ctx, void *user)
{
	static const struct sl_hfield fields[] = {
		{ { "content-type", 12 }, { "application/json", 16 }, SL_FC_CONTENT_TYPE },
		{ { "x-request-id", 12 }, { "0123456789abcdef", 16 }, SL_FC_REQUEST_ID },
		{ { "content-length", 14 }, { "614", 3 }, SL_FC_FRAMING },
	};
	struct pair *p = ctx;

	if (p->answer_len == 0)
		return;
	must(sl_h2_respond(p->server, user, 200, fields, 3, false) == 0);
	sl_h2_write_last(p->server, user, p->answer, p->answer_len);
}

static void *on_response(void *ctx, struct sl_h2_stream *s, const struct sl_head *head, bool end)
{
	(void)ctx;
	must(head->status == 200);
	(void)end;
	return s;
}

static void on_client_data(void *ctx, void *user, const char *data, size_t len)
{
	struct pair *p = ctx;

	(void)user;
	(void)data;
	sl_h2_consume(p->client, p->asked, len);
}

static bool closing; /* the pairs are taken down with a stream open */

static void on_close(void *ctx, void *user, int err, uint32_t code)
{
	(void)ctx;
	(void)user;
	(void)code;
	must(err == 0 || closing);
}

static const struct sl_h2_events server_events = {
	.on_head = on_request,
	.on_data = on_server_data,
	.on_end = on_request_end,
	.on_close = on_close,
};
static const struct sl_h2_events client_events = {
	.on_head = on_response,
	.on_data = on_client_data,
	.on_close = on_close,
};

static bool carry(struct sl_h2 *from, struct sl_h2 *to)
{
	struct sl_outbuf *out = sl_h2_out(from);
	size_t n = sl_outbuf_size(out);

	if (n == 0)
		return false;
	must(sl_h2_recv(to, out->data + out->off, n) == 0);
	sl_outbuf_drain(out, n);
	sl_h2_pull(from);
	return true;
}

static void settle(struct pair *p)
{
	bool more = true;

	while (more) {
		more = carry(p->client, p->server);
		more = carry(p->server, p->client) || more;
	}
}

static void begin(struct pair *p)
{
	static const struct sl_hfield fields[] = {
		{ { "user-agent", 10 }, { "OpenAI/Python 1.55.0", 20 }, 0 },
		{ { "accept", 6 }, { "application/json", 16 }, 0 },
		{ { "content-type", 12 }, { "application/json", 16 }, 0 },
		{ { "authorization", 13 }, { "Bearer sk-0123456789abcdef0123456789", 36 }, 0 },
		{ { "x-stainless-lang", 16 }, { "python", 6 }, 0 },
	};
	struct sl_head head = { .method = SL_SPAN("POST"),
		                .path = SL_SPAN("/v1/chat/completions"),
		                .authority = SL_SPAN("gateway.example:8080"),
		                .fields = fields,
		                .n_fields = 5,
		                .content_length = (int64_t)p->request_len };

	p->asked = sl_h2_request(p->client, &head, "http", p, false);
	must(p->asked != NULL);
	sl_h2_write_last(p->client, p->asked, p->request, p->request_len);
}

static void h2_exchange(void *arg)
{
	struct pair *p = arg;

	begin(p);
	settle(p);
	must(sl_h2_streams(p->client) == 0 && sl_h2_streams(p->server) == 0);
}

/* One event on a stream that is open for ever, server side only. */
static void h2_event(void *arg)
{
	struct pair *p = arg;
	struct sl_outbuf *out = sl_h2_out(p->server);

	must(sl_h2_write(p->server, p->open, event_text, sizeof(event_text) - 1) == 0);
	sl_outbuf_drain(out, sl_outbuf_size(out));
	sl_h2_pull(p->server);
}

static struct pair *open_pair(size_t request_len, size_t answer_len)
{
	static const struct sl_h2_limits server_limits = { { 65536, 100, 16384 }, 100, 256 * 1024,
		                                           1024 * 1024,           0,   0 };
	static const struct sl_h2_limits client_limits = {
		{ 65536, 100, 0 }, 0, INT32_MAX, 0, 0, 0
	};
	struct pair *p = calloc(1, sizeof(*p));
	char *bytes = calloc(1, 65536);

	must(p && bytes);
	p->request = bytes;
	p->answer = bytes;
	p->request_len = request_len;
	p->answer_len = answer_len;
	p->server = sl_h2_server_new(&server_limits, &server_events, p);
	p->client = sl_h2_client_new(&client_limits, &client_events, p);
	settle(p);
	return p;
}

static void close_pair(struct pair *p)
{
	sl_h2_free(p->client);
	sl_h2_free(p->server);
	free((void *)(uintptr_t)p->request);
	free(p);
}

static void measure_h2(void)
{
	struct pair *small = open_pair(1024, 614), *large = open_pair(65536, 614);
	struct pair *stream = open_pair(1024, 0);

	measure("h2 both ends, 1 KB to 614 B", h2_exchange, small, 200000);
	measure("h2 both ends, 64 KB to 614 B", h2_exchange, large, 20000);
	begin(stream);
	settle(stream);
	must(sl_h2_respond(stream->server, stream->open, 200, NULL, 0, false) == 0);
	measure("h2 write of one event", h2_event, stream, 1000000);
	closing = true;
	close_pair(small);
	close_pair(large);
	close_pair(stream);
}

int main(void)
{
	struct sl_head chunked = { .chunked = true };
	struct sl_h1_head head;
	struct sl_h1_body body;
	struct sl_sse sse;

	measure("h1 request head, 10 fields", h1_request, &head, 1000000);
	measure("h1 response head, 5 fields", h1_response, &head, 1000000);
	sl_h1_request_body(&body, &chunked);
	measure("h1 chunk of one event", h1_chunk, &body, 1000000);
	sl_sse_init(&sse);
	measure("sse event looked at", sse_event, &sse, 1000000);
	sl_sse_fini(&sse);
	measure_h2();
	return 0;
}

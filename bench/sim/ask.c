/* ask.c: see ask.h. */
#include "bench/sim/ask.h"

#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 4096u

/* ---- bodies ---------------------------------------------------------- */

static const char *text_of(const cJSON *json, const char *key)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, key));

	return text ? text : "";
}

struct sl_sim_question sl_sim_question_read(const cJSON *json)
{
	const cJSON *op = cJSON_GetObjectItemCaseSensitive(json, "op");

	return (struct sl_sim_question){
		.op = cJSON_IsNumber(op) ? (enum sl_sim_ask_op)op->valueint : SL_SIM_ASK_OPEN,
		.engine_id = text_of(json, "engine_id"),
		.request_id = text_of(json, "request_id"),
		.kv_version = text_of(json, "kv_version"),
		.prompt_hash = strtoull(text_of(json, "prompt_hash"), NULL, 16),
	};
}

void sl_sim_verdict_render(struct sl_sim_buf *b, enum sl_sim_verdict verdict)
{
	sl_sim_buf_printf(b, "{\"verdict\":%d}", (int)verdict);
}

static enum sl_sim_verdict read_verdict(struct sl_span answer)
{
	static const char key[] = "\"verdict\":";
	const size_t n = sizeof(key) - 1;
	const char *at = answer.len ? memmem(answer.ptr, answer.len, key, n) : NULL;

	if (!at || at + n == answer.ptr + answer.len || at[n] < '0' ||
	    at[n] > '0' + SL_SIM_VERDICT_DOWN)
		return SL_SIM_VERDICT_DOWN;
	return (enum sl_sim_verdict)(at[n] - '0');
}

static void render_question(struct sl_sim_buf *b, const struct sl_sim_question *q)
{
	sl_sim_buf_printf(b, "{\"op\":%d,\"prompt_hash\":\"%016llx\",\"engine_id\":", (int)q->op,
	                  (unsigned long long)q->prompt_hash);
	sl_sim_buf_json(b, sl_span_str(q->engine_id));
	sl_sim_buf_str(b, ",\"request_id\":");
	sl_sim_buf_json(b, sl_span_str(q->request_id));
	sl_sim_buf_str(b, ",\"kv_version\":");
	sl_sim_buf_json(b, sl_span_str(q->kv_version));
	sl_sim_buf_str(b, "}");
}

/* ---- asking ---------------------------------------------------------- */

static void end_asking(struct sl_sim_ask *a, enum sl_sim_verdict verdict)
{
	sl_sim_ask_fini(a);
	a->answered(a->arg, verdict);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_ask *a = arg;
	char buf[1024];
	ssize_t n = recv(fd, buf, sizeof(buf), 0);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0 && a->in.len < ANSWER_MAX)
		sl_sim_buf_add(&a->in, sl_span(buf, (size_t)n));
	else
		end_asking(a, n == 0 ? read_verdict(sl_sim_buf_span(&a->in)) : SL_SIM_VERDICT_DOWN);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct sl_sim_ask *a = arg;
	ssize_t n = send(fd, a->out.ptr + a->out_at, a->out.len - a->out_at, MSG_NOSIGNAL);

	(void)what;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		end_asking(a, SL_SIM_VERDICT_DOWN);
		return;
	}
	a->out_at += (size_t)n;
	if (a->out_at == a->out.len)
		event_del(&a->write_event);
}

static void write_question(struct sl_sim_ask *a, const struct sl_sim_question *q, const char *host,
                           int port)
{
	struct sl_sim_buf body = { 0 };

	render_question(&body, q);
	sl_sim_buf_printf(&a->out,
	                  "POST /sim/kv HTTP/1.1\r\nhost: %s:%d\r\ncontent-type: "
	                  "application/json\r\nconnection: close\r\ncontent-length: %zu\r\n\r\n",
	                  host, port, body.len);
	sl_sim_buf_add(&a->out, sl_sim_buf_span(&body));
	sl_sim_buf_fini(&body);
}

/* The socket, or -1. */
static int connect_to(const char *host, int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd;

	if (!host || port < 1 || inet_pton(AF_INET, host, &sa.sin_addr) != 1)
		return -1;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 &&
	    errno != EINPROGRESS) {
		close(fd);
		return -1;
	}
	return fd;
}

void sl_sim_ask_init(struct sl_sim_ask *a, struct event_base *base,
                     void (*answered)(void *arg, enum sl_sim_verdict verdict), void *arg)
{
	*a = (struct sl_sim_ask){ .base = base, .fd = -1, .answered = answered, .arg = arg };
}

bool sl_sim_ask_begin(struct sl_sim_ask *a, const char *host, int port,
                      const struct sl_sim_question *q)
{
	a->fd = connect_to(host, port);
	if (a->fd < 0)
		return false;
	a->out_at = 0;
	write_question(a, q, host, port);
	event_assign(&a->read_event, a->base, a->fd, EV_READ | EV_PERSIST, on_readable, a);
	event_assign(&a->write_event, a->base, a->fd, EV_WRITE | EV_PERSIST, on_writable, a);
	event_add(&a->read_event, NULL);
	event_add(&a->write_event, NULL);
	return true;
}

void sl_sim_ask_fini(struct sl_sim_ask *a)
{
	if (a->fd < 0)
		return;
	event_del(&a->read_event);
	event_del(&a->write_event);
	close(a->fd);
	a->fd = -1;
	sl_sim_buf_fini(&a->out);
	sl_sim_buf_fini(&a->in);
	a->out = a->in = (struct sl_sim_buf){ 0 };
}

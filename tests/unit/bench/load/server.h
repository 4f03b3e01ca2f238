/* server.h: a server of scripted bad manners, in a thread of its own.
 *
 * It takes requests one after the other, in the order of its script, and
 * answers each as its step says. What a right answer is, it computes from the
 * request's JSON, as an engine would. Connections are served one at a time, so
 * it is used with a concurrency of one. */
#ifndef LOAD_TEST_SERVER_H
#define LOAD_TEST_SERVER_H

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "bench/sim/text.h"

enum step {
	RIGHT,          /* chunked, keep-alive */
	BYTE_BY_BYTE,   /* the same, a byte a packet as far as the kernel lets it */
	CONTINUE_FIRST, /* a 100 and a 103 precede the answer */
	UNTIL_CLOSE,    /* neither length nor chunks */
	CLOSE_AFTER,    /* right, then closes although it promised not to */
	HANG_UP,        /* reads the request and closes without a byte */
	CUT_HEAD,       /* closes in the middle of the head */
	NOT_HTTP,
	RESET,     /* after the first token */
	CUT_SHORT, /* closes after the first token */
	ERROR_EVENT,
	BUSY,      /* 503 */
	EARLY_413, /* answers before it has read the body, then reads on */
	NO_DONE,
	WRONG_WORD,
	LOST_WORD,
	SILENCE,   /* until the client goes */
	INTERRUPT, /* ... after a SIGINT to this process */
	WHOLE,     /* not streamed */
	MODELS,
	METRICS, /* the n-th page: hits 10 n, queries 40 n */
};

struct server {
	pthread_t thread;
	int listener;
	int port;
	const enum step *steps; /* borrowed */
	size_t n_steps;
	size_t next;
	size_t connections;
	size_t pages;
};

static inline bool server_send(int fd, const char *text, size_t len)
{
	while (len) {
		ssize_t n = send(fd, text, len, MSG_NOSIGNAL);

		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static inline void server_say(int fd, const char *text)
{
	server_send(fd, text, strlen(text));
}

/* One chunk of the chunked coding. */
static inline void server_chunk(FILE *out, const char *text)
{
	fprintf(out, "%zx\r\n%s\r\n", strlen(text), text);
}

/* The request's body; NULL when the client has gone. The caller frees it. */
static inline char *server_read(int fd, bool head_only)
{
	size_t cap = 1 << 24, len = 0;
	char *buf = malloc(cap);
	const char *end = NULL;
	size_t want = 0;

	while (!end || (!head_only && len < want)) {
		ssize_t n = recv(fd, buf + len, cap - 1 - len, 0);
		const char *length;

		if (n <= 0) {
			free(buf);
			return NULL;
		}
		len += (size_t)n;
		buf[len] = '\0';
		if (end || !(end = strstr(buf, "\r\n\r\n")))
			continue;
		end += 4;
		length = strstr(buf, "Content-Length: ");
		want = (size_t)(end - buf) + (length ? strtoul(length + 16, NULL, 10) : 0);
	}
	memmove(buf, end, len - (size_t)(end - buf) + 1);
	return buf;
}

struct server_answer {
	struct sl_sim_text said;
	int tokens;
};

static inline struct server_answer server_understand(const char *body)
{
	struct server_answer a;
	cJSON *json = cJSON_Parse(body);
	const cJSON *message = cJSON_GetArrayItem(cJSON_GetObjectItem(json, "messages"), 0);

	sl_sim_text_init(&a.said, 0);
	sl_sim_text_message(
	        &a.said, sl_span_str(cJSON_GetStringValue(cJSON_GetObjectItem(message, "role"))),
	        sl_span_str(cJSON_GetStringValue(cJSON_GetObjectItem(message, "content"))));
	sl_sim_text_answer(&a.said);
	a.tokens = (int)cJSON_GetNumberValue(cJSON_GetObjectItem(json, "max_tokens"));
	cJSON_Delete(json);
	return a;
}

/* The word of token i as the step gives it; false: not at all. */
static inline bool server_word(struct server_answer *a, enum step step, int i, char out[8])
{
	sl_sim_text_next(&a->said, out);
	out[SL_SIM_TOKEN_BYTES] = '\0';
	if (step == WRONG_WORD && i == a->tokens / 2)
		memcpy(out, " off", 4);
	return step != LOST_WORD || i != a->tokens / 2;
}

static inline void server_event(FILE *out, bool chunked, const char *text)
{
	if (chunked)
		server_chunk(out, text);
	else
		fputs(text, out);
}

static inline char *server_stream(enum step step, struct server_answer a, size_t *out_len)
{
	bool chunked = step != UNTIL_CLOSE;
	char word[8], event[512], *text;
	FILE *out = open_memstream(&text, out_len);

	if (step == CONTINUE_FIRST)
		fputs("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n",
		      out);
	fprintf(out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n%s\r\n",
	        chunked ? "Transfer-Encoding: chunked\r\n" : "");
	server_event(out, chunked,
	             "data: {\"choices\":[{\"delta\":{\"role\":\"assistant\"}}]}\n\n");
	for (int i = 0; i < a.tokens; i++) {
		if (!server_word(&a, step, i, word))
			continue;
		snprintf(event, sizeof(event),
		         "data: {\"choices\":[{\"delta\":{\"content\":\"%s\"}}]}\n\n", word);
		server_event(out, chunked, event);
		if (step == RESET || step == CUT_SHORT)
			goto cut;
	}
	if (step == ERROR_EVENT)
		server_event(out, chunked,
		             "data: {\"error\":{\"message\":\"out of memory\",\"code\":500}}\n\n");
	snprintf(event, sizeof(event),
	         "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":%d,"
	         "\"prompt_tokens_details\":{\"cached_tokens\":25}}}\n\n",
	         a.tokens);
	server_event(out, chunked, event);
	if (step != NO_DONE)
		server_event(out, chunked, "data: [DONE]\n\n");
	if (chunked)
		fputs("0\r\n\r\n", out);
cut:
	fclose(out);
	return text;
}

static inline void server_whole(int fd, struct server_answer a)
{
	char word[8], *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fputs("{\"choices\":[{\"message\":{\"content\":\"", out);
	for (int i = 0; i < a.tokens; i++) {
		server_word(&a, WHOLE, i, word);
		fputs(word, out);
	}
	fprintf(out, "\"}}],\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":%d}}", a.tokens);
	fclose(out);
	dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
	server_send(fd, text, len);
	free(text);
}

static inline void server_text(int fd, const char *status, const char *text)
{
	dprintf(fd, "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s", status, strlen(text), text);
}

static inline void server_page(struct server *s, int fd)
{
	char page[512];

	s->pages++;
	snprintf(page, sizeof(page),
	         "# TYPE vllm:prefix_cache_queries_total counter\n"
	         "vllm:prefix_cache_queries_total{engine=\"0\",model_name=\"m\"} %zu.0\n"
	         "vllm:prefix_cache_hits_total{engine=\"0\",model_name=\"m\"} %zu.0\n",
	         40 * s->pages, 10 * s->pages);
	server_text(fd, "200 OK", page);
}

static inline void server_streamed(int fd, enum step step, const char *body)
{
	size_t len, piece;
	char *text = server_stream(step, server_understand(body), &len);

	piece = step == BYTE_BY_BYTE ? 1 : len;
	for (size_t i = 0; i < len && server_send(fd, text + i, piece); i += piece)
		;
	free(text);
}

/* True to keep the connection. */
static inline bool server_step(struct server *s, int fd, enum step step, const char *body)
{
	struct linger reset = { 1, 0 };
	char byte, drain[65536];

	switch (step) {
	case HANG_UP:
		return false;
	case CUT_HEAD:
		server_say(fd, "HTTP/1.1 200 OK\r\nContent-Ty");
		return false;
	case NOT_HTTP:
		server_say(fd, "SSH-2.0-OpenSSH_9.2\r\n\r\n");
		return false;
	case BUSY:
		server_text(fd, "503 Service Unavailable", "{\"error\":{\"message\":\"full\"}}");
		return true;
	case EARLY_413:
		server_text(fd, "413 Content Too Large", "too big");
		while (recv(fd, drain, sizeof(drain), 0) > 0)
			;
		return false;
	case INTERRUPT:
		kill(getpid(), SIGINT);
		/* fall through */
	case SILENCE:
		return recv(fd, &byte, 1, 0) > 0;
	case WHOLE:
		server_whole(fd, server_understand(body));
		return true;
	case MODELS:
		server_text(fd, "200 OK", "{\"object\":\"list\",\"data\":[{\"id\":\"m\"}]}");
		return true;
	case METRICS:
		server_page(s, fd);
		return true;
	default:
		break;
	}
	server_streamed(fd, step, body);
	if (step == RESET)
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	return step != RESET && step != CUT_SHORT && step != UNTIL_CLOSE && step != CLOSE_AFTER;
}

static inline void *server_main(void *arg)
{
	struct server *s = arg;

	while (s->next < s->n_steps) {
		int fd = accept(s->listener, NULL, NULL);
		bool keep = fd >= 0;

		if (fd < 0)
			break;
		s->connections++;
		while (keep && s->next < s->n_steps) {
			char *body = server_read(fd, s->steps[s->next] == EARLY_413);

			keep = body != NULL;
			if (keep)
				keep = server_step(s, fd, s->steps[s->next++], body);
			free(body);
		}
		close(fd);
	}
	return NULL;
}

static inline void server_start(struct server *s, const enum step *steps, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	socklen_t len = sizeof(a);
	int window = 64 * 1024; /* so that a big prompt cannot hide in it */

	*s = (struct server){ .steps = steps, .n_steps = n };
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(s->listener, SOL_SOCKET, SO_RCVBUF, &window, sizeof(window));
	if (bind(s->listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(s->listener, 64) < 0)
		abort();
	getsockname(s->listener, (struct sockaddr *)&a, &len);
	s->port = ntohs(a.sin_port);
	if (pthread_create(&s->thread, NULL, server_main, s) != 0)
		abort();
}

/* All steps were taken, or the test is over anyway. */
static inline void server_stop(struct server *s)
{
	shutdown(s->listener, SHUT_RDWR);
	pthread_join(s->thread, NULL);
	close(s->listener);
}

#endif

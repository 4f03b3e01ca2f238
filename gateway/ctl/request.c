/* request.c: one HTTP/1.1 request on a blocking socket, closed afterwards.
 *
 * Reads only what sluice's own admin server writes: a head, and a body that
 * ends with the connection. It refuses chunked bodies and redirects. */
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "gateway/ctl/ctl.h"

#define DEFAULT_HOST "127.0.0.1"
#define DEFAULT_PORT "9900"
#define CONNECT_TIMEOUT_S 5
#define ANSWER_TIMEOUT_S 60 /* a reload may have to look up many names */
#define ANSWER_MAX_BYTES ((size_t)512 << 20)

struct target {
	char host[256];
	char port[32];
};

static bool only_digits(const char *s)
{
	return *s && s[strspn(s, "0123456789")] == '\0';
}

static void set(char *out, size_t size, const char *from, size_t len)
{
	snprintf(out, size, "%.*s", (int)len, from);
}

static void split_addr(const char *addr, struct target *t)
{
	const char *close = *addr == '[' ? strchr(addr, ']') : NULL;
	const char *colon = strrchr(close ? close : addr, ':');

	snprintf(t->port, sizeof(t->port), "%s", DEFAULT_PORT);
	if (close) {
		set(t->host, sizeof(t->host), addr + 1, (size_t)(close - addr - 1));
	} else if (colon && strchr(addr, ':') != colon) {
		set(t->host, sizeof(t->host), addr, strlen(addr)); /* IPv6 without brackets */
		colon = NULL;
	} else if (only_digits(addr)) {
		t->host[0] = '\0';
		snprintf(t->port, sizeof(t->port), "%s", addr);
	} else {
		set(t->host, sizeof(t->host), addr, colon ? (size_t)(colon - addr) : strlen(addr));
	}
	if (colon && colon[1])
		snprintf(t->port, sizeof(t->port), "%s", colon + 1);
	if (!t->host[0])
		snprintf(t->host, sizeof(t->host), "%s", DEFAULT_HOST);
}

/* A socket or -1 with errno. Linux applies SO_SNDTIMEO to connect too. */
static int dial(const struct addrinfo *ai)
{
	struct timeval connect_limit = { .tv_sec = CONNECT_TIMEOUT_S };
	struct timeval answer_limit = { .tv_sec = ANSWER_TIMEOUT_S };
	int fd = socket(ai->ai_family, ai->ai_socktype | SOCK_CLOEXEC, ai->ai_protocol);
	int saved;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &connect_limit, sizeof(connect_limit));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &answer_limit, sizeof(answer_limit));
	if (connect(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	saved = errno == EINPROGRESS ? ETIMEDOUT : errno;
	close(fd);
	errno = saved;
	return -1;
}

static int dial_any(const char *addr, char *error, size_t size)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list, *ai;
	struct target t;
	int fd = -1, gai;

	split_addr(addr, &t);
	gai = getaddrinfo(t.host, t.port, &hints, &list);
	if (gai != 0) {
		snprintf(error, size, "%s: %s", addr, gai_strerror(gai));
		return -1;
	}
	for (ai = list; ai && fd < 0; ai = ai->ai_next)
		fd = dial(ai);
	if (fd < 0)
		snprintf(error, size, "no gateway at %s: %s", addr, strerror(errno));
	freeaddrinfo(list);
	return fd;
}

static int send_all(int fd, const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* To the end of the connection; NULL with errno. Owned, NUL-terminated. */
static char *receive_all(int fd, size_t *out_len)
{
	size_t len = 0, size = 65536;
	char *buf = malloc(size);

	for (;;) {
		ssize_t n;

		if (!buf)
			abort();
		n = recv(fd, buf + len, size - len - 1, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || len + (size_t)n > ANSWER_MAX_BYTES) {
			free(buf);
			return NULL;
		}
		len += (size_t)n;
		if (n == 0)
			break;
		if (len + 1 == size) {
			size *= 2;
			buf = realloc(buf, size);
		}
	}
	buf[len] = '\0';
	*out_len = len;
	return buf;
}

/* The Content-Length of a head, or -1. */
static long long announced_length(const char *head, const char *end)
{
	static const char name[] = "\r\nContent-Length:";

	for (const char *p = head; p < end; p++)
		if (strncasecmp(p, name, sizeof(name) - 1) == 0)
			return strtoll(p + sizeof(name) - 1, NULL, 10);
	return -1;
}

static int split_answer(char *all, size_t len, struct ctl_answer *out_answer)
{
	const char *end = strstr(all, "\r\n\r\n");
	struct ctl_answer answer;
	long long announced;

	if (!end || sscanf(all, "HTTP/1.%*1[01] %d", &answer.status) != 1)
		return -1;
	announced = announced_length(all, end);
	answer.len = len - (size_t)(end + 4 - all);
	if (announced >= 0 && (size_t)announced != answer.len)
		return -1;
	memmove(all, end + 4, answer.len + 1);
	answer.body = all;
	*out_answer = answer;
	return 0;
}

int ctl_request(const char *addr, const char *method, const char *path, char *error,
                size_t error_size, struct ctl_answer *out_answer)
{
	char request[1024];
	size_t len;
	char *all;
	int fd = dial_any(addr, error, error_size), n;

	if (fd < 0)
		return -1;
	n = snprintf(request, sizeof(request),
	             "%s %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: sluicectl/%s\r\n"
	             "Content-Length: 0\r\nConnection: close\r\n\r\n",
	             method, path, SLUICE_VERSION);
	all = send_all(fd, request, (size_t)n) == 0 ? receive_all(fd, &len) : NULL;
	if (!all)
		snprintf(error, error_size, "%s: %s", addr,
		         errno == EAGAIN ? "no answer in time" : strerror(errno));
	close(fd);
	if (!all)
		return -1;
	if (split_answer(all, len, out_answer) == 0)
		return 0;
	snprintf(error, error_size, "%s: %s", addr,
	         len ? "not an answer of a sluice gateway" : "the gateway closed the connection");
	free(all);
	return -1;
}

void ctl_answer_fini(struct ctl_answer *answer)
{
	free(answer->body);
}

/* socket.c: see socket.h. */
#include "gateway/net/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int resolve(const char *host, uint16_t port, int flags, struct sl_sockaddr *out_addr)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = flags };
	struct addrinfo *list;
	char service[8];
	int rc;

	if (!*host)
		hints.ai_family = AF_INET; /* 0.0.0.0, as other servers' `listen PORT` */
	snprintf(service, sizeof(service), "%u", port);
	rc = getaddrinfo(*host ? host : NULL, service, &hints, &list);
	if (rc != 0)
		return rc;
	memset(&out_addr->ss, 0, sizeof(out_addr->ss));
	memcpy(&out_addr->ss, list->ai_addr, list->ai_addrlen);
	out_addr->len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

int sl_sockaddr_resolve(const char *host, uint16_t port, struct sl_sockaddr *out_addr)
{
	return resolve(host, port, AI_PASSIVE, out_addr);
}

int sl_sockaddr_numeric(const char *host, uint16_t port, struct sl_sockaddr *out_addr)
{
	return resolve(host, port, AI_NUMERICHOST | AI_NUMERICSERV, out_addr);
}

void sl_sockaddr_set_port(struct sl_sockaddr *addr, uint16_t port)
{
	if (addr->ss.ss_family == AF_INET)
		((struct sockaddr_in *)(void *)&addr->ss)->sin_port = htons(port);
	else if (addr->ss.ss_family == AF_INET6)
		((struct sockaddr_in6 *)(void *)&addr->ss)->sin6_port = htons(port);
}

bool sl_sockaddr_eq(const struct sl_sockaddr *a, const struct sl_sockaddr *b)
{
	return a->len == b->len && memcmp(&a->ss, &b->ss, a->len) == 0;
}

size_t sl_sockaddr_format(const struct sockaddr *sa, char *buf, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";
	int n = 0;

	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		n = snprintf(buf, size, "%s:%u", host, ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)(const void *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		n = snprintf(buf, size, "[%s]:%u", host, ntohs(in6->sin6_port));
	} else if (size > 0) {
		buf[0] = 0;
	}
	return n > 0 && (size_t)n < size ? (size_t)n : 0;
}

static void set_flag(int fd, int level, int name)
{
	int on = 1;

	(void)setsockopt(fd, level, name, &on, sizeof(on));
}

int sl_socket_listen(const struct sl_sockaddr *addr, bool reuse_port)
{
	int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_flag(fd, SOL_SOCKET, SO_REUSEADDR);
	if (reuse_port)
		set_flag(fd, SOL_SOCKET, SO_REUSEPORT);
	if (bind(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0 || listen(fd, 4096) < 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int sl_socket_accept(int listen_fd, struct sl_sockaddr *out_peer)
{
	int fd;

	out_peer->len = sizeof(out_peer->ss);
	fd = accept4(listen_fd, (struct sockaddr *)&out_peer->ss, &out_peer->len,
	             SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
	return fd;
}

int sl_socket_connect(const struct sl_sockaddr *addr)
{
	int fd = socket(addr->ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	set_flag(fd, IPPROTO_TCP, TCP_NODELAY);
	if (connect(fd, (const struct sockaddr *)&addr->ss, addr->len) < 0 &&
	    errno != EINPROGRESS) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

int sl_socket_error(int fd)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return errno;
	return error;
}

size_t sl_socket_unacknowledged(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) < 0 || n < 0 ? 0 : (size_t)n;
}

void sl_socket_set_reset(int fd)
{
	struct linger linger = { .l_onoff = 1, .l_linger = 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

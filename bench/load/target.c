/* target.c: takes an http:// URL apart and finds the address behind it. */
#include "bench/load/target.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECT_MS 5000

static int bad_url(char *err, size_t err_size, const char *url, const char *why)
{
	snprintf(err, err_size, "bad URL '%s': %s", url, why);
	return SL_E_BAD_FIELD;
}

static bool copy_part(char *to, size_t size, const char *from, size_t len)
{
	if (len >= size)
		return false;
	memcpy(to, from, len);
	to[len] = '\0';
	return true;
}

/* "name", "name:port", "[address]:port". */
static const char *split_authority(const char *p, size_t len, struct sl_target *t)
{
	const char *end = p + len;
	bool bracket = len && *p == '[';
	const char *name_end = memchr(p, bracket ? ']' : ':', len);
	const char *colon = bracket && name_end ? name_end + 1 : name_end;
	long port;

	if (bracket && !name_end)
		return "no ] behind the address";
	if (!name_end)
		name_end = end;
	if (!copy_part(t->name, sizeof(t->name), p + bracket, (size_t)(name_end - p) - bracket) ||
	    t->name[0] == '\0')
		return "no host, or one that is too long";
	if (!copy_part(t->host, sizeof(t->host), p, len))
		return "the host is too long";
	if (!colon || colon == end) {
		strcpy(t->port, "80");
		return NULL;
	}
	if (*colon != ':' ||
	    !copy_part(t->port, sizeof(t->port), colon + 1, (size_t)(end - colon) - 1) ||
	    t->port[0] == '\0' || strspn(t->port, "0123456789") != strlen(t->port))
		return "the port is no number";
	port = strtol(t->port, NULL, 10);
	return port < 1 || port > 65535 ? "the port must be from 1 to 65535" : NULL;
}

int sl_target_parse(const char *url, char *err, size_t err_size, struct sl_target *out_target)
{
	struct sl_target t = { .addr_len = 0 };
	const char *p, *why;
	size_t host_len, path_len;

	if (!strncmp(url, "https://", 8))
		return bad_url(err, err_size, url, "TLS is not spoken here, use http://");
	if (strncmp(url, "http://", 7) != 0)
		return bad_url(err, err_size, url, "it must begin with http://");
	for (p = url; *p; p++)
		if (*p <= ' ' || *p == 0x7f || *p == '?' || *p == '#')
			return bad_url(err, err_size, url, "only http://HOST[:PORT][/BASE]");
	p = url + 7;
	host_len = strcspn(p, "/");
	why = split_authority(p, host_len, &t);
	if (why)
		return bad_url(err, err_size, url, why);
	p += host_len;
	path_len = strlen(p);
	while (path_len && p[path_len - 1] == '/')
		path_len--;
	if (!copy_part(t.base_path, sizeof(t.base_path), p, path_len))
		return bad_url(err, err_size, url, "the path is too long");
	*out_target = t;
	return 0;
}

/* 0, or the errno of trying. */
static int try_connect(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
		if (errno != EINPROGRESS)
			error = errno;
		else if (poll(&p, 1, CONNECT_MS) <= 0)
			error = ETIMEDOUT;
		else
			getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
	}
	close(fd);
	return error;
}

int sl_target_resolve(struct sl_target *t, char *err, size_t err_size)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
	struct addrinfo *list;
	int code, error = 0;

	code = getaddrinfo(t->name, t->port, &hints, &list);
	if (code) {
		snprintf(err, err_size, "cannot resolve %s: %s", t->name, gai_strerror(code));
		return SL_E_UPSTREAM_CONNECT;
	}
	for (const struct addrinfo *a = list; a && !t->addr_len; a = a->ai_next) {
		error = try_connect(a);
		if (error)
			continue;
		memcpy(&t->addr, a->ai_addr, a->ai_addrlen);
		t->addr_len = a->ai_addrlen;
	}
	freeaddrinfo(list);
	if (t->addr_len)
		return 0;
	snprintf(err, err_size, "cannot connect to %s: %s", t->host, strerror(error));
	return SL_E_UPSTREAM_CONNECT;
}

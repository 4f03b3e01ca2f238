/* exporter_url.c: see exporter_url.h. Patterns were checked when they were read. */
#include "gateway/control/exporter_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#define SCHEME "http://"
#define PLACEHOLDER 6 /* bytes of {host}, and of {node} */

/* Appends to out, which has room for SL_EXPORTER_URL_MAX; false if it is full. */
static bool append(char *out, const char *text, size_t len)
{
	size_t at = strlen(out);

	if (at + len >= SL_EXPORTER_URL_MAX)
		return false;
	memcpy(out + at, text, len);
	out[at + len] = '\0';
	return true;
}

static bool append_host(char *out, const char *host)
{
	bool v6 = strchr(host, ':') != NULL;

	return append(out, "[", v6) && append(out, host, strlen(host)) && append(out, "]", v6);
}

/* Where the engine is now: a name may be elsewhere tomorrow. */
static void write_address(const struct sl_sockaddr *addr, char out[INET6_ADDRSTRLEN])
{
	const void *bytes =
	        addr->ss.ss_family == AF_INET6
	                ? (const void *)&((const struct sockaddr_in6 *)&addr->ss)->sin6_addr
	                : (const void *)&((const struct sockaddr_in *)&addr->ss)->sin_addr;

	if (!inet_ntop(addr->ss.ss_family, bytes, out, INET6_ADDRSTRLEN))
		*out = '\0';
}

/* What {node} stands for. */
static const char *node_of(const struct sl_engine *m)
{
	const struct sl_found *found = &m->server->found;

	return found->node_address && *found->node_address ? found->node_address : found->node;
}

bool sl_exporter_url_text(const char *pattern, const struct sl_engine *m,
                          char out[SL_EXPORTER_URL_MAX])
{
	const char *node = node_of(m);
	char address[INET6_ADDRSTRLEN];

	write_address(&m->ep->addr, address);
	*out = '\0';
	for (;;) {
		size_t plain = strcspn(pattern, "{");
		bool is_host = strncmp(pattern + plain, "{host}", PLACEHOLDER) == 0;
		const char *host = is_host ? address : node;

		if (!append(out, pattern, plain))
			return false;
		if (!pattern[plain])
			return true;
		if (!host || !*host || !append_host(out, host))
			return false;
		pattern += plain + PLACEHOLDER;
	}
}

/* A node that is no address would have to be looked up while others wait. */
static bool find_address(const char *host, uint16_t port, const struct sl_engine *m,
                         struct sl_sockaddr *out)
{
	const char *node = node_of(m);

	if (sl_sockaddr_numeric(host, port, out) == 0)
		return true;
	if (node && strcmp(host, node) == 0)
		return false;
	return sl_sockaddr_resolve(host, port, out) == 0;
}

/* Cuts "[::1]:9400" or "node-1:9400". */
static bool cut(const char *authority, char *out_host, size_t size, uint16_t *out_port)
{
	const char *colon = strrchr(authority, ':');
	size_t len = colon ? (size_t)(colon - authority) : 0;
	unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : 0;

	if (len > 1 && authority[0] == '[') {
		authority++;
		len -= 2;
	}
	if (!len || len >= size || port < 1 || port > 65535)
		return false;
	memcpy(out_host, authority, len);
	out_host[len] = '\0';
	*out_port = (uint16_t)port;
	return true;
}

void sl_exporter_url_resolve(struct sl_exporter_url *url, const struct sl_engine *m)
{
	const char *start = url->text + strlen(SCHEME);
	size_t len = strcspn(start, "/");
	char authority[SL_ENDPOINT_NAME_MAX], host[SL_ENDPOINT_NAME_MAX];
	uint16_t port;

	url->path = start[len] ? start + len : "/metrics";
	url->usable = false;
	if (len >= sizeof(authority))
		return;
	memcpy(authority, start, len);
	authority[len] = '\0';
	memcpy(url->name, authority, len + 1);
	if (cut(authority, host, sizeof(host), &port))
		url->usable = find_address(host, port, m, &url->addr);
}

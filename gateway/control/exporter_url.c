/* exporter_url.c: see exporter_url.h. Patterns were checked when they were read. */
#include "gateway/control/exporter_url.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/net/authority.h"

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

bool sl_exporter_url_split(struct sl_exporter_url *url)
{
	const char *start = url->text + strlen(SCHEME);
	size_t len = strcspn(start, "/");

	url->path = start[len] ? start + len : "/metrics";
	if (!sl_authority_split(sl_span(start, len), url->host, sizeof(url->host), &url->port) ||
	    !url->port)
		return false;
	sl_endpoint_format_name(url->host, url->port, url->name);
	return true;
}

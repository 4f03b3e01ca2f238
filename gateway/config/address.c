/* address.c: text to host and port. Names are not looked up here: that can
 * block, and what a name means changes while the gateway runs. */
#include "gateway/config/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define MAX_HOST 253

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *parse_port(const char *text, uint16_t *out_port)
{
	uint32_t port = 0;
	size_t len = strlen(text);

	if (len == 0)
		return "has no port";
	for (size_t i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return "has a port that is not a number";
		if (i < 6)
			port = port * 10 + (uint32_t)(text[i] - '0');
	}
	if (len > 5 || port < 1 || port > 65535)
		return "has a port outside 1 to 65535";
	*out_port = (uint16_t)port;
	return NULL;
}

/* A name of letters, digits, '-', '_' and '.', no empty label. */
static bool is_name(const char *host)
{
	char last = '.';
	bool letter = false;

	for (const char *c = host; *c; last = *c++) {
		bool alpha = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z');

		if (!alpha && !is_digit(*c) && *c != '-' && *c != '_' && *c != '.')
			return false;
		if (*c == '.' && last == '.')
			return false;
		letter |= alpha;
	}
	return letter;
}

const char *conf_host_problem(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (strlen(host) > MAX_HOST)
		return "has an over-long host";
	if (inet_pton(AF_INET, host, &v4) == 1 || inet_pton(AF_INET6, host, &v6) == 1)
		return NULL;
	if (strchr(host, ':'))
		return "is not a valid IPv6 address";
	return is_name(host) ? NULL : "is not a host name or an IP address";
}

/* One spelling per address, so that equal ones compare equal. */
static char *canonical_host(struct conf_arena *a, const char *host)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	char *copy;

	if (inet_pton(AF_INET6, host, &v6) == 1 && inet_ntop(AF_INET6, &v6, text, sizeof(text)))
		return conf_strndup(a, text, strlen(text));
	copy = conf_strndup(a, host, strlen(host));
	for (char *c = copy; *c; c++) {
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	}
	return copy;
}

/* Cuts "[::1]:80" or "name:80" into two; the host is "" for a lone port. */
static const char *split(char *text, const char **out_host, const char **out_port)
{
	char *colon = strrchr(text, ':');
	char *close = strchr(text, ']');

	*out_host = "";
	*out_port = text;
	if (text[0] == '[') {
		if (!close)
			return "has no closing bracket";
		if (close[1] != ':')
			return close[1] ? "has text behind its bracket" : "has no port";
		*close = '\0';
		*out_host = text + 1;
		*out_port = close + 2;
		return inet_pton(AF_INET6, text + 1, &(struct in6_addr){ 0 }) == 1
		               ? NULL
		               : "is not a valid IPv6 address";
	}
	if (strstr(text, "://"))
		return "is a URL, not an address";
	if (!colon)
		return NULL;
	if (strchr(text, ':') != colon)
		return "looks like an IPv6 address without brackets";
	*colon = '\0';
	*out_host = text;
	*out_port = colon + 1;
	return *text ? NULL : "has no host before the colon";
}

static bool is_number(const char *text)
{
	return *text && strspn(text, "0123456789") == strlen(text);
}

const char *conf_address_parse(struct conf_arena *a, const char *text,
                               struct sl_addr_conf *out_addr)
{
	char *copy = conf_strndup(a, text, strlen(text));
	const char *host, *port_text;
	const char *problem = split(copy, &host, &port_text);
	uint16_t port;

	if (problem)
		return problem;
	if (*host == '\0' && !is_number(port_text))
		return conf_host_problem(port_text) ? "is not an address" : "has no port";
	problem = parse_port(port_text, &port);
	if (problem)
		return problem;
	if (strcmp(host, "*") == 0)
		host = "";
	if (*host)
		problem = conf_host_problem(host);
	if (problem)
		return problem;
	out_addr->host = canonical_host(a, host);
	out_addr->port = port;
	return NULL;
}

void conf_address_write(FILE *out, const struct sl_addr_conf *addr)
{
	if (*addr->host == '\0')
		fprintf(out, "*:%u", addr->port);
	else if (strchr(addr->host, ':'))
		fprintf(out, "[%s]:%u", addr->host, addr->port);
	else
		fprintf(out, "%s:%u", addr->host, addr->port);
}

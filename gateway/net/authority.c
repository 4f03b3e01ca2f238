/* authority.c: see authority.h. */
#include "gateway/net/authority.h"

#define PORT_DIGITS 5

static bool read_port(struct sl_span text, uint16_t *out_port)
{
	uint32_t port = 0;

	if (text.len > PORT_DIGITS)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.ptr[i] < '0' || text.ptr[i] > '9')
			return false;
		port = 10 * port + (uint32_t)(text.ptr[i] - '0');
	}
	if (port < 1 || port > UINT16_MAX)
		return false;
	*out_port = (uint16_t)port;
	return true;
}

bool sl_authority_split(struct sl_span text, char *out_host, size_t size, uint16_t *out_port)
{
	bool brackets = text.len && text.ptr[0] == '[';
	const char *host = text.ptr + brackets, *end = text.ptr + text.len;
	const char *stop = text.len ? memchr(text.ptr, brackets ? ']' : ':', text.len) : NULL;
	const char *rest = stop ? stop + brackets : end; /* "" or ":PORT" */
	size_t len = (size_t)((stop ? stop : end) - host);
	uint16_t port = 0;

	if (!text.len || (brackets && !stop) || !len || len >= size)
		return false;
	if (rest < end &&
	    (*rest != ':' || !read_port(sl_span(rest + 1, (size_t)(end - rest - 1)), &port)))
		return false;
	memcpy(out_host, host, len);
	out_host[len] = '\0';
	*out_port = port;
	return true;
}

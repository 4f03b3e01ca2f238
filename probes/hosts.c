/* hosts.c: the addresses that a hosts file has for a name: lines of an address
 * and names, '#' begins a comment. Lines that are something else are skipped,
 * as they are by the C library. */
#include <arpa/inet.h>
#include <netinet/in.h>

#include "sluice/dns.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct sl_span take_word(struct sl_span *line)
{
	struct sl_span word;

	while (line->len && is_blank(*line->ptr)) {
		line->ptr++;
		line->len--;
	}
	word = sl_span(line->ptr, 0);
	while (line->len && !is_blank(*line->ptr)) {
		line->ptr++;
		line->len--;
		word.len++;
	}
	return word;
}

static struct sl_span take_line(struct sl_span *text)
{
	const char *newline = memchr(text->ptr, '\n', text->len);
	size_t len = newline ? (size_t)(newline - text->ptr) : text->len;
	struct sl_span line = sl_span(text->ptr, len);
	const char *comment = memchr(line.ptr, '#', len);

	text->ptr += len + (newline != NULL);
	text->len -= len + (newline != NULL);
	if (comment)
		line.len = (size_t)(comment - line.ptr);
	return line;
}

static bool is_address(struct sl_span word, char out[SL_DNS_ADDRESS_MAX])
{
	uint8_t binary[sizeof(struct in6_addr)];
	int family = memchr(word.ptr, ':', word.len) ? AF_INET6 : AF_INET;

	if (word.len >= SL_DNS_ADDRESS_MAX)
		return false;
	memcpy(out, word.ptr, word.len);
	out[word.len] = '\0';
	return inet_pton(family, out, binary) == 1 &&
	       inet_ntop(family, binary, out, SL_DNS_ADDRESS_MAX);
}

static bool has_word(struct sl_span line, struct sl_span wanted)
{
	struct sl_span word;

	while ((word = take_word(&line)).len)
		if (sl_span_ieq(word, wanted))
			return true;
	return false;
}

uint32_t sl_hosts_find(struct sl_span text, const char *name,
                       void (*fn)(void *ctx, const char *address), void *ctx)
{
	struct sl_span wanted = sl_span_str(name);
	uint32_t n = 0;

	while (text.len) {
		struct sl_span line = take_line(&text);
		struct sl_span word = take_word(&line);
		char address[SL_DNS_ADDRESS_MAX];

		if (!word.len || !is_address(word, address) || !has_word(line, wanted))
			continue;
		fn(ctx, address);
		n++;
	}
	return n;
}

/* shape_address.c: the three places an address can stand, which differ in
 * what a port alone means, and the URL of a gateway. */
#include "gateway/config/address.h"
#include "gateway/config/table.h"

#define ADDRESS "an address such as 8080, 127.0.0.1:8080, [::1]:8080 or host:8080"

static bool read_address(const struct conf_reader *reader, const struct conf_word *word,
                         struct sl_addr_conf *out_addr)
{
	const char *problem = conf_address_parse(reader->arena, word->text, out_addr);

	if (problem)
		conf_mismatch(reader, word, problem);
	return !problem;
}

static bool read_listen(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	return read_address(reader, word, field);
}

static bool read_admin(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	struct sl_addr_conf *addr = field, read;

	if (conf_find_word(reader->directive, word->text) >= 0) {
		addr->host = conf_strndup(reader->arena, "", 0);
		addr->port = 0;
		return true;
	}
	if (!read_address(reader, word, &read))
		return false;
	/* Only `*` opens it to the network. */
	if (*read.host == '\0' && word->text[0] != '*')
		read.host = conf_strndup(reader->arena, "127.0.0.1", 9);
	*addr = read;
	return true;
}

static bool read_server(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	struct sl_addr_conf addr;

	if (!read_address(reader, word, &addr))
		return false;
	if (*addr.host == '\0') {
		conf_mismatch(reader, word, "has no host");
		return false;
	}
	*(struct sl_addr_conf *)field = addr;
	return true;
}

static bool write_address(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_addr_conf *addr = field;

	if (addr->port == 0)
		fputs(d->words[0], out);
	else
		conf_address_write(out, addr);
	return true;
}

const struct conf_shape conf_shape_listen = { "ADDRESS", ADDRESS, NULL, read_listen,
	                                      write_address };
const struct conf_shape conf_shape_admin = { "ADDRESS", ADDRESS, NULL, read_admin, write_address };
const struct conf_shape conf_shape_server = {
	"ADDRESS", "an address such as 127.0.0.1:8000, [::1]:8000 or host:8000", NULL, read_server,
	write_address
};

/* ---- a gateway's URL -------------------------------------------------- */

static const struct scheme {
	const char *text;
	uint16_t port;
	enum sl_upstream_protocol protocol;
} schemes[] = {
	{ "http://", 80, SL_UP_H2C },
	{ "https://", 443, SL_UP_H2_TLS },
};

static const struct scheme *find_scheme(const char *text)
{
	for (size_t i = 0; i < SL_COUNT(schemes); i++)
		if (strncmp(text, schemes[i].text, strlen(schemes[i].text)) == 0)
			return &schemes[i];
	return NULL;
}

/* The port may be left out; a path may not be there, since requests keep theirs. */
static const char *parse_authority(struct conf_arena *a, const char *text, uint16_t port,
                                   struct sl_addr_conf *out_addr)
{
	size_t len = strcspn(text, "/?#@");
	char *authority = conf_strndup(a, text, len);
	const char *bracket = strrchr(authority, ']');

	if (text[len] == '@')
		return "has a user in it ('api_key' stands in the block)";
	if (text[len] && strcmp(text + len, "/") != 0)
		return "has a path";
	if (len == 0)
		return "has no host";
	if (!strchr(bracket ? bracket : authority, ':'))
		authority = conf_sprintf(a, "%s:%u", authority, port);
	return conf_address_parse(a, authority, out_addr);
}

static bool read_gateway(const struct conf_reader *reader, const struct conf_word *word,
                         void *field)
{
	struct sl_pool_conf *pool = field;
	const struct scheme *scheme = find_scheme(word->text);
	struct sl_server_conf server = { .max_concurrent = 0 };
	const char *problem = "has no http:// or https:// in front";

	if (scheme)
		problem = parse_authority(reader->arena, word->text + strlen(scheme->text),
		                          scheme->port, &server.addr);
	if (!problem && *server.addr.host == '\0')
		problem = "has no host";
	if (problem) {
		conf_mismatch(reader, word, problem);
		return false;
	}
	pool->name = conf_strndup(reader->arena, "gateway", 7);
	pool->protocol = scheme->protocol;
	pool->servers = conf_alloc(reader->arena, sizeof(*pool->servers));
	pool->servers[0] = server;
	pool->n_servers = 1;
	return true;
}

static bool write_gateway(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_pool_conf *pool = field;
	bool tls = pool->protocol == SL_UP_H2_TLS || pool->protocol == SL_UP_H1_TLS;

	(void)d;
	if (pool->n_servers == 0)
		return false;
	fputs(tls ? "https://" : "http://", out);
	conf_address_write(out, &pool->servers[0].addr);
	return true;
}

const struct conf_shape conf_shape_gateway = { "URL",
	                                       "a URL such as https://sluice.eu-north.example:8443",
	                                       NULL, read_gateway, write_gateway };

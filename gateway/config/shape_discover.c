/* shape_discover.c: where engines are found: kubernetes, file:PATH,
 * dns:NAME:PORT, srv:NAME; and who is asked for names. */
#include "gateway/config/address.h"
#include "gateway/config/table.h"

static const char *const prefixes[] = {
	[SL_DISCOVER_FILE] = "file:",
	[SL_DISCOVER_DNS] = "dns:",
	[SL_DISCOVER_SRV] = "srv:",
	[SL_DISCOVER_KUBERNETES] = "kubernetes",
};

static const char *parse_file(const struct conf_reader *reader, const struct conf_word *word,
                              const char *text, struct sl_discover_target *target)
{
	const char *slash = strrchr(text, '/'), *pattern = strpbrk(text, "*?[");

	if (*text == '\0' || (slash && slash[1] == '\0'))
		return "names no file";
	if (slash && pattern && pattern < slash)
		return "has a pattern in the name of a folder; only the file's may have one";
	target->name = conf_source_resolve(reader->arena, word->at.source, text);
	return NULL;
}

static const char *parse_dns(struct conf_arena *a, const char *text,
                             struct sl_discover_target *target)
{
	struct sl_addr_conf addr;
	const char *problem = conf_address_parse(a, text, &addr);

	if (problem)
		return problem;
	if (*addr.host == '\0')
		return "names no host";
	target->name = addr.host;
	target->port = addr.port;
	return NULL;
}

/* Labels may begin with an underscore here, which no host's name may. */
static const char *parse_srv(struct conf_arena *a, const char *text,
                             struct sl_discover_target *target)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                              "0123456789-_.";
	size_t len = strlen(text);

	if (len == 0 || len > 253 || strspn(text, allowed) != len)
		return "is not the name of a service, such as srv:_http._tcp.engines.internal";
	target->name = conf_strndup(a, text, len);
	return NULL;
}

static const char *parse_target(const struct conf_reader *reader, const struct conf_word *word,
                                struct sl_discover_target *target)
{
	size_t kind = 0;
	const char *text;

	while (kind < SL_COUNT(prefixes) &&
	       strncmp(word->text, prefixes[kind], strlen(prefixes[kind])) != 0)
		kind++;
	if (kind == SL_COUNT(prefixes))
		return "is no source of engines";
	text = word->text + strlen(prefixes[kind]);
	*target = (struct sl_discover_target){ .kind = (enum sl_discover_kind)kind, .name = "" };
	switch (target->kind) {
	case SL_DISCOVER_FILE:
		return parse_file(reader, word, text, target);
	case SL_DISCOVER_DNS:
		return parse_dns(reader->arena, text, target);
	case SL_DISCOVER_SRV:
		return parse_srv(reader->arena, text, target);
	case SL_DISCOVER_KUBERNETES:
		return *text ? "is no source of engines" : NULL;
	}
	return NULL;
}

static bool read_discover(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	struct sl_discover_target target;
	const char *problem = parse_target(reader, word, &target);

	if (problem)
		conf_mismatch(reader, word, problem);
	else
		*(struct sl_discover_target *)field = target;
	return !problem;
}

static bool write_discover(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_discover_target *target = field;
	const struct sl_addr_conf addr = { target->name, target->port };

	(void)d;
	fputs(prefixes[target->kind], out);
	if (target->kind == SL_DISCOVER_DNS)
		conf_address_write(out, &addr);
	else
		fputs(target->name, out);
	return true;
}

const struct conf_shape conf_shape_discover = { "SOURCE",
	                                        "kubernetes, file:PATH, dns:NAME:PORT or srv:NAME",
	                                        NULL, read_discover, write_discover };

/* ---- name servers ----------------------------------------------------- */

/* A name would have to be looked up by the server that it names. */
static const char *parse_resolver(struct conf_arena *a, const char *text, struct sl_addr_conf *out)
{
	const char *bare =
	        *text != '[' && (!strchr(text, ':') || !sl_host_is_name(text)) ? text : NULL;
	const char *problem;

	if (bare && sl_host_is_name(bare))
		return "is not an IP address";
	if (bare)
		text = conf_sprintf(a, strchr(bare, ':') ? "[%s]:53" : "%s:53", bare);
	else if (*text == '[' && text[strlen(text) - 1] == ']')
		text = conf_sprintf(a, "%s:53", text);
	problem = conf_address_parse(a, text, out);
	if (!problem && (*out->host == '\0' || sl_host_is_name(out->host)))
		problem = "is not an IP address";
	return problem;
}

static bool read_resolver(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	struct sl_addr_conf addr;
	const char *problem = parse_resolver(reader->arena, word->text, &addr);

	if (problem)
		conf_mismatch(reader, word, problem);
	else
		*(char **)field =
		        conf_sprintf(reader->arena, strchr(addr.host, ':') ? "[%s]:%u" : "%s:%u",
		                     addr.host, addr.port);
	return !problem;
}

/* Only ever in a list, whose words are written as they are. */
const struct conf_shape conf_shape_resolver = { "ADDRESS",
	                                        "a name server's address such as 10.0.0.2, "
	                                        "10.0.0.2:5353 or [fd00::2]:53",
	                                        NULL, read_resolver, NULL };

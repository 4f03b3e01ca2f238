/* shape_redis.c: redis://HOST[:PORT][/DATABASE]. Who connects stands in the
 * block, where a password is never shown. */
#include "gateway/config/address.h"
#include "gateway/config/table.h"

#define DEFAULT_PORT "6379"
#define MAX_DATABASE 65535
#define SCHEME "redis://"

static const char *parse_database(const char *text, uint32_t *out_db)
{
	uint64_t db;

	if (*text == '\0') {
		*out_db = 0;
		return NULL;
	}
	if (conf_units_parse(&conf_counts, text, &db) || db > MAX_DATABASE)
		return "has a database that is not a number from 0 to 65535";
	*out_db = (uint32_t)db;
	return NULL;
}

/* The port may be left out, which no other address allows. */
static const char *parse_host(struct conf_arena *a, const char *text, struct sl_addr_conf *out_addr)
{
	const char *colon = strrchr(text, ':'), *bracket = strrchr(text, ']');
	bool has_port = colon && (!bracket || colon > bracket);
	const char *problem;

	if (*text == '\0')
		return "has no host";
	problem = conf_address_parse(a, has_port ? text : conf_sprintf(a, "%s:" DEFAULT_PORT, text),
	                             out_addr);
	return !problem && *out_addr->host == '\0' ? "has no host" : problem;
}

static const char *parse_url(struct conf_arena *a, const char *text, struct sl_redis_url *out_url)
{
	struct sl_redis_url url;
	const char *problem, *slash;
	char *host;

	if (strncmp(text, "rediss://", 9) == 0)
		return "asks for TLS, which this build's Redis client cannot do; connect through a "
		       "local TLS tunnel (stunnel, an Envoy or HAProxy beside the gateway)";
	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return "is not a redis:// URL";
	text += strlen(SCHEME);
	if (strchr(text, '@'))
		return "names a user or a password; they belong in the block, as user and password";
	if (strpbrk(text, "?#"))
		return "has options, of which there are none";
	slash = strchr(text, '/');
	host = conf_strndup(a, text, slash ? (size_t)(slash - text) : strlen(text));
	problem = parse_host(a, host, &url.addr);
	if (!problem)
		problem = parse_database(slash ? slash + 1 : "", &url.db);
	if (!problem)
		*out_url = url;
	return problem;
}

static bool read_redis(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	const char *problem = parse_url(reader->arena, word->text, field);

	if (problem && strchr(word->text, '@'))
		conf_complain(reader->report, &word->at, NULL, "%s: the URL %s",
		              reader->directive->name, problem);
	else if (problem)
		conf_mismatch(reader, word, problem);
	return !problem;
}

static bool write_redis(FILE *out, const struct conf_directive *d, const void *field)
{
	const struct sl_redis_url *url = field;

	(void)d;
	fputs(SCHEME, out);
	conf_address_write(out, &url->addr);
	fprintf(out, "/%u", url->db);
	return true;
}

const struct conf_shape conf_shape_redis = { "URL", "a URL such as redis://10.0.0.5:6379/0", NULL,
	                                     read_redis, write_redis };

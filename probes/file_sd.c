/* file_sd.c: Prometheus's file_sd JSON: groups of targets and their labels.
 *
 * As strict as Prometheus, so that one file serves both: a list of objects with
 * `targets` and `labels` and nothing else, all values strings. Labels that mean
 * something here may carry the prefix __meta_sluice_, which Prometheus keeps
 * out of its series and which then counts before the bare name; labels of other
 * names are for others. The first mistake ends the reading: half a fleet is
 * worse than yesterday's. */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

#include "sluice/config.h"

#define PREFIX "__meta_sluice_"
#define MAX_HOST 253
#define SHOWN 80 /* of a text that is wrong */

struct reading {
	struct sl_server_set *set;
	uint32_t entry, target; /* from 1; target 0: the entry as a whole */
	char *error;
	size_t error_size;
};

static bool SL_PRINTF(2, 3) refuse(struct reading *r, const char *fmt, ...)
{
	size_t len = 0;
	va_list args;

	if (r->entry)
		len = (size_t)snprintf(r->error, r->error_size, "entry %u%s", r->entry,
		                       r->target ? "" : ": ");
	if (r->target && len < r->error_size)
		len += (size_t)snprintf(r->error + len, r->error_size - len,
		                        ", target %u: ", r->target);
	va_start(args, fmt);
	if (len < r->error_size)
		vsnprintf(r->error + len, r->error_size - len, fmt, args);
	va_end(args);
	return false;
}

/* ---- labels ---------------------------------------------------------- */

static bool read_number(const char *text, uint32_t max, uint32_t *out_number)
{
	uint64_t n = 0;

	if (!*text || strspn(text, "0123456789") != strlen(text) || strlen(text) > 9)
		return false;
	for (; *text; text++)
		n = n * 10 + (uint64_t)(*text - '0');
	if (n < 1 || n > max)
		return false;
	*out_number = (uint32_t)n;
	return true;
}

static const char *set_role(struct sl_server_conf *server, const char *value)
{
	static const char *const words[] = {
		[SL_ROLE_BOTH] = "both", [SL_ROLE_PREFILL] = "prefill", [SL_ROLE_DECODE] = "decode"
	};

	for (size_t k = 0; k < SL_COUNT(words); k++) {
		if (strcmp(words[k], value) != 0)
			continue;
		server->found.role = (enum sl_role)k;
		server->found.has_role = true;
		return NULL;
	}
	return "is not both, prefill or decode";
}

static const char *set_engine(struct sl_server_conf *server, const char *value)
{
	for (int k = 0; k < SL_ENGINE_KIND_COUNT; k++) {
		if (strcmp(sl_engine_kind_name((enum sl_engine_kind)k), value) != 0)
			continue;
		sl_server_set_text(&server->found.engine, sl_span_str(value));
		return NULL;
	}
	return "is no engine that 'engine' knows";
}

static const char *set_metrics_port(struct sl_server_conf *server, const char *value)
{
	uint32_t port;

	if (!read_number(value, 65535, &port))
		return "is not a port";
	server->found.metrics_port = (uint16_t)port;
	return NULL;
}

static const char *set_max_concurrent(struct sl_server_conf *server, const char *value)
{
	return read_number(value, 1048576, &server->max_concurrent)
	               ? NULL
	               : "is not a number from 1 to 1048576";
}

static const struct label {
	const char *name;
	const char *(*set)(struct sl_server_conf *server, const char *value); /* or what is wrong */
	size_t text; /* the string to fill in where there is no set */
} labels[] = {
	{ "role", set_role, 0 },
	{ "engine", set_engine, 0 },
	{ "metrics_port", set_metrics_port, 0 },
	{ "max_concurrent", set_max_concurrent, 0 },
	{ "model", NULL, offsetof(struct sl_server_conf, found.model) },
	{ "kv_group", NULL, offsetof(struct sl_server_conf, found.kv_group) },
	{ "node", NULL, offsetof(struct sl_server_conf, found.node) },
	{ "gpus", NULL, offsetof(struct sl_server_conf, found.gpus) },
};

/* The value that counts: the prefixed label's, else the bare one's; an empty one
 * is as good as none, as everywhere in Prometheus. */
static const char *label_value(const cJSON *group, const char *name)
{
	char prefixed[64];
	const char *value;

	snprintf(prefixed, sizeof(prefixed), PREFIX "%s", name);
	value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(group, prefixed));
	if (!value)
		value = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(group, name));
	return value && *value ? value : NULL;
}

static bool read_labels(struct reading *r, const cJSON *group, struct sl_server_conf *server)
{
	for (size_t k = 0; k < SL_COUNT(labels); k++) {
		const char *value = label_value(group, labels[k].name), *problem;

		if (!value)
			continue;
		if (!labels[k].set) {
			sl_server_set_text((char **)(void *)((char *)server + labels[k].text),
			                   sl_span_str(value));
			continue;
		}
		problem = labels[k].set(server, value);
		if (problem)
			return refuse(r, "label %s: '%.*s' %s", labels[k].name, SHOWN, value,
			              problem);
	}
	return true;
}

static bool check_labels(struct reading *r, const cJSON *group)
{
	const cJSON *label;

	if (group && !cJSON_IsObject(group))
		return refuse(r, "labels is not an object");
	cJSON_ArrayForEach(label, group) if (!cJSON_IsString(label)) return refuse(
	        r, "label %.*s: is not a string", SHOWN, label->string);
	return true;
}

/* ---- targets --------------------------------------------------------- */

bool sl_host_is_name(const char *host)
{
	struct in6_addr v6;
	struct in_addr v4;

	return inet_pton(AF_INET, host, &v4) != 1 && inet_pton(AF_INET6, host, &v6) != 1;
}

/* Letters, digits, '-', '_' and '.', no empty label; a letter, for a name of
 * digits is a mistyped address. */
static bool is_name(const char *host)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
	static const char others[] = "0123456789-.";

	for (const char *c = host; *c; c++)
		if (!strchr(letters, *c) && !strchr(others, *c))
			return false;
	return *host != '.' && !strstr(host, "..") && strpbrk(host, letters) &&
	       strlen(host) <= MAX_HOST;
}

/* Cuts `text` in two, in place. What is wrong with it, or NULL. */
static const char *split_target(char *text, char **out_host, char **out_port)
{
	char *colon = strrchr(text, ':');
	char *close = strchr(text, ']');

	if (strstr(text, "://") || strchr(text, '/'))
		return "is a URL, not HOST:PORT";
	if (*text == '[') {
		if (!close || close[1] != ':')
			return close ? "has no port" : "has no closing bracket";
		*close = '\0';
		*out_host = text + 1;
		*out_port = close + 2;
		return strchr(text, ':') ? NULL : "is no IPv6 address in its brackets";
	}
	if (!colon)
		return "has no port";
	if (strchr(text, ':') != colon)
		return "looks like an IPv6 address without brackets";
	*colon = '\0';
	*out_host = text;
	*out_port = colon + 1;
	return NULL;
}

/* One spelling for each address, so that equal ones are equal. */
static const char *canonical_host(char *host, char *out, size_t size)
{
	struct in6_addr v6;

	if (inet_pton(AF_INET6, host, &v6) == 1) {
		inet_ntop(AF_INET6, &v6, out, (socklen_t)size);
		return NULL;
	}
	if (strchr(host, ':'))
		return "is not a valid IPv6 address";
	if (sl_host_is_name(host) && !is_name(host))
		return *host ? "has a host that is no name and no IP address" : "has no host";
	snprintf(out, size, "%s", host);
	for (char *c = out; *c; c++)
		if (*c >= 'A' && *c <= 'Z')
			*c |= 0x20;
	return NULL;
}

static const char *parse_target(const char *text, char *host, size_t host_size, uint16_t *out_port)
{
	char copy[MAX_HOST + 16];
	char *name, *port_text;
	const char *problem;
	uint32_t port;

	if (strlen(text) >= sizeof(copy))
		return "is too long";
	snprintf(copy, sizeof(copy), "%s", text);
	problem = split_target(copy, &name, &port_text);
	if (problem)
		return problem;
	if (!read_number(port_text, 65535, &port))
		return "has a port that is not from 1 to 65535";
	*out_port = (uint16_t)port;
	return canonical_host(name, host, host_size);
}

static bool read_target(struct reading *r, const cJSON *target, const cJSON *group)
{
	const char *text = cJSON_GetStringValue(target);
	char host[MAX_HOST + 16], id[MAX_HOST + 32];
	const char *problem;
	uint16_t port;

	if (!text)
		return refuse(r, "is not a string");
	problem = parse_target(text, host, sizeof(host), &port);
	if (problem)
		return refuse(r, "'%.*s' %s", SHOWN, text, problem);
	if (r->set->n == SL_MAX_ENDPOINTS)
		return refuse(r, "there are more than %u targets", SL_MAX_ENDPOINTS);
	snprintf(id, sizeof(id), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	return read_labels(r, group,
	                   sl_server_set_add(r->set, sl_span_str(host), port, sl_span_str(id)));
}

/* ---- entries --------------------------------------------------------- */

static bool check_fields(struct reading *r, const cJSON *entry)
{
	const cJSON *field;

	if (!cJSON_IsObject(entry))
		return refuse(r, "is not an object with targets and labels");
	cJSON_ArrayForEach(field, entry) if (strcmp(field->string, "targets") != 0 &&
	                                     strcmp(field->string, "labels") !=
	                                             0) return refuse(r,
	                                                              "unknown field '%.*s'; "
	                                                              "expected targets and labels",
	                                                              SHOWN, field->string);
	return true;
}

static bool read_entry(struct reading *r, const cJSON *entry)
{
	const cJSON *targets, *group, *target;

	r->target = 0;
	if (!check_fields(r, entry))
		return false;
	targets = cJSON_GetObjectItemCaseSensitive(entry, "targets");
	group = cJSON_GetObjectItemCaseSensitive(entry, "labels");
	if (!cJSON_IsArray(targets))
		return refuse(r, "targets is not a list of strings");
	if (!check_labels(r, group))
		return false;
	cJSON_ArrayForEach(target, targets)
	{
		r->target++;
		if (!read_target(r, target, group))
			return false;
	}
	return true;
}

static uint32_t line_of(const char *text, const char *at)
{
	uint32_t line = 1;

	for (; text < at; text++)
		line += *text == '\n';
	return line;
}

static bool read_list(struct reading *r, const cJSON *list)
{
	const cJSON *entry;

	if (!cJSON_IsArray(list))
		return refuse(r, "is not a list of entries with targets and labels");
	cJSON_ArrayForEach(entry, list)
	{
		r->entry++;
		if (!read_entry(r, entry))
			return false;
	}
	return true;
}

bool sl_file_sd_parse(const char *json, struct sl_server_set *set, char *error, size_t error_size)
{
	struct reading r = { .set = set, .error = error, .error_size = error_size };
	const char *end = json;
	cJSON *list = cJSON_ParseWithLengthOpts(json, strlen(json) + 1, &end, true);
	bool ok;

	if (!list)
		return refuse(&r, "line %u: is not valid JSON", line_of(json, end));
	ok = read_list(&r, list);
	cJSON_Delete(list);
	if (ok)
		sl_server_set_unique(set);
	return ok;
}

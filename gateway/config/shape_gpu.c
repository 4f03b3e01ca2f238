/* shape_gpu.c: where GPUs' exporters are, and what XIDs mean. */
#include "gateway/config/address.h"
#include "gateway/config/table.h"
#include "sluice/gpu.h"

#define SCHEME "http://"
#define MAX_XID 99999
#define MAX_GPUS 4096

/* Each stands for a host; "h" is one, to see whether the rest is well. */
static char *without_placeholders(struct conf_arena *a, const char *text)
{
	static const char *const names[] = { "{host}", "{node}" };
	char *out = conf_strndup(a, text, strlen(text));

	for (size_t i = 0; i < SL_COUNT(names); i++) {
		size_t len = strlen(names[i]);

		for (char *at; (at = strstr(out, names[i])) != NULL;) {
			*at = 'h';
			memmove(at + 1, at + len, strlen(at + len) + 1);
		}
	}
	return out;
}

static const char *exporter_problem(struct conf_arena *a, const char *text)
{
	struct sl_addr_conf addr;
	const char *plain, *path, *problem, *authority;

	if (strncmp(text, "https://", 8) == 0)
		return "asks for TLS, which is not spoken to exporters";
	if (strncmp(text, SCHEME, strlen(SCHEME)) != 0)
		return "is not an http:// URL";
	plain = without_placeholders(a, text + strlen(SCHEME));
	path = plain + strcspn(plain, "/");
	for (const char *at = plain; *at; at++)
		if (*at <= ' ' || *at > '~' || strchr("#\"<>\\^`{|}@", *at))
			return *at == '{' || *at == '}'
			               ? "has a placeholder other than {host} and {node}"
			               : "is no URL";
	authority = conf_strndup(a, plain, (size_t)(path - plain));
	problem = conf_address_parse(a, authority, &addr);
	if (problem)
		return problem;
	return *addr.host ? NULL : "has no host";
}

static bool read_exporter(const struct conf_reader *reader, const struct conf_word *word,
                          void *field)
{
	const char *problem = NULL;

	if (conf_find_word(reader->directive, word->text) < 0)
		problem = exporter_problem(reader->arena, word->text);
	if (problem) {
		conf_mismatch(reader, word, problem);
		return false;
	}
	*(char **)field = conf_strndup(reader->arena, word->text, strlen(word->text));
	return true;
}

static bool write_word(FILE *out, const struct conf_directive *d, const void *field)
{
	const char *text = *(char *const *)field;

	(void)d;
	if (!text || !*text)
		return false;
	conf_write_word(out, text);
	return true;
}

static bool read_gpus(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	const char *problem = NULL;

	if (*word->text == '\0')
		problem = "is empty";
	else if (strlen(word->text) > MAX_GPUS)
		problem = "is too long";
	if (problem) {
		conf_mismatch(reader, word, problem);
		return false;
	}
	*(char **)field = conf_strndup(reader->arena, word->text, strlen(word->text));
	return true;
}

static bool read_xid(const struct conf_reader *reader, const struct conf_word *word, void *field)
{
	enum sl_gpu_class class_;
	uint64_t number;

	if (!sl_gpu_class_parse(word->text, &class_) &&
	    (conf_units_parse(&conf_counts, word->text, &number) || number < 1 ||
	     number > MAX_XID)) {
		conf_mismatch(reader, word, "is neither");
		return false;
	}
	*(char **)field = conf_strndup(reader->arena, word->text, strlen(word->text));
	return true;
}

const struct conf_shape conf_shape_exporter = { "URL",
	                                        "a URL such as \"http://{host}:9400/metrics\"",
	                                        NULL, read_exporter, write_word };
const struct conf_shape conf_shape_xid = {
	"XID", "a number from 1 to 99999, or ignore, app, degraded, link or failed", NULL, read_xid,
	write_word
};
const struct conf_shape conf_shape_gpus = { "GPU,...", "UUIDs of GPUs, separated by commas", NULL,
	                                    read_gpus, write_word };

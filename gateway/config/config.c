/* config.c: files in, a published configuration or its errors out; its life
 * as a reference-counted, immutable object. */
#include "gateway/config/config.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "gateway/config/bind.h"
#include "gateway/config/check.h"
#include "gateway/config/dump.h"

/* What sl_config pointers point into. The arena holds everything, the box
 * itself excepted. */
struct box {
	struct sl_config config;
	atomic_uint refs;
	struct conf_arena arena;
	struct conf_statement *root;
};

static struct box *box_of(const struct sl_config *config)
{
	return (struct box *)((char *)(uintptr_t)config - offsetof(struct box, config));
}

static struct box *box_new(void)
{
	struct box *box = calloc(1, sizeof(*box));

	if (!box)
		abort();
	atomic_init(&box->refs, 1);
	conf_arena_init(&box->arena);
	return box;
}

static void box_free(struct box *box)
{
	conf_arena_fini(&box->arena);
	free(box);
}

/* Gives the errors out, and the box up if there are any. */
static struct sl_config *publish(struct box *box, struct conf_report *report,
                                 struct sl_config_errors *errors)
{
	errors->text = conf_report_text(report);
	errors->count = report->total;
	if (report->total == 0)
		return &box->config;
	box_free(box);
	return NULL;
}

static struct sl_config *read_source(struct box *box, struct conf_report *report,
                                     struct conf_source *source, struct sl_config_errors *errors)
{
	box->root = conf_syntax_parse(&box->arena, report, source);
	conf_bind(&box->arena, report, box->root, &box->config);
	conf_check(&box->arena, report, box->root, &box->config);
	return publish(box, report, errors);
}

static struct conf_report *new_report(struct box *box)
{
	struct conf_report *report = conf_alloc(&box->arena, sizeof(*report));

	conf_report_init(report, &box->arena);
	return report;
}

static struct sl_config *refuse(struct box *box, struct conf_report *report, const char *path,
                                const char *problem, struct sl_config_errors *errors)
{
	struct conf_place place = { .source = conf_source_new(&box->arena, path, "", 0) };

	conf_complain(report, &place, NULL, "cannot read the configuration: %s", problem);
	return publish(box, report, errors);
}

struct sl_config *sl_config_load(const char *path, struct sl_config_errors *errors)
{
	struct box *box = box_new();
	struct conf_report *report = new_report(box);
	const char *problem;
	struct conf_source *source = conf_source_read(&box->arena, path, CONF_MAX_BYTES, &problem);

	if (!source)
		return refuse(box, report, path, problem, errors);
	return read_source(box, report, source, errors);
}

struct sl_config *sl_config_parse(const char *path, const char *text, size_t len,
                                  struct sl_config_errors *errors)
{
	struct box *box = box_new();
	struct conf_report *report = new_report(box);

	if (len > CONF_MAX_BYTES)
		return refuse(box, report, path, "is too large", errors);
	return read_source(box, report, conf_source_new(&box->arena, path, text, len), errors);
}

void sl_config_errors_fini(struct sl_config_errors *errors)
{
	free(errors->text);
	*errors = (struct sl_config_errors){ 0 };
}

struct sl_config *sl_config_ref(struct sl_config *config)
{
	unsigned before = atomic_fetch_add_explicit(&box_of(config)->refs, 1, memory_order_relaxed);

	assert(before > 0);
	(void)before;
	return config;
}

void sl_config_unref(struct sl_config *config)
{
	unsigned before;

	if (!config)
		return;
	before = atomic_fetch_sub_explicit(&box_of(config)->refs, 1, memory_order_acq_rel);
	assert(before > 0);
	if (before == 1)
		box_free(box_of(config));
}

void sl_config_dump(const struct sl_config *config, FILE *out)
{
	conf_dump_inside(out, box_of(config)->root, CONF_MAIN, false);
}

/* The blocks of one kind, or the one value, as plain text (malloc): two
 * configurations agree on it if their texts are equal. */
static char *text_of(const struct sl_config *config, const struct conf_directive *d)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (!d->block)
		return conf_dump_value(d, config);
	out = open_memstream(&text, &len);
	if (!out)
		abort();
	for (const struct conf_statement *s = box_of(config)->root->first; s; s = s->next) {
		if (s->directive == d)
			conf_dump_statement(out, s, true);
	}
	if (fclose(out) != 0)
		abort();
	return text;
}

static bool differs(const struct sl_config *a, const struct sl_config *b,
                    const struct conf_directive *d)
{
	char *in_a = text_of(a, d), *in_b = text_of(b, d);
	bool same = strcmp(in_a ? in_a : "", in_b ? in_b : "") == 0;

	free(in_a);
	free(in_b);
	return !same;
}

uint32_t sl_config_restart_needed(const struct sl_config *a, const struct sl_config *b, char *buf,
                                  size_t size)
{
	const struct conf_directive *d;
	uint32_t n = 0;
	size_t len = 0;

	if (size > 0)
		*buf = '\0';
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (!(d->contexts & CONF_MAIN) || d->change != CONF_RESTART || !differs(a, b, d))
			continue;
		if (len < size)
			len += (size_t)snprintf(buf + len, size - len, "%s%s", n ? ", " : "",
			                        d->name);
		n++;
	}
	return n;
}

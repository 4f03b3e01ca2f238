/* engines_golden.c: what real engines answered (engines/ENGINE/NAME.resp, bytes of
 * the socket; NAME.txt, pages alone) goes the way of a probe: head, body, what its
 * dialect makes of it. The result is compared with engines/ENGINE.golden.
 *
 *   golden-engines FOLDER/ENGINE
 *
 * Every answer is read whole and in pieces; both readings must agree.
 * SLUICE_UPDATE_GOLDEN=1 writes the file instead. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "gateway/http/h1.h"
#include "sluice/probe.h"

#define FILE_MAX (1u << 20)

struct text {
	char *data; /* owned */
	size_t len;
};

struct answer {
	int status;
	struct text body;
	char location[256];
};

static void die(const char *what, const char *name)
{
	fprintf(stderr, "golden-engines: %s: %s\n", name, what);
	exit(1);
}

static bool read_file(const char *path, struct text *out)
{
	FILE *in = fopen(path, "rb");

	if (!in)
		return false;
	*out = (struct text){ malloc(FILE_MAX), 0 };
	if (!out->data)
		abort();
	out->len = fread(out->data, 1, FILE_MAX, in);
	fclose(in);
	return true;
}

/* ---- an answer ------------------------------------------------------- */

static void read_body(const struct text *bytes, size_t at, const struct sl_head *head,
                      const char *name, struct text *out)
{
	struct sl_h1_body body;

	sl_h1_response_body(&body, head, false);
	*out = (struct text){ malloc(bytes->len + 1), 0 };
	if (!out->data)
		abort();
	while (at < bytes->len && !body.done) {
		struct sl_span data;
		size_t used;

		if (sl_h1_body_feed(&body, bytes->data + at, bytes->len - at, &used, &data) < 0)
			die("broken body", name);
		if (data.len)
			memcpy(out->data + out->len, data.ptr, data.len);
		out->len += data.len;
		at += used;
	}
	if (!body.done)
		die("body cut short", name);
}

static void read_answer(const char *path, struct answer *out)
{
	static const struct sl_head_limits limits = { .bytes = 65536, .count = 100 };
	const struct sl_hfield *location;
	struct sl_h1_head head;
	struct text bytes;
	size_t resume = 0;
	int len;

	if (!read_file(path, &bytes))
		die("cannot be read", path);
	len = sl_h1_response(bytes.data, bytes.len, &resume, &limits, false, &head);
	if (len <= 0)
		die("broken head", path);
	*out = (struct answer){ .status = head.head.status };
	location = sl_head_find(&head.head, SL_SPAN("location"));
	if (location)
		snprintf(out->location, sizeof(out->location), "%.*s", (int)location->value.len,
		         location->value.ptr);
	read_body(&bytes, (size_t)len, &head.head, path, &out->body);
	free(bytes.data);
}

/* ---- detection ------------------------------------------------------- */

/* The file that has the answer to a path: the engine's own names of its samples. */
static bool find_answer(const char *folder, const char *path, struct answer *out)
{
	static const struct {
		const char *path, *file;
	} files[] = {
		{ "/v1/models", "v1_models" },     { "/v1/models", "models" },
		{ "/version", "version" },         { "/v2", "v2" },
		{ "/api/version", "api_version" },
	};
	char name[512];
	struct stat st;

	for (size_t i = 0; i < SL_COUNT(files); i++) {
		snprintf(name, sizeof(name), "%s/%s.resp", folder, files[i].file);
		if (strcmp(files[i].path, path) != 0 || stat(name, &st) != 0)
			continue;
		read_answer(name, out);
		return true;
	}
	snprintf(name, sizeof(name), "%s/err_404.resp", folder);
	if (stat(name, &st) != 0)
		return false;
	read_answer(name, out);
	return true;
}

static enum sl_engine_kind detect(const char *folder, FILE *out)
{
	struct sl_detect d = { 0 };
	const char *path;

	fprintf(out, "asked:");
	while ((path = sl_detect_ask(&d))) {
		struct answer answer;

		if (!find_answer(folder, path, &answer)) {
			fprintf(out, " (no sample of %s)\n", path);
			return SL_ENGINE_VLLM; /* pages alone */
		}
		fprintf(out, " %s", path);
		sl_detect_answer(&d, answer.status, sl_span(answer.body.data, answer.body.len));
		free(answer.body.data);
	}
	fprintf(out, "\nengine: %s\n", sl_engine_kind_name(d.kind));
	return d.kind;
}

/* ---- what it says ---------------------------------------------------- */

static int read_page(enum sl_engine_kind kind, const struct text *body, size_t piece,
                     struct sl_engine_page *out)
{
	struct sl_page_reader *r = sl_page_reader_new(kind);
	int err;

	for (size_t at = 0; at < body->len; at += piece)
		sl_page_reader_feed(r, body->data + at,
		                    body->len - at < piece ? body->len - at : piece);
	err = sl_page_reader_finish(r, out);
	sl_page_reader_free(r);
	return err;
}

static bool same_page(const struct sl_engine_page *a, const struct sl_engine_page *b)
{
	for (int i = 0; i < SL_SIGNAL_COUNT; i++) {
		double x = sl_engine_page_signal(a, (enum sl_signal)i);

		if (x < sl_engine_page_signal(b, (enum sl_signal)i) ||
		    x > sl_engine_page_signal(b, (enum sl_signal)i))
			return false;
	}
	return a->families == b->families;
}

static void put_page(enum sl_engine_kind kind, const struct text *body, const char *name, FILE *out)
{
	static const size_t pieces[] = { 1, 7, 1460 };
	struct sl_engine_page page, again;

	if (read_page(kind, body, FILE_MAX, &page) != 0) {
		fprintf(out, "  not a page of it\n");
		return;
	}
	for (size_t i = 0; i < SL_COUNT(pieces); i++)
		if (read_page(kind, body, pieces[i], &again) != 0 || !same_page(&page, &again))
			die("differs when it is read in pieces", name);
#define SL_SIGNAL(id, field, word, how)                                                            \
	if (page.field >= 0)                                                                       \
		fprintf(out, "  %s %.15g\n", word, page.field);
#include "sluice/signals.def"
#undef SL_SIGNAL
	fprintf(out, "  samples %u\n", page.families);
}

static void put_model(void *ctx, const struct sl_model_card *card)
{
	fprintf(ctx, "  model %s%s%s\n", card->id.ptr, card->parent.len ? " of " : "",
	        card->parent.len ? card->parent.ptr : "");
}

static void put_answer(enum sl_engine_kind kind, const char *name, const struct answer *a,
                       FILE *out)
{
	fprintf(out, "\n%s: %d, %zu bytes\n", name, a->status, a->body.len);
	if (*a->location)
		fprintf(out, "  location %s\n", a->location);
	if (a->status != 200)
		return;
	if (!strncmp(name, "metrics", 7))
		put_page(kind, &a->body, name, out);
	else if (strstr(name, "models") &&
	         sl_models_parse(a->body.data, a->body.len, put_model, out) <= 0)
		fprintf(out, "  no list of models\n");
}

/* ---- files ----------------------------------------------------------- */

static bool ends_in(const char *name, const char *ending)
{
	size_t len = strlen(name), n = strlen(ending);

	return len > n && !strcmp(name + len - n, ending);
}

static void put_file(enum sl_engine_kind kind, const char *folder, const char *name, FILE *out)
{
	struct answer answer = { .status = 200 };
	char path[512];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	if (ends_in(name, ".resp"))
		read_answer(path, &answer);
	else if (!ends_in(name, ".txt") || !read_file(path, &answer.body))
		return;
	put_answer(kind, name, &answer, out);
	free(answer.body.data);
}

static char *describe(const char *folder)
{
	struct dirent **list;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	int n = scandir(folder, &list, NULL, alphasort);
	enum sl_engine_kind kind;

	if (!out || n < 0)
		die("cannot be read", folder);
	kind = detect(folder, out);
	for (int i = 0; i < n; i++) {
		put_file(kind, folder, list[i]->d_name, out);
		free(list[i]);
	}
	free(list);
	if (fclose(out) != 0)
		abort();
	return text;
}

int main(int argc, char **argv)
{
	char path[512], *text;
	struct text golden;
	bool same;

	if (argc != 2) {
		fprintf(stderr, "usage: golden-engines FOLDER\n");
		return 2;
	}
	text = describe(argv[1]);
	snprintf(path, sizeof(path), "%s.golden", argv[1]);
	if (getenv("SLUICE_UPDATE_GOLDEN")) {
		FILE *out = fopen(path, "wb");

		if (!out || fputs(text, out) < 0 || fclose(out) != 0)
			die("cannot be written", path);
		return 0;
	}
	if (!read_file(path, &golden))
		die("is not there", path);
	same = golden.len == strlen(text) && !memcmp(golden.data, text, golden.len);
	if (!same)
		fprintf(stderr, "%s differs; now it would be:\n%s", path, text);
	free(golden.data);
	free(text);
	return !same;
}

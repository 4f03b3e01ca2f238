/* request.c: see request.h. */
#include "bench/kube/request.h"

#include <stdio.h>
#include <stdlib.h>

const char *sl_kapi_verb_name(enum sl_kapi_verb verb)
{
	static const char *const names[] = { "get",    "list",  "watch",  "create",
		                             "update", "patch", "delete", "" };

	return names[verb];
}

/* ---- parameters ------------------------------------------------------ */

static int hex(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at ? (int)(at - digits) : -1;
}

/* Bytes of the decoded text, or size if it does not fit. */
static size_t decode(const char *text, size_t len, char *out, size_t size)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size; i++) {
		char c = text[i] == '+' ? ' ' : text[i];

		if (c == '%' && i + 2 < len && hex(text[i + 1]) >= 0 && hex(text[i + 2]) >= 0) {
			c = (char)(hex(text[i + 1]) * 16 + hex(text[i + 2]));
			i += 2;
		}
		out[n++] = c;
	}
	return n;
}

bool sl_kapi_request_param(const struct sl_kapi_request *r, const char *name,
                           char out_value[SL_KAPI_PARAM_BYTES])
{
	size_t n = strlen(name);

	out_value[0] = 0;
	for (const char *at = r->query; *at;) {
		size_t len = strcspn(at, "&"), used;

		if (len > n && !strncmp(at, name, n) && at[n] == '=') {
			used = decode(at + n + 1, len - n - 1, out_value, SL_KAPI_PARAM_BYTES);
			out_value[used < SL_KAPI_PARAM_BYTES ? used : 0] = 0;
			return used < SL_KAPI_PARAM_BYTES;
		}
		at += len + (at[len] == '&');
	}
	return true;
}

bool sl_kapi_request_flag(const struct sl_kapi_request *r, const char *name)
{
	char value[SL_KAPI_PARAM_BYTES];

	return sl_kapi_request_param(r, name, value) &&
	       (!strcmp(value, "true") || !strcmp(value, "1"));
}

/* ---- the path -------------------------------------------------------- */

/* The next segment of the path, or an empty span at its end. */
static struct sl_span segment(const char **at)
{
	struct sl_span s;

	*at += **at == '/';
	s = sl_span(*at, strcspn(*at, "/"));
	*at += s.len;
	return s;
}

static bool copy(char *out, size_t size, struct sl_span text)
{
	if (text.len >= size)
		return false;
	if (text.len)
		memcpy(out, text.ptr, text.len);
	out[text.len] = 0;
	return true;
}

/* Behind the group's version: [watch/][namespaces/NS/]PLURAL[/NAME[/status]] */
static bool read_rest(struct sl_kapi_request *r, const char *at, struct sl_span group,
                      struct sl_span version, bool *out_watch)
{
	struct sl_span part = segment(&at), last;

	*out_watch = sl_span_eq(part, SL_SPAN("watch"));
	if (*out_watch)
		part = segment(&at);
	if (sl_span_eq(part, SL_SPAN("namespaces"))) {
		if (!copy(r->namespace_, sizeof(r->namespace_), segment(&at)))
			return false;
		part = segment(&at);
	}
	if (!copy(r->name, sizeof(r->name), segment(&at)))
		return false;
	last = segment(&at);
	r->status = sl_span_eq(last, SL_SPAN("status"));
	if (*at || (last.len && !r->status) || (*r->name && !*r->namespace_))
		return false;
	r->resource = sl_kapi_resource_find(group, version, part);
	return r->resource;
}

static enum sl_kapi_verb verb_of(const struct sl_kapi_request *r, bool watch)
{
	static const struct {
		const char *method;
		bool named;
		enum sl_kapi_verb verb;
	} table[] = {
		{ "GET", true, SL_KAPI_GET },      { "GET", false, SL_KAPI_LIST },
		{ "POST", false, SL_KAPI_CREATE }, { "PUT", true, SL_KAPI_UPDATE },
		{ "PATCH", true, SL_KAPI_PATCH },  { "DELETE", true, SL_KAPI_DELETE },
	};

	if (!strcmp(r->method, "GET") && (watch || (!*r->name && sl_kapi_request_flag(r, "watch"))))
		return SL_KAPI_WATCH;
	for (size_t i = 0; i < SL_COUNT(table); i++)
		if (!strcmp(table[i].method, r->method) && table[i].named == (bool)*r->name)
			return table[i].verb;
	return SL_KAPI_NO_VERB;
}

static void read_path(struct sl_kapi_request *r)
{
	const char *at = r->path;
	struct sl_span root = segment(&at), group = SL_SPAN(""), version;
	bool watch = false;

	if (sl_span_eq(root, SL_SPAN("apis")))
		group = segment(&at);
	else if (!sl_span_eq(root, SL_SPAN("api")))
		return;
	version = segment(&at);
	r->group_known = sl_kapi_group_exists(group, version);
	if (!read_rest(r, at, group, version, &watch)) {
		r->resource = NULL;
		return;
	}
	r->verb = verb_of(r, watch);
}

/* ---- the head -------------------------------------------------------- */

static bool wants_indent(const struct sl_kapi_request *r)
{
	static const char *const readers[] = { "curl", "Wget", "Mozilla/5.0" };

	for (size_t i = 0; i < SL_COUNT(readers); i++)
		if (!strncmp(r->agent, readers[i], strlen(readers[i])))
			return true;
	return sl_kapi_request_flag(r, "pretty");
}

static void copy_field(char *out, size_t size, const struct sl_head *head, const char *name)
{
	const struct sl_hfield *f = sl_head_find(head, sl_span_str(name));

	if (!f || !copy(out, size, f->value))
		*out = 0;
}

bool sl_kapi_request_read(struct sl_kapi_request *out, const struct sl_sim_conn *conn)
{
	static const struct sl_head_limits limits = { 65536, SL_MAX_HFIELDS, 65536 };
	static struct sl_h1_head head;
	struct sl_span path;
	const char *mark;
	size_t resume = 0, n;

	memset(out, 0, sizeof(*out));
	out->verb = SL_KAPI_NO_VERB;
	if (sl_h1_request(conn->raw_head.ptr, conn->raw_head.len, &resume, &limits, &head) <= 0)
		return false;
	path = head.head.path;
	mark = memchr(path.ptr, '?', path.len);
	n = mark ? (size_t)(mark - path.ptr) : path.len;
	copy_field(out->token, sizeof(out->token), &head.head, "authorization");
	copy_field(out->agent, sizeof(out->agent), &head.head, "user-agent");
	copy_field(out->content_type, sizeof(out->content_type), &head.head, "content-type");
	if (!copy(out->method, sizeof(out->method), head.head.method) ||
	    !copy(out->path, sizeof(out->path), sl_span(path.ptr, n)) ||
	    (mark && !copy(out->query, sizeof(out->query), sl_span(mark + 1, path.len - n - 1))))
		return false;
	out->indent = wants_indent(out);
	read_path(out);
	return true;
}

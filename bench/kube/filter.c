/* filter.c: see filter.h. */
#include "bench/kube/filter.h"

#include <stdio.h>
#include <stdlib.h>

bool sl_kapi_filter_read(struct sl_kapi_filter *out, struct sl_sim_conn *conn,
                         const struct sl_kapi_request *r)
{
	char text[SL_KAPI_PARAM_BYTES], wrong[SL_KAPI_WRONG_BYTES] = "a selector is too long";

	memset(out, 0, sizeof(*out));
	memcpy(out->namespace_, r->namespace_, sizeof(out->namespace_));
	if (!sl_kapi_request_param(r, "labelSelector", text) ||
	    !sl_kapi_selector_labels(&out->labels, text, wrong) ||
	    !sl_kapi_request_param(r, "fieldSelector", text) ||
	    !sl_kapi_selector_fields(&out->fields, r->resource, text, wrong)) {
		sl_kapi_answer_bad(conn, r, wrong);
		return false;
	}
	return true;
}

bool sl_kapi_filter_match(const struct sl_kapi_filter *f, const struct sl_kapi_version *v)
{
	return sl_kapi_version_in(v, sl_span_str(f->namespace_)) &&
	       sl_kapi_selector_match(&f->labels, v) &&
	       sl_kapi_selector_match_fields(&f->fields, v);
}

bool sl_kapi_number_param(struct sl_sim_conn *conn, const struct sl_kapi_request *r,
                          const char *name, int64_t *out)
{
	char text[SL_KAPI_PARAM_BYTES], wrong[SL_KAPI_WRONG_BYTES], *end;
	long long n;

	*out = 0;
	if (!sl_kapi_request_param(r, name, text) || !*text)
		return true;
	n = strtoll(text, &end, 10);
	if (*end) {
		snprintf(wrong, sizeof(wrong),
		         "strconv.ParseInt: parsing \"%.100s\": invalid syntax", text);
		sl_kapi_answer_bad(conn, r, wrong);
		return false;
	}
	*out = n;
	return true;
}

bool sl_kapi_version_param(struct sl_sim_conn *conn, const struct sl_kapi_request *r, uint64_t *out)
{
	char text[SL_KAPI_PARAM_BYTES], wrong[SL_KAPI_WRONG_BYTES], *end;

	*out = 0;
	if (!sl_kapi_request_param(r, "resourceVersion", text) || !*text)
		return true;
	*out = strtoull(text, &end, 10);
	if (!*end && text[0] != '-')
		return true;
	snprintf(wrong, sizeof(wrong),
	         "resourceVersion: Invalid value: \"%.100s\": strconv.ParseUint: parsing "
	         "\"%.100s\": invalid syntax",
	         text, text);
	sl_kapi_answer_status(conn, r, &(struct sl_kapi_status){ .code = 500, .message = wrong });
	return false;
}

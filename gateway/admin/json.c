/* json.c: strings and numbers for the admin pages. */
#include "gateway/admin/json.h"

#include <math.h>
#include <stdlib.h>

#include "gateway/telemetry/access.h"

void json_put_str(FILE *out, const char *s)
{
	struct sl_span span = sl_span_str(s);
	char *quoted;

	if (!s) {
		fputs("null", out);
		return;
	}
	quoted = malloc(6 * span.len + 2);
	if (!quoted)
		abort(); /* names out of our own configuration, or bounded ones */
	fwrite(quoted, 1, sl_json_quote(quoted, span), out);
	free(quoted);
}

void json_put_known(FILE *out, double value)
{
	if (!isfinite(value) || value < 0)
		fputs("null", out);
	else if (value == floor(value) && value < 1e15)
		fprintf(out, "%.0f", value);
	else
		fprintf(out, "%.6g", value);
}

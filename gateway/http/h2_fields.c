/* h2_fields.c: fields on their way to nghttp2. */
#include <assert.h>

#include "gateway/http/h2_session.h"

void h2_fields_add(struct h2_fields *f, struct sl_span name, struct sl_span value)
{
	uint8_t flags = f->flags;

	assert(f->n < SL_COUNT(f->nv));
	if (sl_field_unindexed(name))
		flags |= NGHTTP2_NV_FLAG_NO_INDEX;
	/* nghttp2 only reads them; its type merely does not say so */
	f->nv[f->n++] = (nghttp2_nv){
		.name = (uint8_t *)(uintptr_t)name.ptr,
		.namelen = name.len,
		.value = (uint8_t *)(uintptr_t)value.ptr,
		.valuelen = value.len,
		.flags = flags,
	};
}

void h2_fields_add_all(struct h2_fields *f, const struct sl_hfield *fields, uint32_t n)
{
	assert(n <= SL_MAX_HFIELDS);
	for (uint32_t i = 0; i < n; i++)
		if (fields[i].cls != SL_FC_HOP && fields[i].cls != SL_FC_HOST &&
		    !sl_span_ieq(fields[i].name, SL_SPAN("transfer-encoding")))
			h2_fields_add(f, fields[i].name, fields[i].value);
}

/* err.h: failure codes, negative so that a function can return one or a
 * count. Everything about a code is in err.def. */
#ifndef SLUICE_ERR_H
#define SLUICE_ERR_H

#include "sluice/base.h"

enum sl_err_index {
#define SL_ERR(name, status, type, code, text) SL_EI_##name,
#include "sluice/err.def"
#undef SL_ERR
	SL_ERR_COUNT
};

enum sl_err {
	SL_OK = 0,
#define SL_ERR(name, status, type, code, text) SL_E_##name = -1 - (int)SL_EI_##name,
#include "sluice/err.def"
#undef SL_ERR
};

struct sl_err_info {
	int status;       /* HTTP status of the gateway's own answer */
	const char *name; /* BAD_JSON */
	const char *type; /* OpenAI error.type */
	const char *code; /* OpenAI error.code, also the metric label */
	const char *text; /* one sentence for people */
};

/* The row of a negative code; never NULL (an unknown code is INTERNAL). */
static inline const struct sl_err_info *sl_err_info(int err)
{
	static const struct sl_err_info table[] = {
#define SL_ERR(name, status, type, code, text) { status, #name, type, code, text },
#include "sluice/err.def"
#undef SL_ERR
	};
	int i = -1 - err;

	if (i < 0 || i >= SL_ERR_COUNT)
		i = SL_EI_INTERNAL;
	return &table[i];
}

#endif

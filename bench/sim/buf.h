/* buf.h: a growing run of bytes, and JSON strings into it. Out of memory
 * aborts: who lets a peer choose the size bounds it first. */
#ifndef SLUICE_SIM_BUF_H
#define SLUICE_SIM_BUF_H

#include "sluice/base.h"

struct sl_sim_buf {
	char *ptr; /* owned */
	size_t len, cap;
};

void sl_sim_buf_fini(struct sl_sim_buf *b);
/* Room for so many bytes more, without moving what is there again. */
void sl_sim_buf_reserve(struct sl_sim_buf *b, size_t more);
void sl_sim_buf_add(struct sl_sim_buf *b, struct sl_span bytes);
void sl_sim_buf_str(struct sl_sim_buf *b, const char *str);
void sl_sim_buf_printf(struct sl_sim_buf *b, const char *format, ...) SL_PRINTF(2, 3);
/* A JSON string, quotes included, UTF-8 not escaped (as pydantic writes it). */
void sl_sim_buf_json(struct sl_sim_buf *b, struct sl_span text);
/* Drops the first n bytes. */
void sl_sim_buf_drop(struct sl_sim_buf *b, size_t n);

static inline struct sl_span sl_sim_buf_span(const struct sl_sim_buf *b)
{
	return sl_span(b->ptr, b->len);
}

#endif

/* fast.h: --fast: what an engine answers when only the gateway's work is to
 * be measured. The request is not parsed; the answers are made once. Pure. */
#ifndef SLUICE_SIM_FAST_H
#define SLUICE_SIM_FAST_H

#include "bench/sim/render.h"

/* The answers of one path; all zero until they are made. */
struct sl_sim_fast {
	struct sl_sim_buf whole, prefill; /* bodies */
	struct sl_sim_buf stream;         /* HTTP chunks, but for the last */
};

/* Makes them, at first need. */
void sl_sim_fast_make(struct sl_sim_fast *fast, enum sl_sim_api api, const char *fingerprint,
                      uint32_t n_tokens);
void sl_sim_fast_fini(struct sl_sim_fast *fast);

/* What a request asks for, as far as this looks at it. */
enum sl_sim_fast_kind { SL_SIM_FAST_WHOLE, SL_SIM_FAST_PREFILL, SL_SIM_FAST_STREAM };
enum sl_sim_fast_kind sl_sim_fast_kind(struct sl_span body);

#endif

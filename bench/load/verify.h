/* verify.h: is this the text that the simulated engine gives to the prompt?
 *
 * The expected words are made while the answer comes in, so nothing of it is
 * kept. Where the two part, the verifier remembers the place and what stood
 * on either side. */
#ifndef SLUICE_LOAD_VERIFY_H
#define SLUICE_LOAD_VERIFY_H

#include "bench/sim/text.h"

#define SL_VERIFY_QUOTE 24

struct sl_verify {
	struct sl_sim_text said; /* behind `token` */
	char token[SL_SIM_TOKEN_BYTES];
	uint8_t used; /* bytes of token that were compared */
	uint64_t bytes;
	bool differs;
	uint64_t differs_at; /* the byte */
	char want[SL_VERIFY_QUOTE];
	char got[SL_VERIFY_QUOTE];
	uint8_t got_len;
};

/* said: the model with the prompt read, about to answer. */
void sl_verify_init(struct sl_verify *v, const struct sl_sim_text *said);
void sl_verify_feed(struct sl_verify *v, struct sl_span text);

#endif

/* generate.h: a generation of one token, for engines that nobody asks anything.
 *
 * /health of most engines says nothing about the core that computes. Live requests
 * show that, and without them this does, now and then. Once it has failed it is
 * asked in every round, and /health alone is no good probe until it works again. */
#ifndef SLUICE_CONTROL_GENERATE_H
#define SLUICE_CONTROL_GENERATE_H

#include "gateway/control/registry.h"

/* Of one engine. All zero at first. */
struct sl_generate {
	uint64_t asked_us;
	bool failed;    /* the last one; a time-out is noted by who waits for it */
	char path[512]; /* of the question in flight */
	char body[1024];
};

/* The last one failed, and it is asked again: a pool may have stopped asking since,
 * or the engine has no model left to ask for. */
bool sl_generate_doubts(const struct sl_generate *g, const struct sl_engine *e);
/* Whether the engine is to be asked in this round, after its health was good. */
bool sl_generate_due(const struct sl_generate *g, const struct sl_engine *e, uint64_t now_us);
/* Writes the question: g's path and body. */
void sl_generate_ask(struct sl_generate *g, const struct sl_engine *e, uint64_t now_us);
/* What the status of its answer says. */
enum sl_probe_result sl_generate_answered(struct sl_generate *g, int status);

#endif

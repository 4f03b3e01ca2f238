/* prompt.h: the text that stands for a block of a trace.
 *
 * The same seed and id give the same bytes on every machine, and a shorter
 * block is the beginning of the longer one, so that requests which share
 * blocks in the trace share a prefix on the wire. Another seed is another
 * text: a run that no cache has seen. The text is UTF-8, mostly plain words,
 * with what JSON must escape strewn in (quotes, backslashes, line ends, tabs)
 * and characters of two, three and four bytes. */
#ifndef SLUICE_LOAD_PROMPT_H
#define SLUICE_LOAD_PROMPT_H

#include "sluice/base.h"

/* Well-mixed generator state from two numbers; never 0. */
struct sl_rng sl_prompt_rng(uint64_t seed, uint64_t id);

/* Writes exactly len bytes. A character that the end would cut in two is
 * replaced by full stops. */
void sl_prompt_block(uint64_t seed, uint64_t id, char *buf, size_t len);

#endif

/* recall.h: what the last turn of a request's session says about caches.
 *
 * The engine that decoded a turn holds its prompt and its answer. The prefix
 * index knows the prompt only. So where the next prompt extends the former
 * one, that engine's match is raised to where the answer ends. A recalled turn
 * corrects what is believed to be cached; it pins nothing. */
#ifndef SLUICE_ROUTING_RECALL_H
#define SLUICE_ROUTING_RECALL_H

#include "routing/state.h"

/* After index_match for the same query: raises a match, and says whom the
 * session prefers among equals (r->home). */
void recall_turn(struct sl_router *r, const struct sl_query *q, uint64_t now_us);
/* At dispatch: what the ticket must know for recall_note. */
void recall_mark(const struct sl_router *r, struct sl_ticket *t, const struct sl_query *q);
/* The request ended well with that many tokens per answer, or -1. */
void recall_note(struct sl_router *r, const struct sl_ticket *t, double answer_tokens,
                 uint64_t now_us);

#endif

/* ledger.h: what has been dispatched to one endpoint and has not ended.
 *
 * The primary signal of the cost model: exact and instant, where a scrape is
 * late. Sums are integers, so that whatever was added is taken away to the
 * last bit and an idle engine is worth exactly nothing.
 *
 * Open prefills are listed in the order of their dispatch, which is the order
 * in which engines work. The first one is taken to be running since it became
 * the first. That tells how much of the queue is done already, and when the
 * prefill of a request whose answer does not stream, and which therefore
 * never shows a first token, is over. */
#ifndef SLUICE_ROUTING_LEDGER_H
#define SLUICE_ROUTING_LEDGER_H

#include "routing/peak.h"
#include "sluice/route.h"

struct ledger {
	int64_t queue_us;        /* prefill time of open prefills */
	int64_t context_tokens;  /* K: prompt and half of the expected output */
	struct sl_ticket *first; /* open prefills, borrowed */
	uint64_t first_since_us;
	int64_t first_cost_us;  /* of `first`; 0 without one */
	uint32_t seqs;          /* B */
	uint32_t inflight;      /* tickets with a leg here */
	uint32_t prefilling;    /* of them with an open prefill */
	struct peak peak;       /* of inflight */
	struct sl_ticket *last; /* open prefills, borrowed */
};

/* A leg of a ticket begins or ends here; the other verbs come in between. */
void ledger_enter(struct ledger *l, uint64_t now_us);
void ledger_leave(struct ledger *l, uint64_t now_us);
/* Charges t->prefill_ms and links the ticket. */
void ledger_open_prefill(struct ledger *l, struct sl_ticket *t, uint64_t now_us);
void ledger_close_prefill(struct ledger *l, struct sl_ticket *t, uint64_t now_us);
/* Charges t's context and sequences. */
void ledger_open_decode(struct ledger *l, const struct sl_ticket *t);
void ledger_close_decode(struct ledger *l, const struct sl_ticket *t);

/* Q: prefill time that is still ahead. */
static inline double ledger_queue_ms(const struct ledger *l, uint64_t now_us)
{
	int64_t done = l->first_cost_us;

	if (!l->first)
		return 0;
	if (now_us < l->first_since_us + (uint64_t)done)
		done = now_us > l->first_since_us ? (int64_t)(now_us - l->first_since_us) : 0;
	return (double)(l->queue_us - done) / 1000;
}

/* The first open prefill if its end will not be seen but must be assumed by
 * now, else NULL. due_us: when that will be, UINT64_MAX for never. */
struct sl_ticket *ledger_due(const struct ledger *l, uint64_t now_us);
uint64_t ledger_due_us(const struct ledger *l);
/* The most that was in flight during the last quarter to half second: an
 * engine's own count may still contain what has just ended. */
uint32_t ledger_recent_peak(const struct ledger *l, uint64_t now_us);

#endif

/* ledger.c: see ledger.h. */
#include "routing/ledger.h"

#include <assert.h>

#include "routing/round.h"

/* From the ticket's own figures, which do not change while it is live. */
static int64_t prefill_us(const struct sl_ticket *t)
{
	return round_whole(t->prefill_ms * 1000);
}

static int64_t context_tokens(const struct sl_ticket *t)
{
	return round_whole(t->prompt_tokens + t->seqs * t->output_tokens / 2);
}

/* ---- how many -------------------------------------------------------- */

void ledger_enter(struct ledger *l, uint64_t now_us)
{
	peak_note(&l->peak, l->inflight, now_us);
	l->inflight++;
	peak_note(&l->peak, l->inflight, now_us);
}

void ledger_leave(struct ledger *l, uint64_t now_us)
{
	assert(l->inflight > 0);
	peak_note(&l->peak, l->inflight, now_us);
	l->inflight--;
}

uint32_t ledger_recent_peak(const struct ledger *l, uint64_t now_us)
{
	return peak_recent(l->peak, l->inflight, now_us);
}

/* ---- prefill --------------------------------------------------------- */

static void set_first(struct ledger *l, struct sl_ticket *t, uint64_t now_us)
{
	l->first = t;
	l->first_since_us = now_us;
	l->first_cost_us = t ? prefill_us(t) : 0;
}

void ledger_open_prefill(struct ledger *l, struct sl_ticket *t, uint64_t now_us)
{
	t->next = NULL;
	t->prev = l->last;
	if (l->last) {
		l->last->next = t;
	} else {
		set_first(l, t, now_us);
	}
	l->last = t;
	l->queue_us += prefill_us(t);
	l->prefilling++;
	t->prefill_open = true;
}

void ledger_close_prefill(struct ledger *l, struct sl_ticket *t, uint64_t now_us)
{
	assert(t->prefill_open && l->prefilling > 0);
	if (t->prev)
		t->prev->next = t->next;
	else
		set_first(l, t->next, now_us);
	if (t->next)
		t->next->prev = t->prev;
	else
		l->last = t->prev;
	t->next = t->prev = NULL;
	l->queue_us -= prefill_us(t);
	l->prefilling--;
	t->prefill_open = false;
}

uint64_t ledger_due_us(const struct ledger *l)
{
	const struct sl_ticket *t = l->first;

	if (!t || t->streamed || t->placement == SL_PLACE_REMOTE)
		return UINT64_MAX;
	return l->first_since_us + (uint64_t)l->first_cost_us;
}

struct sl_ticket *ledger_due(const struct ledger *l, uint64_t now_us)
{
	return now_us >= ledger_due_us(l) ? l->first : NULL;
}

/* ---- decode ---------------------------------------------------------- */

void ledger_open_decode(struct ledger *l, const struct sl_ticket *t)
{
	l->seqs += t->seqs;
	l->context_tokens += context_tokens(t);
}

void ledger_close_decode(struct ledger *l, const struct sl_ticket *t)
{
	assert(l->seqs >= t->seqs && l->context_tokens >= context_tokens(t));
	l->seqs -= t->seqs;
	l->context_tokens -= context_tokens(t);
}

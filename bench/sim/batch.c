/* batch.c: the scheduler. See batch.h for its rules. */
#include "bench/sim/batch.h"

#include <assert.h>
#include <stdlib.h>

static void *realloc_or_die(void *old, size_t n, size_t size)
{
	void *p = reallocarray(old, n, size);

	if (!p)
		abort();
	return p;
}

/* ---- sequences --------------------------------------------------------- */

static struct sl_sim_seq *new_seq(uint32_t n_prompt, uint32_t max_output)
{
	struct sl_sim_seq *seq = calloc(1, sizeof(*seq));

	assert(n_prompt > 0);
	if (!seq)
		abort();
	seq->n_prompt = n_prompt;
	seq->max_output = max_output;
	return seq;
}

struct sl_sim_seq *sl_sim_seq_new(const uint32_t *prompt, uint32_t n, uint32_t max_output,
                                  const struct sl_sim_text *text)
{
	struct sl_sim_seq *seq = new_seq(n, max_output);

	seq->cap_tokens = n + (max_output < 64 ? max_output : 64);
	seq->tokens = realloc_or_die(NULL, seq->cap_tokens, sizeof(*seq->tokens));
	memcpy(seq->tokens, prompt, n * sizeof(*prompt));
	seq->text = *text;
	return seq;
}

struct sl_sim_seq *sl_sim_seq_new_named(const uint64_t *names, uint32_t n_names, uint32_t n_prompt,
                                        uint32_t max_output)
{
	struct sl_sim_seq *seq = new_seq(n_prompt, max_output);

	seq->names = names;
	seq->n_names = n_names;
	return seq;
}

void sl_sim_seq_free(struct sl_sim_seq *seq)
{
	if (!seq)
		return;
	assert(seq->state == SL_SIM_SEQ_NEW || seq->state == SL_SIM_SEQ_ENDED);
	assert(seq->n_blocks == 0);
	free(seq->tokens);
	free(seq->blocks);
	free(seq);
}

uint32_t *sl_sim_seq_take_blocks(struct sl_sim_seq *seq, uint32_t *out_n)
{
	uint32_t *blocks = seq->blocks;

	assert(seq->state == SL_SIM_SEQ_ENDED);
	*out_n = seq->n_blocks;
	seq->blocks = NULL;
	seq->n_blocks = seq->cap_blocks = 0;
	return blocks;
}

static uint32_t total_tokens(const struct sl_sim_seq *seq)
{
	return seq->n_prompt + seq->n_output;
}

static void push_block(struct sl_sim_seq *seq, uint32_t block)
{
	if (seq->n_blocks == seq->cap_blocks) {
		seq->cap_blocks = seq->cap_blocks ? seq->cap_blocks * 2 : 8;
		seq->blocks = realloc_or_die(seq->blocks, seq->cap_blocks, sizeof(*seq->blocks));
	}
	seq->blocks[seq->n_blocks++] = block;
}

static void push_token(struct sl_sim_seq *seq, const char word[SL_SIM_TOKEN_BYTES])
{
	if (total_tokens(seq) == seq->cap_tokens) {
		seq->cap_tokens *= 2;
		seq->tokens = realloc_or_die(seq->tokens, seq->cap_tokens, sizeof(*seq->tokens));
	}
	memcpy(&seq->tokens[total_tokens(seq)], word, sizeof(*seq->tokens));
	seq->n_output++;
}

/* ---- lists -------------------------------------------------------------- */

static void list_remove(struct sl_sim_seq_list *list, struct sl_sim_seq *seq)
{
	if (seq->prev)
		seq->prev->next = seq->next;
	else
		list->first = seq->next;
	if (seq->next)
		seq->next->prev = seq->prev;
	else
		list->last = seq->prev;
	seq->next = seq->prev = NULL;
	list->n--;
}

static void list_append(struct sl_sim_seq_list *list, struct sl_sim_seq *seq)
{
	seq->prev = list->last;
	seq->next = NULL;
	if (list->last)
		list->last->next = seq;
	else
		list->first = seq;
	list->last = seq;
	list->n++;
}

static void list_prepend(struct sl_sim_seq_list *list, struct sl_sim_seq *seq)
{
	seq->next = list->first;
	seq->prev = NULL;
	if (list->first)
		list->first->prev = seq;
	else
		list->last = seq;
	list->first = seq;
	list->n++;
}

static struct sl_sim_seq_list *list_of(struct sl_sim_batch *b, enum sl_sim_seq_state state)
{
	switch (state) {
	case SL_SIM_SEQ_WAITING:
	case SL_SIM_SEQ_FETCHED:
		return &b->waiting;
	case SL_SIM_SEQ_FETCHING:
		return &b->fetching;
	case SL_SIM_SEQ_RUNNING:
		return &b->running;
	default:
		return NULL;
	}
}

static void count_adapter(struct sl_sim_batch *b, uint32_t adapter, bool runs)
{
	if (!adapter)
		return;
	if (runs)
		b->n_adapters += b->adapters[adapter]++ == 0;
	else
		b->n_adapters -= --b->adapters[adapter] == 0;
}

static bool adapter_fits(const struct sl_sim_batch *b, uint32_t adapter)
{
	return !adapter || b->adapters[adapter] || !b->limits.max_adapters ||
	       b->n_adapters < b->limits.max_adapters;
}

/* The one writer of seq->state. `front`: first in its new list, not last. */
static void set_state(struct sl_sim_batch *b, struct sl_sim_seq *seq, enum sl_sim_seq_state state,
                      bool front)
{
	struct sl_sim_seq_list *from = list_of(b, seq->state);
	struct sl_sim_seq_list *to = list_of(b, state);

	if (from)
		list_remove(from, seq);
	if (seq->state == SL_SIM_SEQ_FETCHED)
		b->n_fetched--;
	if (seq->state == SL_SIM_SEQ_FETCHING && !seq->told)
		b->n_untold--;
	if (seq->state == SL_SIM_SEQ_RUNNING)
		count_adapter(b, seq->adapter, false);
	if (state == SL_SIM_SEQ_RUNNING)
		count_adapter(b, seq->adapter, true);
	seq->state = state;
	if (state == SL_SIM_SEQ_FETCHED)
		b->n_fetched++;
	if (state == SL_SIM_SEQ_FETCHING)
		b->n_untold++;
	if (to && front)
		list_prepend(to, seq);
	else if (to)
		list_append(to, seq);
}

/* ---- blocks ------------------------------------------------------------- */

static uint32_t blocks_for(const struct sl_sim_batch *b, uint32_t tokens)
{
	return (tokens + b->limits.block_tokens - 1) / b->limits.block_tokens;
}

/* The end of a prompt is less likely to be asked for again than its start,
 * so it becomes free, and is lost, first. */
static void drop_blocks(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	while (seq->n_blocks)
		sl_sim_kv_unref(b->kv, seq->blocks[--seq->n_blocks]);
	seq->computed = 0;
	seq->n_published = 0;
	seq->chain = seq->salt;
}

/* Blocks for the first `tokens` tokens, all or none. */
static bool grow_blocks(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint32_t tokens)
{
	uint32_t want = blocks_for(b, tokens);

	if (want > seq->n_blocks && want - seq->n_blocks > sl_sim_kv_available(b->kv))
		return false;
	while (seq->n_blocks < want)
		push_block(seq, sl_sim_kv_alloc(b->kv));
	return true;
}

/* The hash of block i, which is full, behind `parent`. What is answered to a
 * named prompt is the same as to any equal one. */
static uint64_t name_block(const struct sl_sim_batch *b, const struct sl_sim_seq *seq, uint32_t i,
                           uint64_t parent)
{
	uint32_t size = b->limits.block_tokens;

	if (seq->tokens)
		return sl_sim_kv_chain(parent, &seq->tokens[(size_t)i * size], size);
	return i < seq->n_names ? seq->names[i] : sl_sim_kv_chain(parent, &seq->n_prompt, 1);
}

static void publish_computed(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	uint32_t size = b->limits.block_tokens;

	while ((seq->n_published + 1) * size <= seq->computed) {
		seq->chain = name_block(b, seq, seq->n_published, seq->chain);
		sl_sim_kv_publish(b->kv, seq->blocks[seq->n_published], seq->chain);
		seq->n_published++;
	}
}

/* Finds the cached prefix of a sequence without blocks and checks that the
 * first `tokens` tokens fit; takes both, or nothing. The last token is never
 * taken from the cache: its logits are needed. */
static bool place(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint32_t chunk_budget,
                  bool whole_prompt)
{
	uint32_t size = b->limits.block_tokens;
	uint32_t most = (total_tokens(seq) - 1) / size;
	uint64_t chain = seq->salt;
	uint32_t n = 0, held_by_nobody = 0, tokens, want;

	assert(seq->n_blocks == 0);
	while (n < most) {
		uint64_t next = name_block(b, seq, n, chain);
		uint32_t block = sl_sim_kv_find(b->kv, next);

		if (!block)
			break;
		push_block(seq, block);
		held_by_nobody += sl_sim_kv_is_free(b->kv, block);
		chain = next;
		n++;
	}
	tokens = total_tokens(seq);
	if (!whole_prompt && tokens - n * size > chunk_budget)
		tokens = n * size + chunk_budget;
	want = blocks_for(b, tokens) - n;
	if (want + held_by_nobody > sl_sim_kv_available(b->kv)) {
		seq->n_blocks = 0; /* none was taken yet */
		return false;
	}
	for (uint32_t i = 0; i < n; i++)
		sl_sim_kv_ref(b->kv, seq->blocks[i]);
	seq->computed = n * size;
	seq->n_published = n;
	seq->chain = chain;
	return grow_blocks(b, seq, tokens); /* they were counted: it does */
}

/* ---- steps -------------------------------------------------------------- */

void sl_sim_batch_init(struct sl_sim_batch *b, const struct sl_sim_batch_limits *limits,
                       struct sl_sim_kv *kv)
{
	assert(limits->block_tokens && limits->step_tokens && limits->max_seqs);
	*b = (struct sl_sim_batch){ .limits = *limits, .kv = kv };
	b->step = realloc_or_die(NULL, limits->max_seqs, sizeof(struct sl_sim_seq *));
}

void sl_sim_batch_fini(struct sl_sim_batch *b)
{
	assert(!b->waiting.n && !b->fetching.n && !b->running.n);
	free(b->step);
	b->step = NULL;
}

void sl_sim_batch_add(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint64_t now_us)
{
	assert(seq->state == SL_SIM_SEQ_NEW && seq->adapter <= SL_SIM_MAX_ADAPTERS);
	seq->added_us = now_us;
	seq->chain = seq->salt;
	set_state(b, seq, SL_SIM_SEQ_WAITING, false);
}

static void preempt(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	drop_blocks(b, seq);
	seq->preemptions++;
	seq->remote = false; /* what was fetched is lost: computed here now */
	b->preemptions++;
	set_state(b, seq, SL_SIM_SEQ_WAITING, true);
}

static bool decodes_next(const struct sl_sim_seq *seq)
{
	return seq->n_output > 0 && seq->computed + 1 == total_tokens(seq);
}

/* Takes a sequence into the step being planned. */
static void schedule(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint32_t chunk,
                     struct sl_sim_work *work)
{
	seq->chunk = chunk;
	seq->in_step = true;
	seq->got_token = false;
	b->step[b->n_step++] = seq;
	work->tokens += chunk;
	if (decodes_next(seq)) {
		work->decodes++;
		work->decode_context += total_tokens(seq);
	} else {
		work->prefill_tokens += chunk;
		work->prefill_square += (double)chunk * (seq->computed + chunk / 2.0);
	}
}

/* Gives a running sequence blocks for its next chunk, at the expense of
 * younger ones that are not in the step yet. False: it was preempted itself. */
static bool make_room(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint32_t tokens)
{
	while (!grow_blocks(b, seq, tokens)) {
		struct sl_sim_seq *victim = b->running.last;

		while (victim != seq && victim->in_step)
			victim = victim->prev;
		preempt(b, victim);
		if (victim == seq)
			return false;
	}
	return true;
}

/* Running sequences that decode, or those that do not. True if none had to be
 * preempted. */
static bool plan_running(struct sl_sim_batch *b, bool decoding, uint32_t *budget,
                         struct sl_sim_work *work)
{
	uint64_t before = b->preemptions;
	struct sl_sim_seq *seq, *next;

	for (seq = b->running.first; seq && *budget; seq = next) {
		uint32_t chunk = total_tokens(seq) - seq->computed;

		next = seq->next;
		if (seq->in_step || decodes_next(seq) != decoding)
			continue;
		if (chunk > *budget)
			chunk = *budget;
		if (!make_room(b, seq, seq->computed + chunk))
			break; /* it was the last that could give way */
		/* Giving way may have taken the next one off the list. */
		next = seq->next;
		schedule(b, seq, chunk, work);
		*budget -= chunk;
	}
	return b->preemptions == before;
}

static void count_admission(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	if (seq->admitted)
		return;
	seq->admitted = true;
	seq->cached_tokens = seq->computed;
	b->prefix_queries_tokens += seq->n_prompt;
	b->prefix_hits_tokens += seq->cached_tokens;
	if (seq->remote)
		b->external_queries_tokens += seq->n_prompt - seq->cached_tokens;
}

/* The head of the line begins to be fetched. False: no blocks for it. */
static bool start_fetch(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	if (!place(b, seq, 0, true))
		return false;
	count_admission(b, seq);
	seq->fetched_tokens = seq->n_prompt - seq->computed;
	seq->told = false;
	set_state(b, seq, SL_SIM_SEQ_FETCHING, false);
	return true;
}

static bool admit(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint32_t *budget, uint64_t now_us,
                  struct sl_sim_work *work)
{
	uint32_t chunk;

	if (seq->state != SL_SIM_SEQ_FETCHED && !place(b, seq, *budget, false))
		return false;
	count_admission(b, seq);
	chunk = total_tokens(seq) - seq->computed;
	if (chunk > *budget)
		chunk = *budget;
	if (!seq->ran)
		seq->scheduled_us = now_us;
	seq->ran = true;
	set_state(b, seq, SL_SIM_SEQ_RUNNING, false);
	schedule(b, seq, chunk, work);
	*budget -= chunk;
	return true;
}

/* When nothing runs, the head of the line may wait for blocks that a fetched
 * sequence behind it holds: that one goes first then, or nobody ever would. */
static struct sl_sim_seq *find_fetched(const struct sl_sim_batch *b)
{
	struct sl_sim_seq *seq = b->n_fetched ? b->waiting.first : NULL;

	while (seq && seq->state != SL_SIM_SEQ_FETCHED)
		seq = seq->next;
	return seq;
}

/* The head of the line, but for those that have to be passed by. */
static struct sl_sim_seq *find_admissible(const struct sl_sim_batch *b)
{
	struct sl_sim_seq *seq = b->waiting.first;

	while (seq && !adapter_fits(b, seq->adapter))
		seq = seq->next;
	return seq;
}

static void plan_waiting(struct sl_sim_batch *b, uint32_t budget, uint64_t now_us,
                         struct sl_sim_work *work)
{
	struct sl_sim_seq *seq;

	while (budget && (seq = find_admissible(b))) {
		bool fetch = seq->remote && seq->state != SL_SIM_SEQ_FETCHED;

		if (!fetch && b->running.n == b->limits.max_seqs)
			return;
		if (fetch ? start_fetch(b, seq) : admit(b, seq, &budget, now_us, work))
			continue;
		seq = find_fetched(b);
		if (!b->n_step && seq)
			(void)admit(b, seq, &budget, now_us, work);
		return;
	}
}

bool sl_sim_batch_begin(struct sl_sim_batch *b, uint64_t now_us, struct sl_sim_work *out_work)
{
	uint32_t budget = b->limits.step_tokens;
	struct sl_sim_work work = { 0 };
	bool room;

	assert(!b->stepping);
	b->n_step = 0;
	room = plan_running(b, true, &budget, &work);
	room &= plan_running(b, false, &budget, &work);
	if (room || !b->n_step)
		plan_waiting(b, budget, now_us, &work);
	b->stepping = b->n_step > 0;
	b->steps += b->stepping;
	*out_work = work;
	return b->stepping;
}

static void end_seq(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	if (!seq->keep || seq->aborted)
		drop_blocks(b, seq);
	set_state(b, seq, SL_SIM_SEQ_ENDED, false);
}

static void sample(struct sl_sim_seq *seq, uint64_t now_us)
{
	char word[SL_SIM_TOKEN_BYTES];

	if (seq->tokens) {
		sl_sim_text_next(&seq->text, word);
		push_token(seq, word);
	} else {
		seq->n_output++;
	}
	seq->got_token = true;
	if (seq->n_output == 1)
		seq->first_token_us = now_us;
	seq->last_token_us = now_us;
}

static void end_step_of(struct sl_sim_batch *b, struct sl_sim_seq *seq, uint64_t now_us)
{
	seq->in_step = false;
	seq->computed += seq->chunk;
	publish_computed(b, seq);
	if (seq->aborted) {
		end_seq(b, seq);
		return;
	}
	if (seq->computed < total_tokens(seq))
		return;
	if (seq->n_output < seq->max_output)
		sample(seq, now_us);
	if (seq->n_output == seq->max_output)
		end_seq(b, seq);
}

void sl_sim_batch_end(struct sl_sim_batch *b, uint64_t now_us)
{
	assert(b->stepping);
	b->stepping = false;
	for (uint32_t i = 0; i < b->n_step; i++)
		end_step_of(b, b->step[i], now_us);
}

/* ---- from outside ------------------------------------------------------- */

uint32_t sl_sim_batch_deferred(const struct sl_sim_batch *b)
{
	uint32_t n = 0;

	for (const struct sl_sim_seq *seq = b->waiting.first; seq; seq = seq->next)
		n += !adapter_fits(b, seq->adapter);
	return n;
}

uint32_t sl_sim_batch_unfetched(const struct sl_sim_batch *b)
{
	uint32_t n = 0;

	for (const struct sl_sim_seq *seq = b->waiting.first; seq; seq = seq->next)
		n += seq->remote && seq->state == SL_SIM_SEQ_WAITING;
	return n;
}

struct sl_sim_seq *sl_sim_batch_next_fetch(struct sl_sim_batch *b)
{
	struct sl_sim_seq *seq = b->fetching.last;

	if (!b->n_untold)
		return NULL;
	while (seq->told || (seq->prev && !seq->prev->told))
		seq = seq->prev;
	seq->told = true;
	b->n_untold--;
	return seq;
}

void sl_sim_batch_fetched(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	assert(seq->state == SL_SIM_SEQ_FETCHING && seq->told);
	b->external_hits_tokens += seq->fetched_tokens;
	seq->computed = seq->n_prompt;
	publish_computed(b, seq);
	seq->computed = seq->n_prompt - 1; /* recomputed here, for its logits */
	set_state(b, seq, SL_SIM_SEQ_FETCHED, true);
}

bool sl_sim_batch_abort(struct sl_sim_batch *b, struct sl_sim_seq *seq)
{
	assert(seq->state != SL_SIM_SEQ_ENDED);
	seq->aborted = true;
	if (b->stepping && seq->in_step)
		return false;
	end_seq(b, seq);
	return true;
}

/* batch_test.c: continuous batching, step by step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/sim/batch.h"

#define BLOCK 4

struct world {
	struct sl_sim_kv *kv;
	struct sl_sim_batch batch;
	struct sl_sim_work work;
	uint64_t now_us;
};

static void open_world(struct world *w, uint32_t blocks, uint32_t step_tokens, uint32_t max_seqs)
{
	struct sl_sim_batch_limits limits = { BLOCK, step_tokens, max_seqs, 0 };

	*w = (struct world){ .kv = sl_sim_kv_new(blocks + 1), .now_us = 1000 };
	sl_sim_batch_init(&w->batch, &limits, w->kv);
}

static void close_world(struct world *w)
{
	assert_int_equal(sl_sim_kv_held(w->kv), 0);
	sl_sim_batch_fini(&w->batch);
	sl_sim_kv_free(w->kv);
}

/* A prompt of n tokens, all its own if `first` is. */
static struct sl_sim_seq *seq_new(uint32_t first, uint32_t n, uint32_t max_output)
{
	struct sl_sim_text text;
	struct sl_sim_seq *seq;
	uint32_t *tokens = malloc(n * sizeof(*tokens));

	for (uint32_t i = 0; i < n; i++)
		tokens[i] = first + i;
	sl_sim_text_init(&text, 0);
	sl_sim_text_bytes(&text, sl_span((const char *)tokens, n * sizeof(*tokens)));
	seq = sl_sim_seq_new(tokens, n, max_output, &text);
	free(tokens);
	return seq;
}

static struct sl_sim_seq *add(struct world *w, uint32_t first, uint32_t n, uint32_t max_output)
{
	struct sl_sim_seq *seq = seq_new(first, n, max_output);

	sl_sim_batch_add(&w->batch, seq, w->now_us);
	return seq;
}

static bool step(struct world *w)
{
	struct sl_sim_work work;

	if (!sl_sim_batch_begin(&w->batch, w->now_us, &work))
		return false;
	w->work = work;
	w->now_us += 100;
	sl_sim_batch_end(&w->batch, w->now_us);
	return true;
}

static void run_all(struct world *w)
{
	for (int i = 0; i < 100000 && step(w); i++)
		;
}

static void test_prefill_then_one_token_per_step(void **state)
{
	struct world w;
	struct sl_sim_seq *seq;

	(void)state;
	open_world(&w, 16, 64, 4);
	seq = add(&w, 100, 10, 3);
	assert_true(step(&w));
	assert_int_equal(w.work.prefill_tokens, 10);
	assert_int_equal(w.work.decodes, 0);
	assert_true(w.work.prefill_square == 50.0);
	assert_true(seq->got_token);
	assert_int_equal(seq->n_output, 1);
	assert_int_equal(seq->first_token_us, 1100);
	assert_true(step(&w));
	assert_int_equal(w.work.tokens, 1);
	assert_int_equal(w.work.decodes, 1);
	assert_true(w.work.decode_context == 11.0);
	assert_true(step(&w));
	assert_int_equal(seq->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(seq->last_token_us, 1300);
	assert_false(step(&w));
	sl_sim_seq_free(seq);
	close_world(&w);
}

static void test_prefill_in_chunks_beside_decodes(void **state)
{
	struct world w;
	struct sl_sim_seq *a, *b;

	(void)state;
	open_world(&w, 64, 8, 4);
	a = add(&w, 100, 4, 10);
	assert_true(step(&w));
	b = add(&w, 200, 20, 1);
	assert_true(step(&w));
	assert_int_equal(w.work.decodes, 1);
	assert_int_equal(w.work.prefill_tokens, 7);
	assert_int_equal(b->computed, 7);
	assert_false(b->got_token);
	assert_true(step(&w));
	assert_int_equal(b->computed, 14);
	assert_true(w.work.prefill_square == 7 * (7 + 3.5));
	assert_true(step(&w));
	assert_int_equal(b->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(a->n_output, 4);
	run_all(&w);
	sl_sim_seq_free(a);
	sl_sim_seq_free(b);
	close_world(&w);
}

static void test_max_seqs_and_order(void **state)
{
	struct world w;
	struct sl_sim_seq *s[3];

	(void)state;
	open_world(&w, 64, 64, 2);
	for (uint32_t i = 0; i < 3; i++)
		s[i] = add(&w, 100 * (i + 1), 4, 2);
	assert_true(step(&w));
	assert_int_equal(w.batch.running.n, 2);
	assert_int_equal(w.batch.waiting.n, 1);
	assert_true(step(&w));
	assert_int_equal(s[2]->n_output, 0);
	assert_true(step(&w));
	assert_int_equal(s[2]->n_output, 1);
	run_all(&w);
	for (uint32_t i = 0; i < 3; i++)
		sl_sim_seq_free(s[i]);
	close_world(&w);
}

static void test_same_prefix_hits(void **state)
{
	struct world w;
	struct sl_sim_seq *a, *b;

	(void)state;
	open_world(&w, 64, 64, 4);
	a = add(&w, 100, 12, 1);
	run_all(&w);
	assert_int_equal(a->cached_tokens, 0);
	assert_int_equal(w.batch.prefix_queries_tokens, 12);
	b = add(&w, 100, 12, 1);
	run_all(&w);
	/* Not the third block: the last token is computed, always. */
	assert_int_equal(b->cached_tokens, 8);
	assert_int_equal(w.work.prefill_tokens, 4);
	assert_int_equal(w.batch.prefix_hits_tokens, 8);
	assert_int_equal(w.batch.prefix_queries_tokens, 24);
	sl_sim_seq_free(a);
	sl_sim_seq_free(b);
	b = seq_new(100, 12, 1);
	b->salt = 7;
	sl_sim_batch_add(&w.batch, b, w.now_us);
	run_all(&w);
	assert_int_equal(b->cached_tokens, 0);
	sl_sim_seq_free(b);
	close_world(&w);
}

/* The next turn of a conversation: prompt, answer, and something new. */
static void test_answers_are_cached_too(void **state)
{
	struct world w;
	struct sl_sim_seq *a = seq_new(100, 8, 9), *b;

	(void)state;
	open_world(&w, 64, 64, 4);
	sl_sim_batch_add(&w.batch, a, w.now_us);
	run_all(&w);
	b = sl_sim_seq_new(a->tokens, 17, 1, &a->text);
	sl_sim_batch_add(&w.batch, b, w.now_us);
	run_all(&w);
	assert_int_equal(b->cached_tokens, 16);
	sl_sim_seq_free(a);
	sl_sim_seq_free(b);
	close_world(&w);
}

static void test_preempted_sequence_says_the_same(void **state)
{
	struct world w;
	struct sl_sim_seq *alone, *a, *b;

	(void)state;
	open_world(&w, 64, 64, 4);
	alone = add(&w, 200, 8, 20);
	run_all(&w);
	close_world(&w);

	open_world(&w, 10, 64, 4); /* two sequences of 28 tokens do not fit */
	a = add(&w, 100, 8, 20);
	b = add(&w, 200, 8, 20);
	run_all(&w);
	assert_true(w.batch.preemptions > 0);
	assert_int_equal(a->preemptions, 0);
	assert_true(b->preemptions > 0);
	assert_int_equal(b->n_output, 20);
	assert_memory_equal(b->tokens, alone->tokens, 28 * sizeof(uint32_t));
	sl_sim_seq_free(alone);
	sl_sim_seq_free(a);
	sl_sim_seq_free(b);
	close_world(&w);
}

static void test_head_of_line_waits_for_memory(void **state)
{
	struct world w;
	struct sl_sim_seq *a, *big, *small;

	(void)state;
	open_world(&w, 10, 64, 4);
	a = add(&w, 100, 20, 3);
	assert_true(step(&w));
	big = add(&w, 200, 30, 1);
	small = add(&w, 300, 4, 1);
	assert_true(step(&w));
	assert_int_equal(small->n_output, 0);
	assert_int_equal(w.batch.waiting.n, 2);
	run_all(&w);
	assert_true(big->first_token_us <= small->first_token_us);
	sl_sim_seq_free(a);
	sl_sim_seq_free(big);
	sl_sim_seq_free(small);
	close_world(&w);
}

static void test_kept_blocks_stay_held(void **state)
{
	struct world w;
	struct sl_sim_seq *seq = seq_new(100, 10, 1);
	uint32_t n, *blocks;

	(void)state;
	open_world(&w, 16, 64, 4);
	seq->keep = true;
	sl_sim_batch_add(&w.batch, seq, w.now_us);
	run_all(&w);
	assert_int_equal(seq->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(seq->computed, 10);
	assert_int_equal(sl_sim_kv_held(w.kv), 3);
	blocks = sl_sim_seq_take_blocks(seq, &n);
	assert_int_equal(n, 3);
	while (n)
		sl_sim_kv_unref(w.kv, blocks[--n]);
	free(blocks);
	sl_sim_seq_free(seq);
	close_world(&w);
}

static void test_fetched_prompt_needs_one_token_only(void **state)
{
	struct world w;
	struct sl_sim_seq *seq = seq_new(100, 10, 2), *other;

	(void)state;
	open_world(&w, 16, 64, 4);
	seq->remote = true;
	sl_sim_batch_add(&w.batch, seq, w.now_us);
	assert_null(sl_sim_batch_next_fetch(&w.batch));
	assert_false(step(&w));
	assert_ptr_equal(sl_sim_batch_next_fetch(&w.batch), seq);
	assert_null(sl_sim_batch_next_fetch(&w.batch));
	assert_int_equal(seq->fetched_tokens, 10);
	assert_int_equal(sl_sim_kv_held(w.kv), 3);
	/* Others run meanwhile. */
	other = add(&w, 500, 4, 1);
	assert_true(step(&w));
	assert_int_equal(other->state, SL_SIM_SEQ_ENDED);

	sl_sim_batch_fetched(&w.batch, seq);
	assert_int_equal(w.batch.n_fetched, 1);
	assert_true(step(&w));
	assert_int_equal(w.work.tokens, 1);
	assert_int_equal(seq->n_output, 1);
	run_all(&w);
	assert_int_equal(w.batch.external_hits_tokens, 10);
	sl_sim_seq_free(seq);
	/* What was fetched can be found here from now on. */
	seq = add(&w, 100, 10, 1);
	run_all(&w);
	assert_int_equal(seq->cached_tokens, 8);
	sl_sim_seq_free(seq);
	sl_sim_seq_free(other);
	close_world(&w);
}

static void test_fetches_come_in_order(void **state)
{
	struct world w;
	struct sl_sim_seq *s[4];

	(void)state;
	open_world(&w, 64, 64, 8);
	for (uint32_t i = 0; i < 4; i++) {
		s[i] = seq_new(100 * (i + 1), 6, 1);
		s[i]->remote = true;
		sl_sim_batch_add(&w.batch, s[i], w.now_us);
		if (i == 1) {
			assert_false(step(&w));
			assert_ptr_equal(sl_sim_batch_next_fetch(&w.batch), s[0]);
			assert_ptr_equal(sl_sim_batch_next_fetch(&w.batch), s[1]);
		}
	}
	assert_false(step(&w));
	assert_true(sl_sim_batch_abort(&w.batch, s[0]));
	assert_true(sl_sim_batch_abort(&w.batch, s[2])); /* never told of */
	assert_ptr_equal(sl_sim_batch_next_fetch(&w.batch), s[3]);
	assert_null(sl_sim_batch_next_fetch(&w.batch));
	for (uint32_t i = 1; i < 4; i += 2)
		assert_true(sl_sim_batch_abort(&w.batch, s[i]));
	for (uint32_t i = 0; i < 4; i++)
		sl_sim_seq_free(s[i]);
	close_world(&w);
}

/* A fetched sequence holds what the head of the line waits for. */
static void test_fetched_passes_a_stuck_head(void **state)
{
	struct world w;
	struct sl_sim_seq *remote = seq_new(100, 20, 2), *big = seq_new(200, 36, 2);

	(void)state;
	open_world(&w, 10, 64, 4);
	remote->remote = true;
	sl_sim_batch_add(&w.batch, remote, w.now_us);
	assert_false(step(&w));
	assert_ptr_equal(sl_sim_batch_next_fetch(&w.batch), remote);
	sl_sim_batch_fetched(&w.batch, remote);
	/* As if it had been preempted: in front of the fetched one. */
	big->next = NULL;
	sl_sim_batch_add(&w.batch, big, w.now_us);
	w.batch.waiting.first = big;
	w.batch.waiting.last = remote;
	big->prev = NULL;
	big->next = remote;
	remote->prev = big;
	remote->next = NULL;
	run_all(&w);
	assert_int_equal(remote->n_output, 2);
	assert_int_equal(big->n_output, 2);
	sl_sim_seq_free(remote);
	sl_sim_seq_free(big);
	close_world(&w);
}

static void test_abort_between_and_inside_steps(void **state)
{
	struct world w;
	struct sl_sim_seq *a, *b;

	(void)state;
	open_world(&w, 16, 64, 4);
	a = add(&w, 100, 10, 5);
	b = add(&w, 200, 10, 5);
	assert_true(sl_sim_batch_abort(&w.batch, b)); /* still waiting */
	assert_true(sl_sim_batch_begin(&w.batch, w.now_us, &w.work));
	assert_int_equal(w.work.tokens, 10);
	assert_false(sl_sim_batch_abort(&w.batch, a));
	assert_true(sl_sim_kv_held(w.kv) > 0);
	sl_sim_batch_end(&w.batch, 2000);
	assert_int_equal(a->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(a->n_output, 0);
	assert_false(step(&w));
	sl_sim_seq_free(a);
	sl_sim_seq_free(b);
	close_world(&w);
}

static void test_embedding_makes_no_token(void **state)
{
	struct world w;
	struct sl_sim_seq *seq;

	(void)state;
	open_world(&w, 16, 4, 4);
	seq = add(&w, 100, 10, 0);
	run_all(&w);
	assert_int_equal(seq->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(seq->n_output, 0);
	assert_int_equal(w.batch.steps, 3);
	sl_sim_seq_free(seq);
	close_world(&w);
}

/* Whatever happens, everybody ends, budgets hold, and no block is lost. */
/* vLLM's scheduler: who has no adapter slot is passed by, and stays so while
 * requests of the running adapters keep coming. */
static void test_adapters_in_few_slots(void **state)
{
	struct world w;
	struct sl_sim_seq *s[6];
	static const uint32_t adapters[6] = { 1, 2, 3, 0, 1, 3 };

	(void)state;
	open_world(&w, 64, 64, 8);
	w.batch.limits.max_adapters = 2;
	for (uint32_t i = 0; i < 6; i++) {
		s[i] = seq_new(100 * i, 4, i == 1 ? 2 : 4);
		s[i]->adapter = adapters[i];
		sl_sim_batch_add(&w.batch, s[i], w.now_us);
	}
	assert_true(step(&w));
	assert_int_equal(w.batch.running.n, 4);
	assert_int_equal(w.batch.n_adapters, 2);
	assert_int_equal(s[2]->state, SL_SIM_SEQ_WAITING);
	assert_int_equal(s[4]->state, SL_SIM_SEQ_RUNNING);
	assert_int_equal(sl_sim_batch_deferred(&w.batch), 2);
	assert_true(step(&w)); /* the only one of adapter 2 ends */
	assert_int_equal(s[1]->state, SL_SIM_SEQ_ENDED);
	assert_int_equal(sl_sim_batch_deferred(&w.batch), 0);
	assert_true(step(&w));
	assert_int_equal(s[2]->state, SL_SIM_SEQ_RUNNING);
	assert_int_equal(s[5]->state, SL_SIM_SEQ_RUNNING);
	run_all(&w);
	assert_int_equal(w.batch.n_adapters, 0);
	for (uint32_t i = 0; i < 6; i++)
		sl_sim_seq_free(s[i]);
	close_world(&w);
}

static void test_random_life(void **state)
{
	enum { N = 60 };
	struct sl_rng rng = { 7 };

	(void)state;
	for (int round = 0; round < 200; round++) {
		struct sl_sim_seq *s[N] = { NULL }, *f;
		struct world w;
		uint32_t ended = 0;

		open_world(&w, 12 + (uint32_t)round % 40, 16, 5);
		w.batch.limits.max_adapters = (uint32_t)round % 4;
		for (int i = 0, idle = 0; ended < N; i++) {
			uint64_t r = sl_rng_next(&rng);

			if (i < N) {
				s[i] = seq_new(100 + (uint32_t)(r % 5) * 10,
				               1 + (uint32_t)(r >> 8) % 30,
				               (uint32_t)(r >> 16) % 15);
				s[i]->remote = s[i]->max_output && r % 3 == 0;
				s[i]->adapter = (uint32_t)(r >> 32) % 6;
				sl_sim_batch_add(&w.batch, s[i], w.now_us);
			}
			idle = step(&w) || w.batch.fetching.n || !w.batch.waiting.n ? 0 : idle + 1;
			assert_true(idle < 3);
			assert_true(w.work.tokens <= 16);
			assert_true(w.batch.running.n <= 5);
			assert_true(!(round % 4) || w.batch.n_adapters <= (uint32_t)round % 4);
			while ((f = sl_sim_batch_next_fetch(&w.batch)) != NULL)
				f->owner = &w;
			f = s[(r >> 24) % N];
			if (f && f->state == SL_SIM_SEQ_FETCHING && f->owner)
				sl_sim_batch_fetched(&w.batch, f);
			else if (f && f->state != SL_SIM_SEQ_ENDED && r % 31 == 0)
				assert_true(sl_sim_batch_abort(&w.batch, f));
			ended = 0;
			for (int k = 0; k < N; k++) {
				if (s[k] && s[k]->state == SL_SIM_SEQ_FETCHING && i > 3 * N)
					sl_sim_batch_fetched(&w.batch, s[k]);
				ended += s[k] && s[k]->state == SL_SIM_SEQ_ENDED;
			}
		}
		assert_int_equal(w.batch.n_adapters, 0);
		for (int k = 0; k < N; k++) {
			assert_true(s[k]->aborted || s[k]->n_output == s[k]->max_output);
			sl_sim_seq_free(s[k]);
		}
		close_world(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_prefill_then_one_token_per_step),
		cmocka_unit_test(test_prefill_in_chunks_beside_decodes),
		cmocka_unit_test(test_max_seqs_and_order),
		cmocka_unit_test(test_same_prefix_hits),
		cmocka_unit_test(test_answers_are_cached_too),
		cmocka_unit_test(test_preempted_sequence_says_the_same),
		cmocka_unit_test(test_head_of_line_waits_for_memory),
		cmocka_unit_test(test_kept_blocks_stay_held),
		cmocka_unit_test(test_fetched_prompt_needs_one_token_only),
		cmocka_unit_test(test_fetches_come_in_order),
		cmocka_unit_test(test_fetched_passes_a_stuck_head),
		cmocka_unit_test(test_abort_between_and_inside_steps),
		cmocka_unit_test(test_embedding_makes_no_token),
		cmocka_unit_test(test_adapters_in_few_slots),
		cmocka_unit_test(test_random_life),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

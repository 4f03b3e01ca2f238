/* message_test.c: what is written is read, and nothing else is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/replica/message.h"

#define HEAD "sluice 1 00000000000000ff 7 F\n"

struct seen {
	char text[1024];
	size_t len;
	uint64_t hashes[8];
};

static void on_load(void *ctx, struct sl_span endpoint, const struct sl_load *l)
{
	struct seen *s = ctx;

	s->len += (size_t)snprintf(
	        s->text + s->len, sizeof(s->text) - s->len, "load %u %u %u %llu %llu %.*s;",
	        l->inflight, l->prefilling, l->seqs, (unsigned long long)l->queue_us,
	        (unsigned long long)l->context_tokens, (int)endpoint.len, endpoint.ptr);
}

static void on_ejected(void *ctx, struct sl_span endpoint)
{
	struct seen *s = ctx;

	s->len += (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "ejected %.*s;",
	                           (int)endpoint.len, endpoint.ptr);
}

static void on_prompt(void *ctx, struct sl_span endpoint, const uint64_t *hashes, uint32_t n,
                      double tokens_per_byte)
{
	struct seen *s = ctx;

	s->len +=
	        (size_t)snprintf(s->text + s->len, sizeof(s->text) - s->len, "prompt %u %.3f %.*s;",
	                         n, tokens_per_byte, (int)endpoint.len, endpoint.ptr);
	memcpy(s->hashes, hashes, n * sizeof(*hashes));
}

static const struct message_events events = { on_load, on_ejected, on_prompt };

static void there_and_back(void **state)
{
	static const uint64_t hashes[] = { 1, 0x0a0a0a0a0a0a0a0a, UINT64_MAX };
	struct message_head head = { 0xabcdef0123456789, 42, MESSAGE_DELTA }, read;
	struct sl_load load = { 3, 1, 4, 1500, 9000 };
	struct message_buffer b = { 0 };
	struct seen seen = { 0 };
	struct sl_span text;

	(void)state;
	message_begin(&b, &head);
	message_add_load(&b, "/all/10.0.0.1:8000", &load);
	message_add_prompt(&b, "hall/p/[::1]:8000", hashes, 3, 0.25);
	message_add_ejected(&b, "/all/10.0.0.2:8000");
	text = sl_span(b.text, b.len);
	assert_true(message_check(text, &read));
	assert_int_equal(read.replica, head.replica);
	assert_int_equal(read.sequence, 42);
	assert_int_equal(read.kind, MESSAGE_DELTA);
	message_read(text, &events, &seen);
	assert_string_equal(seen.text, "load 3 1 4 1500 9000 /all/10.0.0.1:8000;"
	                               "prompt 3 0.250 hall/p/[::1]:8000;"
	                               "ejected /all/10.0.0.2:8000;");
	assert_memory_equal(seen.hashes, hashes, sizeof(hashes));
	message_buffer_fini(&b);
}

/* Every shorter piece either is a whole message too, cut behind a line, or is
 * refused; none reads past its end. */
static void cut_anywhere(void **state)
{
	static const uint64_t hashes[] = { 7, 8 };
	struct message_head head = { 1, 1, MESSAGE_FULL }, read;
	struct sl_load load = { 3, 1, 4, 1500, 9000 };
	struct message_buffer b = { 0 };
	uint32_t whole = 0;

	(void)state;
	message_begin(&b, &head);
	message_add_load(&b, "a/b/c", &load);
	message_add_prompt(&b, "a/b/c", hashes, 2, 0.25);
	for (size_t len = 0; len <= b.len; len++) {
		char *piece = malloc(len + 1);

		memcpy(piece, b.text, len);
		piece = realloc(piece, len ? len : 1);
		if (message_check(sl_span(piece, len), &read))
			whole++;
		free(piece);
	}
	assert_int_equal(whole, 3);
	message_buffer_fini(&b);
}

static void what_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"sluice 1 00000000000000ff 7 F",
		"sluice 2 00000000000000ff 7 F\n",
		"Sluice 1 00000000000000ff 7 F\n",
		"sluice 1 00000000000000fF 7 F\n",
		"sluice 1 0000000000000ff 7 F\n",
		"sluice 1 00000000000000ff 07 F\n",
		"sluice 1 00000000000000ff 7 X\n",
		"sluice 1 00000000000000ff 7 FF\n",
		"sluice 1 00000000000000ff 99999999999999999999 F\n",
		HEAD "L 1 0 1 0 0 \n",
		HEAD "L 1 0 1 0 e\n",
		HEAD "L 1 0 1 0 0 e",
		HEAD "L 10000001 0 1 0 0 e\n",
		HEAD "L 1 0 1 1000000000000001 0 e\n",
		HEAD "L +1 0 1 0 0 e\n",
		HEAD "L 1  0 1 0 0 e\n",
		HEAD "E\n",
		HEAD "E \n",
		HEAD "P 1 0 e\n\n",
		HEAD "P 1 1 e\n1234567\n",
		HEAD "P 1 1 e\n123456789\n",
		HEAD "P 1 4097 e\n",
		HEAD "Q 1\n",
		HEAD "LL 1 0 1 0 0 e\n",
		HEAD "\n",
	};
	struct message_head head = { 0 };

	(void)state;
	for (size_t i = 0; i < SL_COUNT(bad); i++)
		if (message_check(sl_span_str(bad[i]), &head))
			fail_msg("taken: %s", bad[i]);
	assert_int_equal(head.replica, 0);
	assert_true(message_check(sl_span_str(HEAD "E e\n"), &head));
	assert_true(message_check(sl_span_str(HEAD), &head));
}

/* Our own figures never make a message that others refuse. */
static void figures_are_bounded(void **state)
{
	struct sl_load load = { UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX };
	struct message_head head = { UINT64_MAX, 9999999999999999999u / 10, MESSAGE_FULL }, read;
	struct message_buffer b = { 0 };
	char name[MESSAGE_NAME_MAX + 1];
	uint64_t hash = 1;

	(void)state;
	memset(name, 'n', MESSAGE_NAME_MAX);
	name[MESSAGE_NAME_MAX] = '\0';
	message_begin(&b, &head);
	for (int i = 0; i < 100; i++) {
		message_add_load(&b, name, &load);
		message_add_prompt(&b, name, &hash, 1, 1e9);
	}
	assert_true(message_check(sl_span(b.text, b.len), &read));
	message_buffer_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(there_and_back),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(what_is_refused),
		cmocka_unit_test(figures_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

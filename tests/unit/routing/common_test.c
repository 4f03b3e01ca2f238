/* common_test.c: what most prompts begin with, whatever comes in between. */
#include "routing/common.h"
#include "tests/unit/routing/route_help.h"

#define SHARED 8192u /* bytes: 16 + 4 blocks */
#define SHARED_BLOCKS 20u

static void note(struct common *c, uint64_t shared, uint32_t shared_bytes, uint64_t own,
                 uint32_t bytes)
{
	struct prompt p;

	prompt_init(&p, shared, shared_bytes, own, bytes);
	common_note(c, &p.facts);
	prompt_fini(&p);
}

static uint32_t ask(const struct common *c, uint64_t shared, uint32_t shared_bytes, uint64_t own,
                    uint32_t bytes)
{
	struct prompt p;
	uint32_t n;

	prompt_init(&p, shared, shared_bytes, own, bytes);
	n = common_blocks(c, &p.facts);
	prompt_fini(&p);
	return n;
}

static void nothing_is_common_at_first(void **state)
{
	struct common c = { 0 };

	(void)state;
	assert_int_equal(ask(&c, 1, SHARED, 1, 20000), 0);
	for (uint64_t i = 0; i < COMMON_VOTES / 2 - 1; i++)
		note(&c, 1, SHARED, i, 20000);
	assert_int_equal(ask(&c, 1, SHARED, 99, 20000), 0);
	note(&c, 1, SHARED, 98, 20000);
	assert_int_equal(ask(&c, 1, SHARED, 99, 20000), SHARED_BLOCKS);
	common_fini(&c);
}

static void ends_where_prompts_part(void **state)
{
	struct common c = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 500; i++)
		note(&c, 1, SHARED, i, 2000 + (uint32_t)i * 100);
	assert_int_equal(ask(&c, 1, SHARED, 1000, 20000), SHARED_BLOCKS);
	assert_int_equal(ask(&c, 1, SHARED, 1000, 3000), 11); /* all of a short one */
	assert_int_equal(ask(&c, 1, SHARED, 1000, 100), 0);
	assert_int_equal(ask(&c, 1, 1024, 1000, 20000), 4); /* parts before the others do */
	assert_int_equal(ask(&c, 2, SHARED, 1000, 20000), 0);
	common_fini(&c);
}

/* Of what most share it does not matter who comes first; what fewer share is
 * not common. Gateways that see another share of the same traffic agree. */
static void a_majority_is_found_and_no_less(void **state)
{
	static const struct {
		uint32_t percent, blocks;
	} cases[] = { { 100, SHARED_BLOCKS }, { 65, SHARED_BLOCKS }, { 35, 0 }, { 10, 0 } };

	(void)state;
	for (size_t k = 0; k < SL_COUNT(cases); k++) {
		for (uint64_t gateway = 1; gateway <= 8; gateway++) {
			struct sl_rng rng = { 7 * gateway };
			struct common c = { 0 };

			for (uint64_t i = 0; i < 2000; i++) {
				bool in = help_below(&rng, 100) < cases[k].percent;

				note(&c, in ? 1 : 100 + i, SHARED, i, 20000);
			}
			assert_int_equal(ask(&c, 1, SHARED, 1000, 20000), cases[k].blocks);
			common_fini(&c);
		}
	}
}

/* The operators have changed the system prompt. */
static void another_beginning_takes_over(void **state)
{
	struct common c = { 0 };

	(void)state;
	for (uint64_t i = 0; i < 10000; i++)
		note(&c, 1, SHARED, i, 20000);
	for (uint64_t i = 0; i < 2 * COMMON_VOTES; i++)
		note(&c, 2, SHARED, i, 20000);
	assert_int_equal(ask(&c, 1, SHARED, 1000, 20000), 0);
	assert_int_equal(ask(&c, 2, SHARED, 1000, 20000), SHARED_BLOCKS);
	common_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_common_at_first),
		cmocka_unit_test(ends_where_prompts_part),
		cmocka_unit_test(a_majority_is_found_and_no_less),
		cmocka_unit_test(another_beginning_takes_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

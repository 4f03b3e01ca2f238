/* name.c: see name.h. */
#include "gateway/discovery/name.h"

#include <stdio.h>
#include <stdlib.h>

#include "sluice/route.h"

#define SECOND_US UINT64_C(1000000)
#define MIN_US SECOND_US              /* however short the answer's time */
#define RETRY_MAX_US (10 * SECOND_US) /* when nobody can say */

static void ask(void *arg);

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static uint64_t rest_us(const struct sl_name *n)
{
	uint32_t again = n->failures + n->denials;
	uint64_t rest = n->places.ttl_s * SECOND_US;

	if (again)
		rest = least(SECOND_US << (again < 6 ? again - 1 : 5), RETRY_MAX_US);
	if (rest < MIN_US)
		rest = MIN_US;
	return least(rest, n->refresh_us);
}

/* No more than there can be engines: a name server that always knows but a part, and
 * each time another one, must not fill our memory. */
static void copy_all(struct sl_places *to, const struct sl_places *from)
{
	for (uint32_t i = 0; i < from->n && to->n < SL_MAX_ENDPOINTS; i++)
		sl_places_add(to, from->items[i].address, from->items[i].port);
}

static void replace(struct sl_name *n, const struct sl_places *answer)
{
	sl_places_fini(&n->places);
	n->places = *answer;
	n->places.items = NULL;
	n->places.n = 0;
	copy_all(&n->places, answer);
	n->known = true;
}

/* Not all of it could be learned: what was known stays beside what is new. */
static void join(struct sl_name *n, const struct sl_places *answer)
{
	copy_all(&n->places, answer);
	sl_places_sort(&n->places);
	memcpy(n->places.reason, answer->reason, sizeof(n->places.reason));
	n->known |= answer->n > 0;
}

static void deny(struct sl_name *n, const struct sl_places *answer)
{
	n->denials++;
	if (n->denials >= SL_NAME_GONE)
		replace(n, answer);
	snprintf(n->places.reason, sizeof(n->places.reason), "%.130s%s", answer->reason,
	         n->denials >= SL_NAME_GONE ? ", for the third time" : "");
}

static void on_answer(void *ctx, const struct sl_places *answer)
{
	struct sl_name *n = ctx;

	n->question = NULL;
	n->fresh = answer->complete;
	n->failures = answer->complete ? 0 : n->failures + 1;
	if (!answer->complete) {
		n->denials = 0;
		join(n, answer);
	} else if (answer->n == 0) {
		deny(n, answer);
	} else {
		n->denials = 0;
		replace(n, answer);
	}
	sl_timer_arm(n->loop, &n->timer, rest_us(n));
	n->fn(n->ctx);
}

static void ask(void *arg)
{
	struct sl_name *n = arg;

	n->question = sl_resolver_ask(n->resolver, n->kind, n->text, on_answer, n);
}

struct sl_name *sl_name_new(struct sl_resolver *resolver, struct sl_loop *loop,
                            enum sl_lookup_kind kind, const char *text, uint64_t refresh_us,
                            void (*fn)(void *ctx), void *ctx)
{
	struct sl_name *n = calloc(1, sizeof(*n));

	if (!n || !(n->text = strdup(text)))
		abort();
	n->resolver = resolver;
	n->loop = loop;
	n->kind = kind;
	n->refresh_us = refresh_us;
	n->fn = fn;
	n->ctx = ctx;
	n->timer = (struct sl_timer){ .fn = ask, .arg = n };
	ask(n);
	return n;
}

void sl_name_free(struct sl_name *n)
{
	if (n->question)
		sl_question_drop(n->question);
	sl_timer_disarm(n->loop, &n->timer);
	sl_places_fini(&n->places);
	free(n->text);
	free(n);
}

const char *sl_name_trouble(const struct sl_name *n)
{
	return *n->places.reason ? n->places.reason : NULL;
}

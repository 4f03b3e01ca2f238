/* replica_fuzz.c: any bytes as a message of another gateway. What is taken for
 * well formed must read the same twice, keep every bound, and survive being
 * written again. */
#include <stdlib.h>

#include "gateway/replica/message.h"

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

struct copy {
	struct message_buffer message;
	uint32_t lines;
};

static const char *name_of(struct sl_span endpoint, char name[MESSAGE_NAME_MAX + 1])
{
	CHECK(endpoint.len > 0 && endpoint.len <= MESSAGE_NAME_MAX);
	memcpy(name, endpoint.ptr, endpoint.len);
	name[endpoint.len] = '\0';
	return strlen(name) == endpoint.len ? name : "zero";
}

static void on_load(void *ctx, struct sl_span endpoint, const struct sl_load *load)
{
	char name[MESSAGE_NAME_MAX + 1];
	struct copy *copy = ctx;

	CHECK(load->inflight <= 10000000 && load->queue_us <= 1000000000000000);
	message_add_load(&copy->message, name_of(endpoint, name), load);
	copy->lines++;
}

static void on_ejected(void *ctx, struct sl_span endpoint)
{
	char name[MESSAGE_NAME_MAX + 1];
	struct copy *copy = ctx;

	message_add_ejected(&copy->message, name_of(endpoint, name));
	copy->lines++;
}

static void on_prompt(void *ctx, struct sl_span endpoint, const uint64_t *hashes, uint32_t n,
                      double tokens_per_byte)
{
	char name[MESSAGE_NAME_MAX + 1];
	struct copy *copy = ctx;

	CHECK(n >= 1 && n <= SL_MAX_SHARED_BLOCKS && tokens_per_byte >= 0);
	message_add_prompt(&copy->message, name_of(endpoint, name), hashes, n, tokens_per_byte);
	copy->lines++;
}

static const struct message_events events = { on_load, on_ejected, on_prompt };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct sl_span text = sl_span((const char *)data, len);
	struct copy first = { 0 }, second = { 0 };
	struct message_head head, again;

	if (!message_check(text, &head))
		return 0;
	message_begin(&first.message, &head);
	message_read(text, &events, &first);
	CHECK(message_check(sl_span(first.message.text, first.message.len), &again));
	CHECK(again.replica == head.replica && again.sequence == head.sequence &&
	      again.kind == head.kind);
	message_begin(&second.message, &again);
	message_read(sl_span(first.message.text, first.message.len), &events, &second);
	CHECK(second.lines == first.lines && second.message.len == first.message.len);
	message_buffer_fini(&first.message);
	message_buffer_fini(&second.message);
	return 0;
}

/* conversation.c: the name of the conversation that a request is a turn of.
 *
 * Clients and agents say it in one of several header fields, or in the body.
 * It is hashed where it is read, together with the model: the name itself is
 * neither kept nor logged. It only helps to find a cache, so nothing is gained
 * by a wrong one. */
#include "gateway/exchange/exchange.h"

/* The first one of these that a request has. */
static const struct sl_span fields[] = {
	{ "x-session-id", 12 },
	{ "x-session-affinity", 18 },
	{ "x-claude-code-session-id", 24 },
	{ "x-dynamo-session-id", 19 },
	{ "x-aibrix-session-key", 20 },
};

static const enum sl_field members[] = { SL_F_SESSION_ID, SL_F_PROMPT_CACHE_KEY };

/* How many fields are behind this one in the table, and itself; 0: it is none. */
static uint32_t rank_of(struct sl_span name)
{
	if (name.len < fields[0].len || (name.ptr[0] | 0x20) != 'x')
		return 0;
	for (uint32_t i = 0; i < SL_COUNT(fields); i++)
		if (sl_span_ieq(name, fields[i]))
			return (uint32_t)SL_COUNT(fields) - i;
	return 0;
}

void sl_conversation_note(struct sl_exchange *x, const struct sl_hfield *field)
{
	uint32_t rank = rank_of(field->name);

	if (rank <= x->conversation_rank || !field->value.len)
		return;
	x->conversation_rank = rank;
	x->conversation_hash = sl_name_hash(0, field->value);
}

/* As JSON wrote it; a number is as good a name as a string. */
static uint64_t hash_in_body(const struct sl_exchange *x)
{
	for (size_t i = 0; i < SL_COUNT(members); i++) {
		const struct sl_member *m = &x->facts.member[members[i]];
		struct sl_span name = sl_facts_string(&x->facts, members[i], x->body);

		if (m->value_end && m->kind == SL_J_NUMBER)
			name = sl_span(x->body + m->value_off, m->value_end - m->value_off);
		if (name.len)
			return sl_name_hash(0, name);
	}
	return 0;
}

uint64_t sl_conversation_hash(const struct sl_exchange *x)
{
	uint64_t name = x->conversation_rank ? x->conversation_hash : hash_in_body(x);

	return name ? sl_name_hash(name, sl_exchange_model(x)) : 0;
}

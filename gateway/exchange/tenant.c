/* tenant.c: for whom a request is and how urgent, in the queue's eyes.
 *
 * A tenant is a number, made from what names it with a secret of this process,
 * so that no key is kept, logged or exported. With tenant_header the operator
 * says that something in front of us names tenants, and nothing else does.
 * Without it the best of what the client says counts, which whoever wants to
 * be many can vary: its key at the engines' expense, the rest at will.
 *
 * A client may only lower its class; priority_header is the operator's word. */
#include "gateway/exchange/exchange.h"
#include "gateway/net/clients.h"

/* The better one has the higher number. */
enum named_by { BY_ADDRESS, BY_USER, BY_ID, BY_KEY, BY_HEADER };

/* As gateways in front of other inference schedulers say it. */
static const struct sl_span id_names[] = {
	{ "x-gateway-inference-fairness-id", 31 },
	{ "x-llm-d-inference-fairness-id", 29 },
};

/* Of two equally good ones the last, which is nearer to us, counts. */
static void name_tenant(struct sl_exchange *x, struct sl_span name, enum named_by by)
{
	if (!name.len || by < (enum named_by)x->tenant_by)
		return;
	x->tenant = sl_fair_tenant(name, by, x->worker->budget->tenant_seed);
	x->tenant_by = (uint8_t)by;
}

static bool is_id(struct sl_span name)
{
	for (size_t i = 0; i < SL_COUNT(id_names); i++)
		if (sl_span_ieq(name, id_names[i]))
			return true;
	return false;
}

static bool is_digit(char c, char least)
{
	return c >= least && c <= '9';
}

/* high, normal, low, or a number: above 0, 0, below. */
static void note_class(struct sl_exchange *x, struct sl_span value)
{
	static const char *const words[] = { "high", "normal", "low" };

	for (unsigned i = 0; i < SL_COUNT(words); i++)
		if (sl_span_ieq(value, sl_span_str(words[i])))
			x->class_said = (uint8_t)(i + 1);
	if (value.len && is_digit(value.ptr[0], '1'))
		x->class_said = SL_FAIR_HIGH + 1;
	else if (value.len && value.ptr[0] == '0')
		x->class_said = SL_FAIR_NORMAL + 1;
	else if (value.len > 1 && value.ptr[0] == '-' && is_digit(value.ptr[1], '1'))
		x->class_said = SL_FAIR_LOW + 1;
}

void sl_tenant_note(struct sl_exchange *x, const struct sl_hfield *f)
{
	const struct sl_config *config = x->worker->fleet->config;

	if (*config->priority_header && sl_span_ieq(f->name, sl_span_str(config->priority_header)))
		note_class(x, f->value);
	if (*config->tenant_header) {
		if (sl_span_ieq(f->name, sl_span_str(config->tenant_header)))
			name_tenant(x, f->value, BY_HEADER);
	} else if (f->cls == SL_FC_AUTH) {
		name_tenant(x, f->value, BY_KEY);
	} else if (is_id(f->name)) {
		name_tenant(x, f->value, BY_ID);
	}
}

static void name_by_address(struct sl_exchange *x)
{
	struct sl_span address = x->client;
	uint64_t key;

	if (x->stream->origin) {
		key = sl_clients_key(x->stream->origin);
		address = sl_span((const char *)&key, sizeof(key));
	}
	name_tenant(x, address, BY_ADDRESS);
}

/* What the body asks for: vLLM serves low numbers first, "flex" waits. */
static bool wants_low(const struct sl_exchange *x)
{
	const struct sl_member *priority = &x->facts.member[SL_F_PRIORITY];

	if (sl_span_eq(sl_facts_string(&x->facts, SL_F_SERVICE_TIER, x->body), SL_SPAN("flex")))
		return true;
	return priority->value_end && priority->kind == SL_J_NUMBER &&
	       is_digit(x->body[priority->value_off], '1');
}

void sl_tenant_claim(struct sl_exchange *x)
{
	enum sl_fair_class class = wants_low(x) ? SL_FAIR_LOW : SL_FAIR_NORMAL;

	if (x->class_said)
		class = (enum sl_fair_class)(x->class_said - 1);
	if (!*x->worker->fleet->config->tenant_header)
		name_tenant(x, sl_facts_string(&x->facts, SL_F_USER, x->body), BY_USER);
	if (x->tenant_by == BY_ADDRESS)
		name_by_address(x);
	x->claim = (struct sl_fair_claim){ .owner = x, .tenant = x->tenant, .class = class };
}

/* For whom a request is: which name counts, and what can be asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/exchange/exchange.h"

struct rig {
	struct sl_config config;
	struct sl_fleet fleet;
	struct sl_budget budget;
	struct sl_worker worker;
	struct sl_stream stream;
	struct sl_exchange *x; /* owned */
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	r->x = calloc(1, sizeof(*r->x));
	assert_non_null(r->x);
	r->config.tenant_header = r->config.priority_header = "";
	r->fleet.config = &r->config;
	r->budget.tenant_seed = 42;
	r->worker.fleet = &r->fleet;
	r->worker.budget = &r->budget;
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->x);
	free(r);
	return 0;
}

/* A request with these fields, "name: value" each, NULL at the end, and this
 * `user` (or ""). */
static const struct sl_fair_claim *claim(struct rig *r, const char *user, const char *const *fields)
{
	memset(r->x, 0, sizeof(*r->x));
	r->x->worker = &r->worker;
	r->x->stream = &r->stream;
	r->x->client = SL_SPAN("192.0.2.7:1000");
	for (; *fields; fields++) {
		const char *colon = strchr(*fields, ':');
		struct sl_hfield f = { .name = sl_span(*fields, (size_t)(colon - *fields)),
			               .value = sl_span_str(colon + 2) };

		f.cls = (uint8_t)sl_field_class(f.name);
		sl_tenant_note(r->x, &f);
	}
	r->x->body = (char *)user;
	if (*user)
		r->x->facts.member[SL_F_USER] =
		        (struct sl_member){ .value_end = (uint32_t)strlen(user),
			                    .kind = SL_J_STRING };
	sl_tenant_claim(r->x);
	r->x->body = NULL;
	return &r->x->claim;
}

#define FIELDS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define NO_FIELD ((const char *const[]){ NULL })

static uint64_t tenant(struct rig *r, const char *user, const char *const *fields)
{
	return claim(r, user, fields)->tenant;
}

static void test_the_key_counts_before_the_rest(void **state)
{
	struct rig *r = *state;
	uint64_t a = tenant(r, "", FIELDS("authorization: Bearer a"));
	uint64_t id = tenant(r, "", FIELDS("x-gateway-inference-fairness-id: a"));
	uint64_t user = tenant(r, "\"a\"", NO_FIELD);
	uint64_t address = tenant(r, "", NO_FIELD);

	assert_int_equal(
	        a, tenant(r, "\"u\"",
	                  FIELDS("X-Gateway-Inference-Fairness-Id: b", "Authorization: Bearer a")));
	assert_int_equal(
	        a, tenant(r, "",
	                  FIELDS("authorization: Bearer a", "x-gateway-inference-fairness-id: b")));
	assert_int_not_equal(a, tenant(r, "", FIELDS("authorization: Bearer b")));
	assert_int_equal(id, tenant(r, "\"u\"", FIELDS("x-gateway-inference-fairness-id: a")));
	assert_int_equal(id, tenant(r, "", FIELDS("x-llm-d-inference-fairness-id: a")));
	assert_int_not_equal(user, tenant(r, "\"b\"", NO_FIELD));
	assert_int_not_equal(id, user); /* the same text, said elsewhere */
	assert_int_not_equal(user, address);
	assert_int_equal(address, tenant(r, "", FIELDS("user-agent: x", "authorization: ")));
}

static void test_only_the_proxy_counts_where_there_is_one(void **state)
{
	struct rig *r = *state;
	uint64_t a, address;

	r->config.tenant_header = "X-Tenant";
	a = tenant(r, "", FIELDS("x-tenant: a"));
	address = tenant(r, "", NO_FIELD);
	assert_int_equal(a, tenant(r, "\"u\"", FIELDS("authorization: Bearer k", "x-tenant: a")));
	assert_int_equal(a, tenant(r, "", FIELDS("x-tenant: forged", "x-tenant: a")));
	assert_int_not_equal(a, tenant(r, "", FIELDS("x-tenant: b")));
	assert_int_equal(address, tenant(r, "\"u\"",
	                                 FIELDS("authorization: Bearer k",
	                                        "x-gateway-inference-fairness-id: i")));
	r->config.tenant_header = "authorization";
	assert_int_not_equal(address, tenant(r, "", FIELDS("authorization: Bearer k")));
}

static void test_clients_can_only_lower_themselves(void **state)
{
	struct rig *r = *state;
	static const struct {
		enum sl_field field;
		enum sl_json_kind kind;
		const char *value;
		enum sl_fair_class class;
	} cases[] = {
		{ SL_F_SERVICE_TIER, SL_J_STRING, "\"flex\"", SL_FAIR_LOW },
		{ SL_F_SERVICE_TIER, SL_J_STRING, "\"priority\"", SL_FAIR_NORMAL },
		{ SL_F_PRIORITY, SL_J_NUMBER, "5", SL_FAIR_LOW },
		{ SL_F_PRIORITY, SL_J_NUMBER, "0", SL_FAIR_NORMAL },
		{ SL_F_PRIORITY, SL_J_NUMBER, "-5", SL_FAIR_NORMAL },
		{ SL_F_PRIORITY, SL_J_STRING, "\"5\"", SL_FAIR_NORMAL },
	};

	assert_int_equal(claim(r, "", NO_FIELD)->class, SL_FAIR_NORMAL);
	assert_int_equal(claim(r, "", FIELDS("x-priority: high"))->class, SL_FAIR_NORMAL);
	for (unsigned i = 0; i < SL_COUNT(cases); i++) {
		r->x->body = (char *)cases[i].value;
		r->x->class_said = 0;
		memset(&r->x->facts, 0, sizeof(r->x->facts));
		r->x->facts.member[cases[i].field] =
		        (struct sl_member){ .value_end = (uint32_t)strlen(cases[i].value),
			                    .kind = (uint8_t)cases[i].kind };
		sl_tenant_claim(r->x);
		assert_int_equal(r->x->claim.class, cases[i].class);
		r->x->class_said = SL_FAIR_HIGH + 1; /* the operator's word goes before */
		sl_tenant_claim(r->x);
		assert_int_equal(r->x->claim.class, SL_FAIR_HIGH);
	}
	r->x->body = NULL;
}

static void test_what_the_operator_says(void **state)
{
	static const struct {
		const char *field;
		enum sl_fair_class class;
	} cases[] = {
		{ "x-priority: high", SL_FAIR_HIGH },     { "X-Priority: Low", SL_FAIR_LOW },
		{ "x-priority: normal", SL_FAIR_NORMAL }, { "x-priority: 10", SL_FAIR_HIGH },
		{ "x-priority: 0", SL_FAIR_NORMAL },      { "x-priority: -1", SL_FAIR_LOW },
		{ "x-priority: -", SL_FAIR_NORMAL },      { "x-priority: urgent", SL_FAIR_NORMAL },
		{ "x-priority: ", SL_FAIR_NORMAL },
	};
	struct rig *r = *state;

	r->config.priority_header = "X-Priority";
	for (unsigned i = 0; i < SL_COUNT(cases); i++)
		assert_int_equal(claim(r, "", FIELDS(cases[i].field))->class, cases[i].class);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_the_key_counts_before_the_rest),
		CASE(test_only_the_proxy_counts_where_there_is_one),
		CASE(test_clients_can_only_lower_themselves),
		CASE(test_what_the_operator_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* options.c: see options.h. */
#include "bench/whatif/options.h"

#include <stdlib.h>

#include "bench/cli/cli.h"
#include "bench/whatif/generate.h"

#define AT(member) offsetof(struct options, member)
#define MAX_ENGINES 16000.0
#define MIN_KV_TOKENS 1024

/* ---- values with several parts ---------------------------------------------- */

static bool read_count(const char *text, uint32_t *out, const char **out_rest)
{
	double x;

	if (!cli_read_real(text, &x, out_rest) || x < 0 || x > MAX_ENGINES ||
	    x != (double)(uint32_t)x)
		return false;
	*out = (uint32_t)x;
	return true;
}

static const char *take_slow(void *to, const char *text, const struct cli_option *option)
{
	struct options *o = to;
	struct options_slow s;
	const char *rest;

	(void)option;
	if (!read_count(text, &s.count, &rest) || *rest != 'x' ||
	    !cli_read_real(rest + 1, &s.factor, &rest) || *rest || s.factor < 0.01 ||
	    s.factor > 1000)
		return "is not like 2x4: engines, x, how many times slower";
	if (o->n_slow == OPTIONS_MAX_CHANGES)
		return "is one too many";
	o->slow[o->n_slow++] = s;
	return NULL;
}

static const char *take_fail(void *to, const char *text, const struct cli_option *option)
{
	struct options *o = to;
	struct options_fail f;
	const char *rest;

	(void)option;
	if (!read_count(text, &f.engine, &rest) || *rest != '@' ||
	    !cli_read_duration(rest + 1, &f.from_us, &rest) || *rest != '+' ||
	    !cli_read_duration(rest + 1, &f.for_us, &rest) || *rest)
		return "is not like 3@60s+30s: engine, from when, for how long";
	if (o->n_fail == OPTIONS_MAX_CHANGES)
		return "is one too many";
	o->fail[o->n_fail++] = f;
	return NULL;
}

static const char *take_join(void *to, const char *text, const struct cli_option *option)
{
	struct options *o = to;
	struct options_join j;
	const char *rest;

	(void)option;
	if (!read_count(text, &j.count, &rest) || *rest != '@' ||
	    !cli_read_duration(rest + 1, &j.at_us, &rest) || *rest)
		return "is not like 2@120s: engines, when";
	if (o->n_join == OPTIONS_MAX_CHANGES)
		return "is one too many";
	o->join[o->n_join++] = j;
	return NULL;
}

static const char *take_burst(void *to, const char *text, const struct cli_option *option)
{
	struct workload_burst *b = to;
	const char *rest;

	(void)option;
	if (!cli_read_real(text, &b->factor, &rest) || *rest != 'x' ||
	    !cli_read_duration(rest + 1, &b->for_us, &rest) || *rest != '@' ||
	    !cli_read_duration(rest + 1, &b->from_us, &rest) || *rest || b->factor < 0.01 ||
	    b->factor > 1000)
		return "is not like 4x30s@60s: how many times the rate, for how long, from when";
	return NULL;
}

static const char *take_delay(void *to, const char *text, const struct cli_option *option)
{
	if (strcmp(text, "off") != 0)
		return cli_take_duration(to, text, option);
	*(int64_t *)to = -1;
	return NULL;
}

/* ---- the table -------------------------------------------------------------- */

static const struct cli_option rows[] = {
	{ "trace", "FILE", cli_take_text, AT(trace), 0, 0,
	  "Mooncake JSONL, Azure or BurstGPT CSV, an access log, or synthetic:KIND (required)" },
	{ "limit", "N", cli_take_u64, AT(limit), 1, 1e9, "only the first N requests" },
	{ "rate-factor", "X", cli_take_real, AT(rate_factor), 1e-6, 1e6,
	  "X times as fast as recorded (1)" },
	{ "engines", "N", cli_take_u32, AT(engines), 1, MAX_ENGINES, "engines in the fleet (16)" },
	{ "prefill", "N", cli_take_u32, AT(prefill), 1, MAX_ENGINES, "of them, for prefills only" },
	{ "decode", "N", cli_take_u32, AT(decode), 1, MAX_ENGINES,
	  "of them, for decodes, and prefills where that is cheaper" },
	{ "profile", "NAME|FILE", cli_take_text, AT(profile_name), 0, 0,
	  "model and GPU (llama3-8b-h100), or a file of your own" },
	{ "kv-factor", "X", cli_take_real, AT(kv_factor), 0.01, 1000,
	  "X times the profile's KV memory (1)" },
	{ "slow", "NxF", take_slow, 0, 0, 0, "N engines are F times slower; may be repeated" },
	{ "fail", "E@T+D", take_fail, 0, 0, 0,
	  "engine E dies at T and returns, empty, after D; may be repeated" },
	{ "join", "N@T", take_join, 0, 0, 0, "N further engines join at T; may be repeated" },
	{ "burst", "XxD@T", take_burst, AT(burst), 0, 0,
	  "from T on, for D, requests come X times as fast" },
	{ "transfer-rate", "GB/S", cli_take_real, AT(transfer_gb_per_s), 0.001, 1e5,
	  "of an engine's NIC (20)" },
	{ "transfer-latency", "MS", cli_take_real, AT(transfer_latency_ms), 0, 1e5,
	  "of a hand-off (2)" },
	{ "policy", "NAME,...", cli_take_text, AT(policy), 0, 0,
	  "who routes: all, or names from --list (sluice)" },
	{ "compare", NULL, cli_take_true, AT(compare), 0, 0, "the same as --policy all" },
	{ "knee", NULL, cli_take_true, AT(knee), 0, 0,
	  "search the highest rate that keeps --good-share in SLO" },
	{ "plan", NULL, cli_take_true, AT(plan), 0, 0,
	  "search the smallest fleet of up to --engines, and its best split, that does" },
	{ "good-share", "X", cli_take_real, AT(good_share), 0.01, 1,
	  "requests that must be in SLO (0.95)" },
	{ "slo-ttft", "MS", cli_take_real, AT(slo_ttft_ms), 0.001, 1e9, "SLO of TTFT (5000)" },
	{ "slo-tpot", "MS", cli_take_real, AT(slo_tpot_ms), 0.001, 1e9, "SLO of TPOT (50)" },
	{ "replicas", "N", cli_take_u32, AT(replicas), 1, SL_MAX_PEERS,
	  "gateways that requests are dealt to (1)" },
	{ "replica-delay", "TIME|off", take_delay, AT(replica_delay_us), 0, 0,
	  "until one knows what another did (5ms); off: never" },
	{ "scrape", "TIME", cli_take_duration, AT(scrape_us), 0, 0,
	  "how often engines are scraped (each policy's own period)" },
	{ "warmup", "TIME", cli_take_duration, AT(warmup_us), 0, 0,
	  "requests of the first TIME are served, but not counted (0s)" },
	{ "spread", "TIME", cli_take_duration, AT(spread_us), 0, 0,
	  "move each request by U(0, TIME) (Mooncake 3s, else 0)" },
	{ "seed", "N", cli_take_u64, AT(seed), 0, 0x1p63, "of everything random (1)" },
	{ "json", "FILE", cli_take_text, AT(json), 0, 0, "write JSON (- is standard output)" },
	{ "html", "FILE", cli_take_text, AT(html), 0, 0, "write a page with plots" },
	{ "commit", "ID", cli_take_text, AT(commit), 0, 0,
	  "of the program, to be noted in JSON and page" },
	{ "threads", "N", cli_take_u32, AT(threads), 1, 1024, "runs at once (all cores)" },
	{ "quiet", NULL, cli_take_true, AT(quiet), 0, 0, "no progress bar" },
	{ "list", NULL, cli_take_true, AT(list), 0, 0, "list policies and profiles, and end" },
};

static const struct cli cli = {
	.command = "sluice-bench whatif",
	.usage = "--trace FILE [OPTION...]\n\n"
	         "Simulates what a fleet would do with this traffic, routed by the gateway's own\n"
	         "router and, to compare, by the policies of other projects.",
	.options = rows,
	.n_options = SL_COUNT(rows),
	.epilog = generate_help,
};

/* ---- checking --------------------------------------------------------------- */

static int check_fleet(const struct options *o)
{
	uint32_t slow = 0;

	if (o->prefill + o->decode > o->engines)
		return cli_error(&cli, "prefill", NULL, "and --decode are more than --engines");
	if (o->prefill && o->prefill == o->engines)
		return cli_error(&cli, "prefill", NULL, "leaves nobody to decode");
	if (o->prefill && !o->decode)
		return cli_error(&cli, "prefill", NULL,
		                 "needs --decode: who takes what was prefilled?");
	for (uint32_t i = 0; i < o->n_slow; i++)
		slow += o->slow[i].count;
	if (slow > o->engines)
		return cli_error(&cli, "slow", NULL, "names more engines than there are");
	for (uint32_t i = 0; i < o->n_fail; i++)
		if (o->fail[i].engine >= o->engines)
			return cli_error(&cli, "fail", NULL,
			                 "names an engine that is not there; they count from 0");
	return OPTIONS_RUN;
}

/* A plan tries fleets of its own, of engines that are alike. */
static int check_plan(const struct options *o)
{
	if (o->plan && o->html)
		return cli_error(&cli, "plan", NULL, "has no page: leave out --html");
	if (o->plan && (o->n_slow || o->n_fail || o->n_join))
		return cli_error(&cli, "plan", NULL,
		                 "is of equal engines: leave out --slow, --fail and --join");
	return OPTIONS_RUN;
}

static int read_profile(struct options *o)
{
	const struct sl_profile *known = sl_profile_find(o->profile_name);
	char err[256];

	if (known) {
		o->profile = *known;
		return 0;
	}
	if (profile_file_read(o->profile_name, err, sizeof(err), &o->profile) < 0) {
		fprintf(stderr, "sluice-bench whatif: %s\n", err);
		return 2;
	}
	o->profile_owned = true;
	return 0;
}

static int check_memory(const struct options *o)
{
	if (o->profile.kv_capacity_tokens * o->kv_factor < MIN_KV_TOKENS)
		return cli_error(&cli, "kv-factor", NULL, "leaves an engine less than 1024 tokens");
	return OPTIONS_RUN;
}

static void list_all(void)
{
	printf("policies:\n");
	for (size_t k = 0; policy_at(k); k++)
		printf("  %-22s %s\n", policy_at(k)->name, policy_at(k)->origin);
	printf("profiles:\n");
	for (size_t k = 0; sl_profile_at(k); k++)
		printf("  %s\n", sl_profile_at(k)->name);
}

void options_fini(struct options *o)
{
	if (o->profile_owned)
		profile_file_fini(&o->profile);
}

static int check(struct options *o)
{
	int status;

	if (o->list) {
		list_all();
		return 0;
	}
	if (!o->trace)
		return cli_error(&cli, "trace", NULL, "is missing; --help lists the options");
	if (o->compare)
		o->policy = "all";
	status = check_fleet(o);
	if (status == OPTIONS_RUN)
		status = check_plan(o);
	if (status != OPTIONS_RUN)
		return status;
	if (read_profile(o))
		return 2;
	status = check_memory(o);
	if (status != OPTIONS_RUN)
		options_fini(o);
	return status;
}

int options_parse(int argc, char **argv, struct options *out)
{
	struct options o = {
		.engines = 16,
		.profile_name = "llama3-8b-h100",
		.kv_factor = 1,
		.transfer_gb_per_s = 20,
		.transfer_latency_ms = 2,
		.rate_factor = 1,
		.policy = POLICY_OURS,
		.good_share = 0.95,
		.replicas = 1,
		.replica_delay_us = 5000,
		.slo_ttft_ms = 5000,
		.slo_tpot_ms = 50,
		.spread_us = -1,
		.seed = 1,
		.commit = "",
	};
	int status = cli_parse(&cli, argc, argv, &o);

	if (status == CLI_RUN)
		status = check(&o);
	if (status == OPTIONS_RUN)
		*out = o;
	return status;
}

/* ---- what was asked for ----------------------------------------------------- */

static void add_role(const struct options *o, struct fleet *f, enum sl_role role, uint32_t count)
{
	struct fleet_engine engine = {
		.role = role, .profile = &o->profile, .slow = 1, .kv_factor = o->kv_factor
	};

	if (count)
		fleet_add(f, engine, count);
}

void options_fleet(const struct options *o, struct fleet *out_fleet)
{
	uint32_t next = 0;

	fleet_init(out_fleet);
	out_fleet->transfer_latency_ms = o->transfer_latency_ms;
	out_fleet->transfer_bytes_per_ms = o->transfer_gb_per_s * 1e6;
	add_role(o, out_fleet, SL_ROLE_PREFILL, o->prefill);
	add_role(o, out_fleet, SL_ROLE_DECODE, o->decode);
	add_role(o, out_fleet, SL_ROLE_BOTH, o->engines - o->prefill - o->decode);
	for (uint32_t i = 0; i < o->n_slow; i++)
		for (uint32_t k = 0; k < o->slow[i].count; k++)
			out_fleet->engines[next++].slow = o->slow[i].factor;
	for (uint32_t i = 0; i < o->n_fail; i++) {
		const struct options_fail *fail = &o->fail[i];

		fleet_outage_add(out_fleet, (struct fleet_outage){ fail->engine, fail->from_us,
		                                                   fail->from_us + fail->for_us });
	}
	for (uint32_t i = 0; i < o->n_join; i++)
		for (uint32_t k = 0; k < o->join[i].count; k++) {
			fleet_outage_add(out_fleet, (struct fleet_outage){ out_fleet->n, 0,
			                                                   o->join[i].at_us });
			add_role(o, out_fleet, o->decode ? SL_ROLE_DECODE : SL_ROLE_BOTH, 1);
		}
}

static const struct policy *find_span(const char *name, size_t len)
{
	for (size_t k = 0; policy_at(k); k++)
		if (strlen(policy_at(k)->name) == len && !strncmp(policy_at(k)->name, name, len))
			return policy_at(k);
	return NULL;
}

static bool is_listed(const struct policy **list, const struct policy *policy)
{
	while (*list && *list != policy)
		list++;
	return *list;
}

/* Names with commas between, each policy once. False after a message. */
static bool list_names(const char *names, const struct policy **list)
{
	size_t n = 0;

	for (const char *p = names; *p;) {
		size_t len = strcspn(p, ",");
		const struct policy *policy = find_span(p, len);

		if (len && !policy) {
			fprintf(stderr, "%s: there is no policy '%.*s'; --list names all\n",
			        cli.command, (int)len, p);
			return false;
		}
		if (policy && !is_listed(list, policy))
			list[n++] = policy;
		p += len + (p[len] == ',');
	}
	if (!n)
		fprintf(stderr, "%s: --policy names nobody; --list names all\n", cli.command);
	return n;
}

const struct policy **options_policies(const struct options *o)
{
	const struct policy **list;
	size_t n = 0;

	while (policy_at(n))
		n++;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		abort();
	if (!strcmp(o->policy, "all")) {
		while (n-- > 0)
			list[n] = policy_at(n);
	} else if (!list_names(o->policy, list)) {
		free(list);
		return NULL;
	}
	return list;
}

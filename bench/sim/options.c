/* options.c: the command line, as a table. */
#include "bench/sim/options.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

enum kind {
	ADDRESS,
	WORD,
	MODEL,
	ALIAS,
	LORAS,
	ROLE,
	PROFILE,
	NUMBER,
	COUNT,
	DURATION,
	STOP,
	DIALECT,
	GPU_KIND,
	PODS,
	ON,
	OFF
};

#define AT(member) offsetof(struct sl_sim_options, member)

static const struct option_rule {
	const char *name;
	enum kind kind;
	size_t at;
	const char *value, *text;
} rules[] = {
	{ "--listen", ADDRESS, AT(listen), "ADDR:PORT", "first engine's address (127.0.0.1:9001)" },
	{ "--count", COUNT, AT(count), "N", "engines, on consecutive ports (1)" },
	{ "--admin", ADDRESS, AT(admin), "ADDR:PORT", "/sim paths of all engines: ?engine=K" },
	{ "--role", ROLE, AT(role), "ROLE", "prefill, decode or both (both); shown, not enforced" },
	{ "--model", MODEL, 0, "NAME", "served model (sim-model)" },
	{ "--alias", ALIAS, 0, "NAME", "another name for it; may be repeated" },
	{ "--lora", LORAS, 0, "NAME,...", "adapters of the model; may be repeated" },
	{ "--max-loras", COUNT, AT(max_loras), "N", "adapters that run at once (1)" },
	{ "--lora-load", DURATION, AT(lora_load_us), "TIME", "to load one, at speed 1 (100ms)" },
	{ "--profile", PROFILE, AT(profile), "NAME", "model and GPU to imitate (llama3-8b-h100)" },
	{ "--speed", NUMBER, AT(speed), "X", "times faster than real (1)" },
	{ "--fast", ON, AT(fast), NULL, "no model, no KV cache: fixed answers at once" },
	{ "--fast-tokens", COUNT, AT(fast_tokens), "N", "events of a fast stream (16)" },
	{ "--block-size", COUNT, AT(block_tokens), "TOKENS", "of a KV block (16)" },
	{ "--kv-blocks", COUNT, AT(kv_blocks), "N", "KV cache (by the profile)" },
	{ "--max-model-len", COUNT, AT(max_model_len), "TOKENS", "prompt and answer (131072)" },
	{ "--max-num-seqs", COUNT, AT(max_seqs), "N", "running at once (by the profile)" },
	{ "--max-batched-tokens", COUNT, AT(step_tokens), "N", "per step (by the profile)" },
	{ "--max-queued", COUNT, AT(max_queued), "N", "waiting requests, 503 beyond (no limit)" },
	{ "--no-connector", OFF, AT(connector), NULL, "no KV connector: no hand-offs" },
	{ "--lease", DURATION, AT(lease_us), "TIME", "how long a hand-off is kept (30s)" },
	{ "--handshake-timeout", DURATION, AT(handshake_us), "TIME", "for a dead peer (5s)" },
	{ "--kv-version", WORD, AT(kv_version), "TEXT", "engines hand off to equal ones only" },
	{ "--advertise", WORD, AT(advertise), "HOST", "remote_host in hand-offs (listen host)" },
	{ "--transfer-latency", NUMBER, AT(transfer_latency_ms), "MS", "of a hand-off (2)" },
	{ "--transfer-rate", NUMBER, AT(transfer_gb_per_s), "GB/S", "of a hand-off (20)" },
	{ "--keep-alive", DURATION, AT(keep_alive_us), "TIME", "idle connections close (5s)" },
	{ "--api-key", WORD, AT(api_key), "KEY", "required for /v1 paths" },
	{ "--dialect", DIALECT, AT(dialect), "NAME", "whose pages: see below (vllm)" },
	{ "--metrics-offset", COUNT, AT(metrics_offset), "N", "Triton's page: port + N (--count)" },
	{ "--metrics-bytes", COUNT, AT(metrics_bytes), "N", "make pages as large as that" },
	{ "--gpu-exporter", ADDRESS, AT(gpu_exporter), "ADDR:PORT", "page of the engines' GPUs" },
	{ "--gpu-kind", GPU_KIND, AT(gpu_kind), "KIND", "dcgm, dcgm-new, amd or ascend (dcgm)" },
	{ "--gpus-per-engine", COUNT, AT(gpus_per_engine), "N", "GPUs of an engine (1)" },
	{ "--gpu-host", WORD, AT(gpu_host), "NAME", "its hostname label (sim-node-0)" },
	{ "--gpu-pods", PODS, AT(gpu_pods), "NS/PREFIX", "pod labels: engine K is PREFIX-K" },
	{ "--gpu-defaults", OFF, AT(gpu_all), NULL, "only what the exporter shows by default" },
	{ "--on-stop", STOP, AT(on_stop), "HOW", "exit, abort, stall or drain on SIGTERM (exit)" },
};

static const char *const dialects[] = { "vllm",     "vllm-0.10", "sglang", "trtllm", "tgi",
	                                "llamacpp", "ollama",    "triton", "kserve" };

static void print_help(void)
{
	puts("usage: sluice-bench engine [OPTION...]\n\n"
	     "Simulated engines that imitate vLLM 0.32 on the wire, with the pages of any\n"
	     "engine.\n");
	for (size_t i = 0; i < SL_COUNT(rules); i++)
		printf("  %-20s %-10s %s\n", rules[i].name, rules[i].value ? rules[i].value : "",
		       rules[i].text);
	printf("\nProfiles:");
	for (size_t k = 0; sl_profile_at(k); k++)
		printf(" %s", sl_profile_at(k)->name);
	printf("\nDialects:");
	for (size_t k = 0; k < SL_COUNT(dialects); k++)
		printf(" %s", dialects[k]);
	puts("\n\nPrints `ready ADDR:FIRST-LAST` when all engines listen.");
}

bool sl_sim_duration_read(const char *text, uint64_t *out_us)
{
	static const struct {
		const char *unit;
		double us;
	} units[] = { { "", 1e6 }, { "s", 1e6 }, { "ms", 1e3 }, { "us", 1 }, { "m", 6e7 } };
	char *end;
	double value = strtod(text, &end);

	if (end == text || !(value >= 0 && value < 1e9))
		return false;
	for (size_t i = 0; i < SL_COUNT(units); i++)
		if (strcmp(end, units[i].unit) == 0) {
			*out_us = (uint64_t)(value * units[i].us);
			return true;
		}
	return false;
}

bool sl_sim_address_read(const char *text, struct sl_sim_address *out)
{
	const char *colon = strrchr(text, ':');
	struct sl_sim_address address = { .port = 0 };
	struct in_addr ip;
	char *end;
	long port;

	if (!colon || (size_t)(colon - text) >= sizeof(address.host))
		return false;
	memcpy(address.host, text, (size_t)(colon - text));
	port = strtol(colon + 1, &end, 10);
	if (*end || end == colon + 1 || port < 1 || port > 65535)
		return false;
	if (inet_pton(AF_INET, address.host, &ip) != 1)
		return false;
	address.port = (uint16_t)port;
	*out = address;
	return true;
}

/* The number of the word among n. */
static bool read_word(const char *const *words, unsigned n, const char *text, unsigned *out)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(text, words[i]) == 0) {
			*out = i;
			return true;
		}
	return false;
}

bool sl_sim_stop_read(const char *text, enum sl_sim_stop *out)
{
	static const char *const names[] = { "exit", "abort", "stall", "drain" };
	unsigned i;

	if (!read_word(names, SL_COUNT(names), text, &i))
		return false;
	*out = (enum sl_sim_stop)i;
	return true;
}

static bool read_gpu_kind(const char *text, enum sl_sim_gpu_kind *out)
{
	static const char *const names[] = { "dcgm", "dcgm-new", "amd", "ascend" };
	unsigned i;

	if (!read_word(names, SL_COUNT(names), text, &i))
		return false;
	*out = (enum sl_sim_gpu_kind)i;
	return true;
}

static bool read_dialect(const char *text, enum sl_sim_dialect_id *out)
{
	unsigned i;

	if (!read_word(dialects, SL_COUNT(dialects), text, &i))
		return false;
	*out = (enum sl_sim_dialect_id)i;
	return true;
}

static bool read_role(const char *text, enum sl_role *out)
{
	if (strcmp(text, "prefill") == 0)
		*out = SL_ROLE_PREFILL;
	else if (strcmp(text, "decode") == 0)
		*out = SL_ROLE_DECODE;
	else if (strcmp(text, "both") == 0)
		*out = SL_ROLE_BOTH;
	else
		return false;
	return true;
}

static bool read_count(const char *text, uint32_t *out)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || end == text || value < 1 || value > 100000000)
		return false;
	*out = (uint32_t)value;
	return true;
}

static bool read_number(const char *text, double *out)
{
	char *end;
	double value = strtod(text, &end);

	if (*end || end == text || !(value > 0 && value < 1e12))
		return false;
	*out = value;
	return true;
}

static bool read_profile(const char *text, const struct sl_profile **out)
{
	*out = sl_profile_find(text);
	return *out != NULL;
}

static bool add_alias(struct sl_sim_options *opt, const char *name)
{
	if (opt->n_models == SL_SIM_MAX_MODELS)
		return false;
	opt->models[opt->n_models++] = name;
	return true;
}

static bool add_loras(struct sl_sim_options *opt, const char *names)
{
	for (;;) {
		size_t len = strcspn(names, ",");

		if (!len || opt->n_loras == SL_SIM_MAX_ADAPTERS)
			return false;
		opt->loras[opt->n_loras++] = sl_span(names, len);
		if (!names[len])
			return true;
		names += len + 1;
	}
}

static bool set_option(struct sl_sim_options *opt, const struct option_rule *rule,
                       const char *value)
{
	void *to = (char *)opt + rule->at;

	switch (rule->kind) {
	case ADDRESS:
		return sl_sim_address_read(value, to);
	case WORD:
		*(const char **)to = value;
		return true;
	case MODEL:
		opt->models[0] = value;
		return true;
	case ALIAS:
		return add_alias(opt, value);
	case LORAS:
		return add_loras(opt, value);
	case ROLE:
		return read_role(value, to);
	case PROFILE:
		return read_profile(value, to);
	case NUMBER:
		return read_number(value, to);
	case COUNT:
		return read_count(value, to);
	case DURATION:
		return sl_sim_duration_read(value, to);
	case STOP:
		return sl_sim_stop_read(value, to);
	case DIALECT:
		return read_dialect(value, to);
	case GPU_KIND:
		return read_gpu_kind(value, to);
	case PODS:
		*(const char **)to = value;
		return strchr(value, '/') != NULL;
	case ON:
	case OFF:
		*(bool *)to = rule->kind == ON;
		return true;
	}
	return false;
}

static void set_defaults(struct sl_sim_options *opt)
{
	*opt = (struct sl_sim_options){
		.listen = { "127.0.0.1", 9001 },
		.count = 1,
		.models = { "sim-model" },
		.n_models = 1,
		.max_loras = 1,
		.lora_load_us = 100000,
		.profile = sl_profile_find("llama3-8b-h100"),
		.speed = 1,
		.block_tokens = 16,
		.max_model_len = 131072,
		.lease_us = 30000000,
		.handshake_us = 5000000,
		.keep_alive_us = 5000000,
		.kv_version = "sim-1",
		.transfer_latency_ms = 2,
		.transfer_gb_per_s = 20,
		.connector = true,
		.fast_tokens = 16,
		.gpus_per_engine = 1,
		.gpu_host = "sim-node-0",
		.gpu_all = true,
	};
}

#define MAX_GPUS_PER_ENGINE 64

static bool is_in_range(const struct sl_sim_options *opt)
{
	uint32_t last_port = opt->listen.port + opt->count - 1;

	if (opt->dialect == SL_SIM_TRITON)
		last_port += opt->metrics_offset;
	return opt->kv_blocks >= 2 && opt->count <= SL_SIM_MAX_ENGINES && last_port <= 65535 &&
	       opt->metrics_offset <= 65535 && opt->gpus_per_engine <= MAX_GPUS_PER_ENGINE;
}

/* What depends on the profile, and what must fit together: a single request
 * of the greatest length has to fit the cache. */
static bool complete(struct sl_sim_options *opt)
{
	const struct sl_profile *p = opt->profile;
	uint64_t room;

	if (!p) {
		fprintf(stderr, "sluice-bench engine: no such profile is built in\n");
		return false;
	}
	if (!opt->kv_blocks)
		opt->kv_blocks = (uint32_t)(p->kv_capacity_tokens / opt->block_tokens) + 1;
	if (!opt->max_seqs)
		opt->max_seqs = p->max_seqs;
	if (!opt->step_tokens)
		opt->step_tokens = p->chunk_tokens;
	if (opt->step_tokens < opt->max_seqs)
		opt->step_tokens = opt->max_seqs;
	room = ((uint64_t)opt->kv_blocks - 1) * opt->block_tokens;
	if (opt->max_model_len > room)
		opt->max_model_len = (uint32_t)room;
	if (opt->max_loras > SL_SIM_MAX_ADAPTERS)
		opt->max_loras = SL_SIM_MAX_ADAPTERS;
	if (!opt->metrics_offset)
		opt->metrics_offset = opt->count;
	if (!is_in_range(opt)) {
		fprintf(stderr, "sluice-bench engine: --kv-blocks, --count, --listen, "
		                "--metrics-offset or --gpus-per-engine is out of range\n");
		return false;
	}
	if (!opt->advertise)
		opt->advertise = opt->listen.host;
	return true;
}

static const struct option_rule *find_rule(const char *name)
{
	for (size_t i = 0; i < SL_COUNT(rules); i++)
		if (strcmp(name, rules[i].name) == 0)
			return &rules[i];
	return NULL;
}

int sl_sim_options_read(struct sl_sim_options *opt, int argc, char **argv, bool *out_run)
{
	*out_run = false;
	set_defaults(opt);
	for (int i = 1; i < argc; i++) {
		const struct option_rule *rule = find_rule(argv[i]);
		const char *value = "";

		if (strcmp(argv[i], "--help") == 0) {
			print_help();
			return 0;
		}
		if (rule && rule->value)
			value = argv[++i]; /* NULL behind the last */
		if (!rule || !value || !set_option(opt, rule, value)) {
			fprintf(stderr, "sluice-bench engine: bad option %s%s%s\n",
			        rule ? rule->name : argv[i], value && *value ? " " : "",
			        value ? value : "");
			return 2;
		}
	}
	if (!complete(opt))
		return 2;
	*out_run = true;
	return 0;
}

/* route.h: the routing brain. Pure: no clock, thread, socket, log or lock.
 *
 * A router holds the state of one routing domain: the endpoints that can
 * serve the same models, what each of them probably has cached, what has been
 * dispatched to them, and what was learned about their speed. The caller
 * holds one lock around every call and passes the time. Times are monotonic
 * microseconds, durations in the cost model are milliseconds.
 *
 * Formulas and constants: docs/routing.md. */
#ifndef SLUICE_ROUTE_H
#define SLUICE_ROUTE_H

#include "sluice/err.h"
#include "sluice/facts.h"

enum sl_role {
	SL_ROLE_BOTH,    /* prefills and decodes its own requests */
	SL_ROLE_PREFILL, /* only prefill legs */
	SL_ROLE_DECODE,  /* decode legs; prefills locally when that is cheaper */
};

enum sl_health {
	SL_HEALTH_UNKNOWN, /* not probed yet: may be used when nothing better is there */
	SL_HEALTH_HEALTHY,
	SL_HEALTH_DEGRADED,  /* used, but no new prefills if others are there */
	SL_HEALTH_UNHEALTHY, /* never used */
};

/* Engine constants of the step-time equation (routing.md):
 *   T_step = o + lin(tokens) + sum_prefill b*c*(h + c/2) + [decode] d0 + d1*ctx */
#define SL_LIN_POINTS 11
struct sl_profile {
	const char *name; /* "llama3-8b-h100" */
	double o_ms;
	double lin_tokens[SL_LIN_POINTS]; /* ascending; interpolated, extrapolated by the last slope
	                                   */
	double lin_ms[SL_LIN_POINTS];
	double b_ms_per_token2;
	double d0_ms;
	double d1_ms_per_token;
	double kv_bytes_per_token;
	double kv_capacity_tokens; /* until the engine's own figure is scraped */
	uint32_t chunk_tokens;     /* max_num_batched_tokens */
	uint32_t max_seqs;
};
/* Borrowed, static; NULL if there is none of that name. */
const struct sl_profile *sl_profile_find(const char *name);
/* The k-th profile for listings, NULL past the end. */
const struct sl_profile *sl_profile_at(size_t k);
/* ms for `tokens` tokens through the linear layers. */
double sl_profile_lin_ms(const struct sl_profile *p, double tokens);
/* ms to prefill `fresh` tokens behind `cached` ones, F = 1. */
double sl_profile_prefill_ms(const struct sl_profile *p, double fresh, double cached);
/* ms of one decode step of `seqs` sequences with `ctx` tokens in total. */
double sl_profile_step_ms(const struct sl_profile *p, double seqs, double ctx);

enum sl_policy {
	SL_POLICY_COST, /* the cost model; default */
	SL_POLICY_ROUND_ROBIN,
	SL_POLICY_RANDOM,
	SL_POLICY_LEAST_REQUEST,
	SL_POLICY_CONSISTENT_HASH, /* bounded-load rendezvous on the session or the prompt */
};

struct sl_router_options {
	const struct sl_profile *profile; /* borrowed for the router's life */
	enum sl_policy policy;
	double weight_ttft;                      /* 1 */
	double weight_stall;                     /* 0.12 */
	double weight_decode;                    /* 0.15 */
	double weight_cache;                     /* 1 */
	double transfer_latency_ms;              /* 2 */
	double transfer_bytes_per_ms;            /* 20e6 = 20 GB/s */
	double bytes_per_token;                  /* starting value, 4; then learned per model */
	double adapter_load_ms;                  /* an adapter (LoRA) onto the GPU, 100 */
	uint32_t index_max_entries_per_endpoint; /* bound on memory, 65536 */
	uint64_t index_seed;                     /* random in production: keeps clients from aiming
	                                          * prompts at one hash bucket; only _new reads it */
};
void sl_router_options_default(struct sl_router_options *opt);

struct sl_router;
struct sl_router *sl_router_new(const struct sl_router_options *opt);
void sl_router_free(struct sl_router *r);
/* New options for future decisions; state is kept. */
void sl_router_set_options(struct sl_router *r, const struct sl_router_options *opt);

/* ---- endpoints ------------------------------------------------------- */

#define SL_MAX_ENDPOINTS 16384
#define SL_NO_ENDPOINT UINT32_MAX

struct sl_endpoint_spec {
	enum sl_role role;
	uint32_t kv_group;       /* prefill and decode must agree; 0 is a group too */
	uint32_t max_concurrent; /* live requests; 0: no limit */
	bool remote_prefill;     /* a connector for hand-offs is configured */
	bool gateway;            /* no engine, but another gateway */
	uint32_t cluster;        /* below SL_MAX_CLUSTERS; 0: in none */
	/* After it was unhealthy, or restarted: the time in which its live requests
	 * may grow from one to as many as it gets, while others can have them. */
	uint64_t slow_start_us;
	/* A hash of its name, the same on every gateway, so that they agree where
	 * a prompt belongs; 0: they need not, its slot will do. */
	uint64_t identity;
};

/* A free slot number, kept until _del is complete; SL_NO_ENDPOINT if all
 * SL_MAX_ENDPOINTS are taken. */
uint32_t sl_router_endpoint_add(struct sl_router *r, const struct sl_endpoint_spec *spec);
/* Role, group or limits changed by a reload; knowledge is kept. */
void sl_router_endpoint_update(struct sl_router *r, uint32_t ep,
                               const struct sl_endpoint_spec *spec);
/* No longer a candidate; the slot is reused when its last ticket has ended. */
void sl_router_endpoint_del(struct sl_router *r, uint32_t ep);
/* After UNHEALTHY it starts like a new one: its cache is taken for empty. */
void sl_router_endpoint_health(struct sl_router *r, uint32_t ep, enum sl_health health,
                               uint64_t now_us);
/* The same for one that was out for how it served while its process lived on:
 * its cache is what it was. */
void sl_router_endpoint_return(struct sl_router *r, uint32_t ep, enum sl_health health,
                               uint64_t now_us);
void sl_router_endpoint_drain(struct sl_router *r, uint32_t ep, bool draining);
/* Its GPUs run slower than they usually do by this factor, 1 .. SL_DERATE_MAX: F
 * is that much more at once, and what is learned is what remains beside it. */
#define SL_DERATE_MAX 8.0
void sl_router_endpoint_derate(struct sl_router *r, uint32_t ep, double factor);
/* The engine was restarted: its cache and in-flight corrections are void. */
void sl_router_endpoint_restarted(struct sl_router *r, uint32_t ep);
/* Which models it serves: ids from sl_router_model. Replaces the former set. */
void sl_router_endpoint_models(struct sl_router *r, uint32_t ep, const uint32_t *models,
                               uint32_t n);

/* Interns a model name; ids are dense and stay for the router's life. Names
 * come from engines, so there is an end: SL_NO_MODEL, which nobody serves. */
#define SL_MAX_MODELS 65536
#define SL_NO_MODEL UINT32_MAX
uint32_t sl_router_model(struct sl_router *r, struct sl_span name);
/* This model is an adapter (LoRA) of another one: engines load it when it is
 * asked for, and compute few of them at once. No model is, unless told so. */
void sl_router_model_adapter(struct sl_router *r, uint32_t model, bool adapter);
/* How engines are chosen for it; NULL: as the router's options say. */
void sl_router_model_policy(struct sl_router *r, uint32_t model, const enum sl_policy *policy);

/* ---- clusters --------------------------------------------------------- */

#define SL_MAX_CLUSTERS 64

/* By cluster number; number 0 is for endpoints outside any cluster. */
struct sl_clusters {
	uint32_t n;
	uint32_t priority[SL_MAX_CLUSTERS]; /* the lowest goes first; equal ones share */
	uint64_t failback_us; /* how long a better cluster is ready before it is returned to */
	uint64_t ramp_us;     /* time in which its share of new requests then grows to all */
};
void sl_router_clusters(struct sl_router *r, const struct sl_clusters *clusters);
/* The clusters that may serve a model, a bit each: a hard filter. All, unless
 * told otherwise. */
void sl_router_model_clusters(struct sl_router *r, uint32_t model, uint64_t allowed);

/* A scrape. Absent numbers are negative. It only corrects our own accounting. */
struct sl_load_sample {
	uint64_t taken_us;
	double running;
	double waiting;
	double kv_usage; /* 0..1 */
	double kv_capacity_tokens;
	double prefix_hit_tokens; /* counters */
	double prefix_query_tokens;
};
void sl_router_endpoint_sample(struct sl_router *r, uint32_t ep, const struct sl_load_sample *s,
                               uint64_t now_us);

/* The adapters that an engine says it works on: names, separated by commas.
 * What the endpoint lists of them are adapters; other names are ignored. */
struct sl_adapter_sample {
	uint64_t taken_us;
	double max_adapters; /* at once; absent: negative */
	struct sl_span running, waiting;
};
void sl_router_endpoint_adapters(struct sl_router *r, uint32_t ep,
                                 const struct sl_adapter_sample *s);

/* ---- other gateways -------------------------------------------------- */

/* Work in progress on an endpoint, as a whole. */
struct sl_load {
	uint32_t inflight;
	uint32_t prefilling;
	uint32_t seqs;
	uint64_t queue_us; /* prefill time that is still ahead */
	uint64_t context_tokens;
};

/* What this gateway has there; false if the endpoint is gone. */
bool sl_router_own_load(const struct sl_router *r, uint32_t ep, uint64_t now_us,
                        struct sl_load *out_load);

/* What another gateway has there, in place of what it said before; believed
 * until until_us. peer: any number that names it. Beyond SL_MAX_PEERS with
 * work on one endpoint the rest is ignored. */
#define SL_MAX_PEERS 256
void sl_router_peer_load(struct sl_router *r, uint32_t ep, uint64_t peer,
                         const struct sl_load *load, uint64_t until_us, uint64_t now_us);
/* It has nothing anywhere any more. */
void sl_router_peer_forget(struct sl_router *r, uint64_t peer, uint64_t now_us);

/* Another gateway dispatched a prompt with these block hashes, the first ones
 * of its chain, at most SL_MAX_SHARED_BLOCKS. */
#define SL_MAX_SHARED_BLOCKS 4096
void sl_router_peer_blocks(struct sl_router *r, uint32_t ep, const uint64_t *hashes, uint32_t n,
                           double tokens_per_byte);

/* What was dispatched here and was new to the index. */
struct sl_block_run {
	uint32_t ep;
	uint32_t first, count; /* in hashes */
	double tokens_per_byte;
};
struct sl_block_log {
	struct sl_block_run *runs; /* owned */
	uint64_t *hashes;          /* owned */
	uint32_t n_runs, n_hashes;
	uint32_t cap_runs, cap_hashes;
	uint64_t dropped; /* runs that were overwritten before anybody took the log */
};
/* max_hashes is at least SL_MAX_SHARED_BLOCKS. */
struct sl_block_log *sl_block_log_new(uint32_t max_runs, uint32_t max_hashes);
void sl_block_log_free(struct sl_block_log *log);
/* The router fills this log from now on and owns it, NULL: none. Returns the
 * one that it filled until now, for the caller to read and free or give back. */
struct sl_block_log *sl_router_swap_block_log(struct sl_router *r, struct sl_block_log *log_take);

/* What /fleet and the metrics show of an endpoint. */
struct sl_endpoint_view {
	struct sl_endpoint_spec spec;
	enum sl_health health;
	bool draining;
	uint32_t inflight;       /* live tickets here, both legs */
	uint32_t prefilling;     /* of them without a first token */
	uint32_t peers_inflight; /* of other gateways */
	double queue_ms;         /* Q_i */
	double context_tokens;   /* K_i */
	double kv_capacity_tokens;
	double kv_usage;          /* last scrape, or -1 */
	double slowness;          /* F_i, derating included */
	double derate;            /* the GPUs' part of it */
	double slowness_seen;     /* the same without belief in 1 */
	double slowness_evidence; /* for it, in samples */
	bool slow_start;
	double gamma; /* prefix-hit correction */
	uint32_t index_entries;
	uint64_t index_bytes;
	uint64_t dispatched; /* totals */
	uint64_t hit_tokens_predicted;
	uint32_t adapters_loaded; /* probably */
	uint32_t max_adapters;    /* that it computes at once; 0: not known */
};
bool sl_router_endpoint_view(const struct sl_router *r, uint32_t ep, uint64_t now_us,
                             struct sl_endpoint_view *out);

/* What is learned of a model. */
struct sl_model_view {
	double bytes_per_token;
	double output_tokens; /* ô */
	uint64_t requests;
	uint64_t clusters; /* that its requests go to first, a bit each */
};
bool sl_router_model_view(const struct sl_router *r, uint32_t model, struct sl_model_view *out);
uint64_t sl_router_index_bytes(const struct sl_router *r);

/* ---- decisions ------------------------------------------------------- */

enum sl_placement {
	SL_PLACE_NONE,
	SL_PLACE_AGGREGATED, /* one engine of role both */
	SL_PLACE_LOCAL,      /* a decode engine prefills for itself */
	SL_PLACE_REMOTE,     /* a prefill engine, then a decode engine */
};

#define SL_MAX_EXCLUDED 8

struct sl_query {
	uint32_t model;
	const struct sl_facts *facts;
	uint64_t session;   /* the conversation's name, and the model's, hashed; 0: none */
	bool single_engine; /* several prompts in one body: no remote placement */
	bool no_decode;     /* embeddings: prefill only, decode terms are 0 */
	bool no_gateways;   /* it came from a gateway, and goes to no other */
	/* Endpoints that failed this request already; never chosen. */
	uint32_t excluded[SL_MAX_EXCLUDED];
	uint32_t n_excluded;
	/* Prefill is done elsewhere and still valid: choose only a decode
	 * engine of this group (prefill_ep names who holds the blocks). */
	bool decode_only;
	uint32_t prefill_ep;
	/* Choose only a prefill engine for this decode engine (a prefill retry). */
	uint32_t pinned_decode; /* or SL_NO_ENDPOINT */
	/* Age of what we know of other gateways' work; 0: alone or fresh. */
	uint64_t staleness_us;
};
void sl_query_init(struct sl_query *q, uint32_t model, const struct sl_facts *facts);

/* A name as a number, for `session` and `identity`: the same on every gateway,
 * never 0. seed: 0, or the hash of the name before it. */
uint64_t sl_name_hash(uint64_t seed, struct sl_span name);

/* Why a candidate was not considered. */
enum sl_filter {
	SL_FILTER_NONE,
	SL_FILTER_MODEL,
	SL_FILTER_ROLE,
	SL_FILTER_HEALTH,
	SL_FILTER_DRAINING,
	SL_FILTER_EXCLUDED,
	SL_FILTER_KV_GROUP,
	SL_FILTER_FULL,
	SL_FILTER_CLUSTER, /* not allowed there, or another cluster goes first */
	SL_FILTER_SLOW_START,
	SL_FILTER_COUNT
};
const char *sl_filter_name(enum sl_filter f);
const char *sl_placement_name(enum sl_placement p);

/* One placement that was priced, its terms in ms (unweighted). */
struct sl_candidate {
	enum sl_placement placement;
	uint32_t prefill_ep; /* == decode_ep unless remote */
	uint32_t decode_ep;
	double hit_tokens;  /* on the prefilling engine, after gamma */
	double queue_ms;    /* Q */
	double prefill_ms;  /* Tp */
	double memory_ms;   /* M */
	double transfer_ms; /* X, remote only */
	double stall_ms;    /* S */
	double cache_ms;    /* C */
	double decode_ms;   /* D */
	double step_ms;     /* tau until the first token; local and remote */
	double adapter_ms;  /* A: its load, and the wait for a slot */
	double cost_ms;
};

#define SL_KEPT_CANDIDATES 8
struct sl_decision {
	struct sl_candidate chosen;
	struct sl_candidate kept[SL_KEPT_CANDIDATES]; /* the best, cheapest first; the chosen one is
	                                                 among them */
	uint32_t n_kept;
	uint32_t n_priced;
	uint32_t filtered[SL_FILTER_COUNT]; /* endpoints dropped, per reason */
	double prompt_tokens;               /* estimate used */
	double output_tokens;               /* ô used */
	double predicted_ttft_ms;
	uint32_t runner_up; /* index in kept of the best other one, or n_kept */
	bool banded;        /* chosen at random within epsilon */
	bool moved;         /* from now on the model's requests go to this cluster first */
};

/* 0, or NO_ENDPOINT (nothing passes the filters), MODEL_NOT_FOUND (no
 * endpoint lists the model) or SATURATED (all that pass are at their
 * concurrency limit; or that is the only reason left). out_decision's
 * `filtered` is filled in in every case. */
SL_MUST_CHECK int sl_router_decide(struct sl_router *r, const struct sl_query *q, uint64_t now_us,
                                   struct sl_rng *rng, struct sl_decision *out_decision);

/* ---- accounting ------------------------------------------------------ */

/* A request's claim on one or two endpoints. Embedded in the caller's
 * object; the router links it, so it must not move while it is live. */
struct sl_ticket {
	struct sl_ticket *next, *prev; /* router's */
	bool live;
	enum sl_placement placement;
	uint32_t model;
	uint32_t prefill_ep, decode_ep;
	bool prefill_open; /* no first token / prefill answer yet */
	bool decode_open;
	bool handed; /* prefilled, and no token has come since */
	double prompt_tokens, output_tokens, hit_tokens, prefill_ms, transfer_ms;
	double predicted_ttft_ms, step_ms;
	uint64_t dispatched_us, prefilled_us, first_us;
	uint64_t prompt_bytes;
	uint32_t index_new; /* blocks that this dispatch inserted */

	/* The rest is the router's, for taking back and for learning. */
	struct sl_index_claim {
		uint32_t first, count, stamp;
	} prefill_blocks, decode_blocks; /* decode_blocks: remote only */
	uint32_t seqs;                   /* sequences it decodes */
	bool streamed;                   /* the first token will be seen */
	bool learn_bytes;                /* its usage tells bytes per token */
	bool learn_ttft;                 /* its prediction had no guesswork about memory */
	bool learn_leg;                  /* nor about adapters */
	bool adapter;                    /* its model is one */
	int64_t output_limit;            /* max_tokens, or -1 */
	double queue_ms, matched_tokens;
	double prefill_pace, decode_pace; /* scale x F that was predicted with */
	struct sl_session_mark {
		uint64_t key, boundary, cache; /* key 0: no turn of a session */
		uint32_t boundary_bytes;
	} session;
};

/* Charges the work and inserts the prompt's blocks at once, so that an equal
 * request right behind sees them. */
void sl_router_dispatch(struct sl_router *r, const struct sl_query *q, const struct sl_decision *d,
                        uint64_t now_us, struct sl_ticket *ticket);
/* Remote placement: the prefill leg has answered. */
void sl_router_prefilled(struct sl_router *r, struct sl_ticket *t, uint64_t now_us);
void sl_router_first_token(struct sl_router *r, struct sl_ticket *t, uint64_t now_us);

struct sl_outcome {
	int64_t prompt_tokens;     /* from usage; -1 unknown */
	int64_t cached_tokens;     /* -1 unknown; for remote: of the prefill leg */
	int64_t completion_tokens; /* -1 unknown */
};
/* Ended well. Learns; the ticket is no longer live. */
void sl_router_finish(struct sl_router *r, struct sl_ticket *t, const struct sl_outcome *outcome,
                      uint64_t now_us);
enum sl_blame {
	SL_BLAME_NONE = 0, /* client left, or it was moved */
	SL_BLAME_PREFILL = 1,
	SL_BLAME_DECODE = 2,
};
/* Ended badly: takes back the work, and the blocks on the endpoint that is
 * to blame (bits of sl_blame; facts as at dispatch, for the hashes). */
void sl_router_cancel(struct sl_router *r, struct sl_ticket *t, const struct sl_facts *facts,
                      unsigned blame, uint64_t now_us);

/* Prompt tokens estimated from bytes, with what was learned of the model. */
double sl_router_estimate_tokens(const struct sl_router *r, uint32_t model,
                                 const struct sl_facts *facts);

#endif

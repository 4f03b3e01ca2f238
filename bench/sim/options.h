/* options.h: what `sluice-bench engine` was asked to be. */
#ifndef SLUICE_SIM_OPTIONS_H
#define SLUICE_SIM_OPTIONS_H

#include "bench/sim/batch.h"
#include "sluice/route.h"

#define SL_SIM_MAX_MODELS 16
#define SL_SIM_MAX_ENGINES 4096

/* What an engine does about requests in flight when it is told to stop. */
enum sl_sim_stop {
	SL_SIM_STOP_EXIT,  /* sockets close at once */
	SL_SIM_STOP_ABORT, /* streams end with finish_reason "abort" and [DONE] */
	SL_SIM_STOP_STALL, /* says nothing more; sockets stay open until clients go */
	SL_SIM_STOP_DRAIN, /* finishes them; new requests get 500 */
};

/* Whose paths and pages an engine has. */
enum sl_sim_dialect_id {
	SL_SIM_VLLM,
	SL_SIM_VLLM_0_10,
	SL_SIM_SGLANG,
	SL_SIM_TRTLLM,
	SL_SIM_TGI,
	SL_SIM_LLAMACPP,
	SL_SIM_OLLAMA,
	SL_SIM_TRITON,
	SL_SIM_KSERVE,
	SL_SIM_N_DIALECTS
};

/* What a GPU exporter imitates. */
enum sl_sim_gpu_kind {
	SL_SIM_GPU_DCGM,
	SL_SIM_GPU_DCGM_NEW, /* the names since DCGM 4.6 */
	SL_SIM_GPU_AMD,
	SL_SIM_GPU_ASCEND,
};

struct sl_sim_address {
	char host[64]; /* numeric IPv4 */
	uint16_t port; /* 0: none */
};

struct sl_sim_options {
	struct sl_sim_address listen; /* of the first engine; the others follow */
	struct sl_sim_address admin;
	uint32_t count;
	enum sl_role role;
	const char
	        *models[SL_SIM_MAX_MODELS]; /* borrowed from argv; first the name, then aliases */
	uint32_t n_models;
	struct sl_span loras[SL_SIM_MAX_ADAPTERS]; /* borrowed from argv */
	uint32_t n_loras, max_loras;
	uint64_t lora_load_us;
	const struct sl_profile *profile;
	double speed;
	uint32_t block_tokens, kv_blocks, max_model_len, max_seqs, step_tokens;
	uint32_t max_queued; /* waiting requests before 503; 0: no limit */
	uint64_t lease_us, handshake_us, keep_alive_us;
	const char *kv_version; /* peers must have the same */
	const char *advertise;  /* remote_host in hand-offs; NULL: the listen host */
	const char *api_key;
	double transfer_latency_ms, transfer_gb_per_s;
	bool connector; /* a KV connector is configured */
	bool fast;
	uint32_t fast_tokens;
	enum sl_sim_stop on_stop;
	enum sl_sim_dialect_id dialect;
	uint32_t metrics_offset; /* from an engine's port to that of its page, where it has one */
	uint32_t metrics_bytes;  /* pages are made as large as that */
	struct sl_sim_address gpu_exporter;
	enum sl_sim_gpu_kind gpu_kind;
	uint32_t gpus_per_engine;
	const char *gpu_host; /* the label */
	const char *gpu_pods; /* "namespace/prefix": engine K is in pod prefix-K; or NULL */
	bool gpu_all;         /* with the families that have to be turned on */
};

/* 0, or an exit status (help, or a complaint was printed) with *out_run false. */
int sl_sim_options_read(struct sl_sim_options *opt, int argc, char **argv, bool *out_run);

/* "30s", "500ms", "2m", or plain seconds; false if it is none of them. */
SL_MUST_CHECK bool sl_sim_duration_read(const char *text, uint64_t *out_us);
SL_MUST_CHECK bool sl_sim_address_read(const char *text, struct sl_sim_address *out);
SL_MUST_CHECK bool sl_sim_stop_read(const char *text, enum sl_sim_stop *out);

#endif

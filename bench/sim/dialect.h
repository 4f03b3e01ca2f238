/* dialect.h: what an engine answers besides inference, by whose dialect it
 * speaks: a table of routes each. A *page* is a route whose numbers a scraper
 * reads; the faults of pages are theirs (pages.h). */
#ifndef SLUICE_SIM_DIALECT_H
#define SLUICE_SIM_DIALECT_H

#include "bench/sim/engine.h"

enum sl_sim_route_is {
	SL_SIM_GUARDED = 1,    /* by --api-key */
	SL_SIM_HEALTH = 2,     /* hang_health silences it */
	SL_SIM_PAGE = 4,       /* numbers: has `page` */
	SL_SIM_OTHER_PORT = 8, /* on the engine's port for its page */
	SL_SIM_GENERATION = 16 /* costs one, and a second: silent when the engine hangs */
};

/* One of answer, page and body. */
struct sl_sim_route {
	const char *path, *method, *also;
	unsigned is; /* enum sl_sim_route_is */
	const char *type;
	void (*answer)(struct sl_sim_conn *conn, struct sl_sim_engine *e);
	void (*page)(struct sl_sim_buf *b, struct sl_sim_engine *e);
	const char *body;
};

struct sl_sim_dialect {
	const char *prefix; /* of the inference routes */
	const char *fields; /* see struct sl_sim_conn_list */
	const struct sl_sim_route *routes;
	size_t n_routes;
	bool says_405;                      /* to a wrong method; or as to no such path */
	const char *nothing_type, *nothing; /* 404 */
	bool metrics_port;
};

const struct sl_sim_dialect *sl_sim_dialect(enum sl_sim_dialect_id id);

/* 200, or what the fault health_status says; nothing in it. */
void sl_sim_answer_health(struct sl_sim_conn *conn, struct sl_sim_engine *e);
/* The health_status in force, 200 without the fault. */
int sl_sim_health_status(const struct sl_sim_engine *e);

/* What several dialects say of themselves. */
struct sl_sim_numbers_now {
	uint32_t running, waiting;
	uint64_t kv_tokens, kv_used_tokens;
	double kv_usage, hit_rate;
};
struct sl_sim_numbers_now sl_sim_numbers_now(const struct sl_sim_engine *e);
/* OpenAI's list of models, short: id, object, created, owned_by, and `more`
 * (text, or "") in each. */
void sl_sim_answer_model_list(struct sl_sim_conn *conn, struct sl_sim_engine *e,
                              const char *owned_by, const char *more);

extern const struct sl_sim_dialect sl_sim_vllm, sl_sim_vllm_0_10, sl_sim_sglang, sl_sim_trtllm,
        sl_sim_tgi, sl_sim_llamacpp, sl_sim_ollama, sl_sim_triton, sl_sim_kserve;

#endif

/* prober_state.h: the inside of the prober: prober.c asks, prober_paths.c knows
 * where, prober_learn.c takes in what was answered. */
#ifndef SLUICE_CONTROL_PROBER_STATE_H
#define SLUICE_CONTROL_PROBER_STATE_H

#include "gateway/control/generate.h"
#include "gateway/control/prober.h"
#include "gateway/upstream/fetch.h"

/* A model list, or a page, that is not there is asked for again this often. */
#define PROBER_AGAIN_US 30000000u

enum probe_step { STEP_IDLE, STEP_DETECT, STEP_HEALTH, STEP_LOAD, STEP_MODELS, STEP_GENERATE };

struct sl_prober {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	const struct sl_prober_events *events;
	void *ctx;
	struct sl_upstreams *upstreams; /* owned: to the engines */
	struct sl_upstreams *pages;     /* owned: to ports that only tell loads */
	struct sl_rng rng;
	uint32_t n_beginning; /* engines in their first round */
};

struct sl_probe_run {
	struct sl_prober *prober;
	struct sl_engine *engine;
	struct sl_endpoint *ep; /* ref */
	/* Ref: where its load is told if that is another port; shares ep's id. */
	struct sl_endpoint *page_ep;
	struct sl_fetch *fetch;
	struct sl_timer next_timer; /* to the next round */
	enum probe_step step;
	bool beginning; /* in its first round */

	/* The present question. */
	struct sl_probe_path path;
	char *lines;    /* owned: fields that it was sent with; they must not move */
	unsigned tried; /* paths of it that are not there */
	int status;
	uint64_t arrived_us; /* the begin of its answer */
	char *body;          /* owned: of a JSON answer */
	size_t body_len, body_size;

	struct sl_detect detect;
	bool detected;                 /* nobody has to ask what it is */
	uint64_t detected_us;          /* when that was tried last */
	uint8_t at[SL_QUESTION_COUNT]; /* which path of each question it has */
	uint64_t no_page_us;           /* when it last had no page; 0: it has one */
	struct sl_page_reader *page;   /* owned; NULL: nothing to read yet */
	uint64_t page_signals;         /* that it reads: a hash */
	bool forgotten;                /* its router was told that its load is not known */
	uint64_t models_us;            /* when the list was last read */
	struct sl_generate generate;
	struct sl_engine_page last; /* by which a restart is seen */
	uint64_t answers;           /* of live requests, when that was read */
	uint64_t moved_us;          /* when a page last differed from the one before */
	uint32_t still;             /* pages since, with new answers, that did not */
	uint64_t restart_told_us;   /* when the log was told of one; 0 never */
};

/* ---- prober_paths.c -------------------------------------------------- */

/* What the configuration, or a source, says it is. AUTO: it is to be asked. */
enum sl_engine_kind prober_configured_kind(const struct sl_engine *engine);
/* Where path k of a question is; false: there are no so many. */
bool prober_path(const struct sl_probe_run *r, enum sl_probe_question question, unsigned k,
                 struct sl_probe_path *out_path);
/* Who is asked for its load; not a reference. */
struct sl_endpoint *prober_load_endpoint(struct sl_probe_run *r);
void prober_drop_load_endpoint(struct sl_probe_run *r);

/* ---- prober_learn.c -------------------------------------------------- */

void prober_learn_kind(struct sl_probe_run *r, enum sl_engine_kind kind);
void prober_judge(struct sl_probe_run *r, enum sl_probe_result result);
/* Whether the answer was what its path promises. */
bool prober_learn_load(struct sl_probe_run *r);
void prober_learn_models(struct sl_probe_run *r);
/* A load that is too old is as good as none. */
void prober_forget_stale(struct sl_probe_run *r);

#endif

/* faults.h: what an engine does wrong on purpose. Set at run time by
 * POST /sim/fault; docs/simulated-engine.md lists them. Pure. */
#ifndef SLUICE_SIM_FAULTS_H
#define SLUICE_SIM_FAULTS_H

#include "sluice/base.h"

struct cJSON;

#define SL_SIM_MAX_PAGE_BYTES 2000000u

/* Of the pages of numbers. */
struct sl_sim_page_faults {
	bool stale;       /* they stand still */
	bool hang;        /* they are not answered */
	bool garbage;     /* bytes that are no numbers */
	bool redirect;    /* /metrics is a 307 to /metrics/, which is chunked */
	uint32_t slow_ms; /* they come so much later */
	uint32_t status;  /* instead of 200 */
	uint32_t bytes;   /* they are made as large as that */
};

struct sl_sim_faults {
	/* Of the engine. */
	bool refuse;            /* does not listen */
	bool hang;              /* takes requests, works on none until it is healed */
	bool hang_health;       /* the same for /health, /ping, /load, /metrics, /v1/models */
	uint32_t health_status; /* instead of 200 */
	double slow;            /* steps take so many times longer; 1 */
	struct sl_sim_page_faults page;
	bool null_kv_params;
	bool silent_on_stop;
	/* Of single requests; `count` of them, then they are gone. */
	bool reset;         /* RST instead of an answer */
	bool garbage;       /* bytes that are not HTTP */
	uint32_t status;    /* an error answer */
	double share;       /* ... to this share of the requests */
	bool detail_errors; /* ... as {"detail": ...} */
	uint32_t retry_after_s;
	int64_t error_after_ms;     /* -1; error event, or 500 */
	int64_t die_after_tokens;   /* -1; RST in mid-stream */
	int64_t stall_after_tokens; /* -1; silence in mid-stream */
	int64_t half_event;         /* -1; closes in the middle of the event after so many */
	bool drop_done;             /* the stream ends without [DONE] */
	bool coalesce;              /* two events in one HTTP chunk */
	bool split;                 /* an event in two HTTP chunks */
	bool split_bytes;           /* one byte per HTTP chunk */
	bool limited;
	uint32_t count; /* requests left, if limited */
	double owed;    /* of share */
};

void sl_sim_faults_init(struct sl_sim_faults *f);
/* Changes what the object names and leaves the rest. NULL, or what is wrong
 * (static text), *f untouched. */
SL_MUST_CHECK const char *sl_sim_faults_read(struct sl_sim_faults *f, const struct cJSON *json);
/* The faults that the next request meets: *f itself, or none. Uses up count
 * and share. */
struct sl_sim_faults sl_sim_faults_next(struct sl_sim_faults *f);

#endif

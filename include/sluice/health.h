/* health.h: whether an endpoint may be used: probes, live traffic, ejection.
 *
 * Two ways out. An endpoint is DEAD when probes, or attempts to connect, fail:
 * good probes alone bring it back. It is EJECTED when it answers probes but
 * serves badly (errors, slowness, first tokens that never come): for a time
 * that doubles from one ejection to the next, and no more of a pool at once than
 * its share. When the time is over the next good probe brings it back on trial:
 * the first failure then ejects it again.
 *
 * Pure: times and news are arguments. What several threads count at once (a
 * pool's places, an endpoint's outcomes) are atomics. */
#ifndef SLUICE_HEALTH_H
#define SLUICE_HEALTH_H

#include <stdatomic.h>

#include "sluice/route.h"

/* ---- reasons --------------------------------------------------------- */

enum sl_reason {
#define SL_REASON(NAME, label, text) SL_REASON_##NAME,
#include "sluice/reasons.def"
#undef SL_REASON
	SL_REASON_COUNT
};
const char *sl_reason_label(enum sl_reason r);
const char *sl_reason_text(enum sl_reason r);

#define SL_REASON_TEXT_MAX 64

/* ---- policy ---------------------------------------------------------- */

struct sl_health_policy {
	uint32_t rise;             /* good probes in a row to be healthy, 2 (1 at start) */
	uint32_t fall;             /* bad ones in a row to be unhealthy, 3 */
	uint32_t passive_fall;     /* live requests failing in a row that take it out, 3; 0 off */
	uint32_t failure_requests; /* below so many in 10 s no rate is taken, 10 */
	uint64_t stale_us;         /* no answer for this long: unknown; twice that: unhealthy */
	double failure_rate;      /* share of live requests in 10 s that takes it out, 0.2; 0 off */
	double slow_factor;       /* times as slow as its pool's median, 3; 0 off */
	uint64_t stuck_us;        /* beyond what was predicted, for a first token, 5 s; 0 off */
	uint64_t ejection_us;     /* the first time, 10 s */
	uint64_t ejection_max_us; /* doubling up to here, 5 min */
	double max_ejected;       /* share of the pool, 0.5 */
	uint64_t slow_start_us;   /* after a return, 10 s; see sl_endpoint_spec */
};
void sl_health_policy_default(struct sl_health_policy *p);

/* Which HTTP statuses of a probe are well: bit s - 100. */
#define SL_STATUS_MIN 100
#define SL_STATUS_MAX 599
struct sl_status_set {
	uint64_t bits[(SL_STATUS_MAX - SL_STATUS_MIN) / 64 + 1];
};
void sl_status_set_add(struct sl_status_set *s, int from, int to);
bool sl_status_set_has(const struct sl_status_set *s, int status);

/* ---- what is shared -------------------------------------------------- */

/* A pool, of which only a share may be ejected at a time: max_ejected of its
 * members, rounded down but at least one, and never the last that is left. */
struct sl_ward {
	atomic_uint members;
	atomic_uint out;     /* unhealthy, for any reason */
	atomic_uint ejected; /* of these */
};

/* Outcomes of live requests so far; any thread adds. */
struct sl_tally {
	atomic_ulong ok, bad;
};

/* ---- the judge ------------------------------------------------------- */

enum sl_probe_result {
	SL_PROBE_OK,
	SL_PROBE_REFUSED, /* connect failed */
	SL_PROBE_TIMEOUT,
	SL_PROBE_STATUS, /* an answer other than expected */
	SL_PROBE_BROKEN, /* closed or not HTTP */
};
const char *sl_probe_result_name(enum sl_probe_result r);

/* How a live request went. What says nothing about the engine (a client's own
 * mistake, a client that left, an engine that is full) is not told. */
enum sl_fate {
	SL_FATE_OK,
	SL_FATE_REFUSED, /* no connection */
	SL_FATE_FAILED,  /* reset, broken, timed out, or the engine's own error */
};

/* Outcomes of the last ten seconds, in steps of one. */
#define SL_WINDOW_STEPS 12
struct sl_window {
	struct sl_window_step {
		uint64_t at_us, ok, bad; /* the tally then */
	} steps[SL_WINDOW_STEPS];
	uint32_t n, newest;
};

/* What its metrics page says of getting on. */
struct sl_progress {
	double generation_tokens, prompt_tokens, kv_usage, running;
	uint64_t seen_us;  /* a page was read; 0: never, it has none */
	uint64_t moved_us; /* counters were seen to have moved */
	uint64_t other_us; /* or anything else was seen to have changed */
};

/* One endpoint's judge. Plain data, zero-initialise through _init. */
struct sl_judge {
	enum sl_health health;
	enum sl_reason cause;            /* of the present state */
	char reason[SL_REASON_TEXT_MAX]; /* the same in words, with figures */
	uint32_t changes;                /* that were worth telling, so far */
	uint32_t good, bad;              /* probes in a row */
	uint32_t passive_bad;            /* live requests that failed in a row */
	bool ever_healthy;
	bool suspected; /* by another gateway; the next probe decides */
	uint64_t last_ok_us;
	uint64_t since_us; /* of the present state */

	bool ejected;       /* unhealthy by its service, not dead */
	bool placed;        /* in one of the pool's places for such */
	uint32_t ejections; /* so far */
	uint32_t spared;    /* ejections that the pool had no place for */
	uint32_t doublings; /* of the next ejection's time */
	uint64_t return_us; /* when ejected: not before */
	uint64_t trial_us;  /* until then one failure is enough */
	struct sl_window window;
	struct sl_progress progress;
	struct sl_ward *ward;         /* borrowed until _leave; NULL: no limit */
	const struct sl_tally *tally; /* borrowed likewise; NULL: no rates */
};
void sl_judge_init(struct sl_judge *j, uint64_t now_us);
/* It is one of the ward's from now on, with these outcomes. */
void sl_judge_join(struct sl_judge *j, struct sl_ward *ward, const struct sl_tally *tally);
void sl_judge_leave(struct sl_judge *j);

/* Each returns true if there is something to tell: the state, or why it is out. */
bool sl_judge_probe(struct sl_judge *j, const struct sl_health_policy *p,
                    enum sl_probe_result result, uint64_t now_us);
bool sl_judge_traffic(struct sl_judge *j, const struct sl_health_policy *p, enum sl_fate fate,
                      uint64_t now_us);
bool sl_judge_tick(struct sl_judge *j, const struct sl_health_policy *p, uint64_t now_us);
/* Another gateway found it dead. Until the next probe, which decides alone, it
 * is used only where there is nothing better. Nothing that is out already, and
 * nothing that is not known, can be suspected. */
bool sl_judge_suspect(struct sl_judge *j, uint64_t now_us);
/* Another process answers at its address: what the former one did is over, and
 * the next good probe is enough. */
void sl_judge_restarted(struct sl_judge *j);
/* It takes `ratio` times as long as the median of its pool. */
bool sl_judge_slow(struct sl_judge *j, const struct sl_health_policy *p, double ratio,
                   uint64_t now_us);

/* ---- hung engines ---------------------------------------------------- */

struct sl_engine_page;
/* Figures of a page that was read now; absent ones are negative. */
void sl_judge_page(struct sl_judge *j, const struct sl_engine_page *page, uint64_t now_us);

/* A request that waits for its first event. */
struct sl_waiting {
	uint64_t sent_us;
	uint64_t life_us;      /* the engine's last event on any of our streams; 0 none */
	uint64_t predicted_us; /* of this request's wait */
	bool alone;            /* nobody else waits for this engine */
	bool streamed;         /* else the event is the whole answer */
};
/* Time without any sign of life after which such a wait is more than long. */
uint64_t sl_stuck_limit_us(const struct sl_health_policy *p, const struct sl_waiting *w);
/* Ejects the engine if it has stood still for so long: nothing on our streams
 * and no movement on its page, or, where it has no page, for two requests.
 * Where the page bears it out it is as good as dead, whatever its pool's share. */
bool sl_judge_waiting(struct sl_judge *j, const struct sl_health_policy *p,
                      const struct sl_waiting *w, uint64_t now_us);

/* ---- slow ones ------------------------------------------------------- */

/* The median, the lower one of two; 0 if n is 0. values are reordered. */
double sl_outlier_median(double *values, uint32_t n);

const char *sl_health_name(enum sl_health h);

#endif

/* gpu.h: what is true of GPUs, judged from an exporter's page: dcgm-exporter,
 * AMD's device-metrics-exporter, Ascend's npu-exporter.
 *
 * Pure: the exporters in gateway/control do the I/O and hand over bytes and
 * times. Three steps: a page is read into readings, one a GPU; a book holds the
 * GPUs of one exporter and judges each by its readings over time; a match says
 * what that means for the endpoints that compute on them. docs/gpu.md. */
#ifndef SLUICE_GPU_H
#define SLUICE_GPU_H

#include "sluice/err.h"

/* How bad something is; in this order. */
enum sl_gpu_class {
	SL_GPU_IGNORE,   /* says nothing */
	SL_GPU_APP,      /* the engine's own health decides */
	SL_GPU_DEGRADED, /* works, but not as it should: no new prefills if others are there */
	SL_GPU_LINK,   /* its link to others: failed where an endpoint has several, else degraded */
	SL_GPU_FAILED, /* no new requests */
	SL_GPU_CLASS_COUNT
};
const char *sl_gpu_class_name(enum sl_gpu_class c);

/* What is made of it. */
enum sl_gpu_state { SL_GPU_STATE_HEALTHY, SL_GPU_STATE_DEGRADED, SL_GPU_STATE_FAILED };
#define SL_GPU_STATE_COUNT 3
const char *sl_gpu_state_name(enum sl_gpu_state s);
enum sl_gpu_state sl_gpu_state_of(enum sl_gpu_class c, uint32_t gpus_of_the_endpoint);

/* Why; gpu_cause.def. */
enum sl_gpu_cause {
#define SL_GPU_CAUSE(NAME, label, text) SL_GPU_CAUSE_##NAME,
#include "sluice/gpu_cause.def"
#undef SL_GPU_CAUSE
	SL_GPU_CAUSE_COUNT
};
const char *sl_gpu_cause_label(enum sl_gpu_cause c);

/* ---- one page --------------------------------------------------------- */

enum sl_gpu_kind { SL_GPU_DCGM, SL_GPU_AMD, SL_GPU_ASCEND, SL_GPU_KIND_COUNT };
const char *sl_gpu_kind_name(enum sl_gpu_kind k);

/* Numbers of one GPU. */
enum sl_gpu_figure {
	SL_GPU_XID,             /* the last error's number; sticky */
	SL_GPU_CODE,            /* the same of a maker whose numbers we do not judge */
	SL_GPU_WELL,            /* the exporter's own verdict: 1 or 0 */
	SL_GPU_DBE,             /* uncorrectable memory errors; counter, back at 0 after a reset */
	SL_GPU_SBE,             /* corrected ones; counter; only shown */
	SL_GPU_REMAP_FAILED,    /* 1: a row could not be replaced */
	SL_GPU_REMAP_PENDING,   /* 1: rows are replaced at the next reset */
	SL_GPU_REMAPPED,        /* rows replaced after uncorrectable errors; counter */
	SL_GPU_LINK_RECOVERIES, /* of NVLink, after errors that replays did not mend; counter */
	SL_GPU_LINK_UP,         /* 1 or 0 */
	SL_GPU_CLOCK_REASONS,   /* bits: why clocks are low */
	SL_GPU_THERMAL_TIME,    /* slowed by heat; counter, micro- or nanoseconds */
	SL_GPU_THERMAL_PERCENT, /* of the time, lately */
	SL_GPU_TEMPERATURE,     /* degrees Celsius */
	SL_GPU_SLOWDOWN_LIMIT,  /* from which it slows down */
	SL_GPU_CLOCK,           /* of the multiprocessors, MHz */
	SL_GPU_BUSY,            /* percent of the time */
	SL_GPU_RECOVERY,        /* what it takes: 0 nothing, 1 reset, 2 reboot, 3 drain, 4 both */
	SL_GPU_WATCH,           /* the worst of DCGM's health watches: 0, 10 warning, 20 failure */
	SL_GPU_CLOCK_EVENTS,    /* slowed by the hardware; a count over a window */
	SL_GPU_FIGURE_COUNT
};

#define SL_GPU_KEY_MAX 96
#define SL_GPU_HOST_MAX 256
#define SL_GPU_OWNERS 4 /* pods on one GPU; the rest is dropped */
#define SL_GPU_XIDS 16  /* error numbers counted for one GPU; the rest is dropped */
#define SL_GPU_PAGE_MAX 1024

struct sl_gpu_owner {
	char namespace_[64], pod[254];
};

struct sl_gpu_reading {
	char key[SL_GPU_KEY_MAX];   /* UUID or serial; where there is neither, HOST/INDEX */
	char index[16];             /* its number on its host; "" unknown */
	char host[SL_GPU_HOST_MAX]; /* "" unknown */
	struct sl_gpu_owner owners[SL_GPU_OWNERS];
	uint32_t n_owners;
	double figures[SL_GPU_FIGURE_COUNT]; /* absent, or a sentinel: NaN */
	char watch[24];                      /* the health watch that is worst */
	struct sl_gpu_xid_count {
		uint32_t xid;
		double count;
	} xids[SL_GPU_XIDS];
	uint32_t n_xids;
};

struct sl_gpu_reader;
struct sl_gpu_reader *sl_gpu_reader_new(void);
void sl_gpu_reader_free(struct sl_gpu_reader *r);
void sl_gpu_reader_reset(struct sl_gpu_reader *r);
void sl_gpu_reader_feed(struct sl_gpu_reader *r, const char *data, size_t len);

/* The GPUs of a page; borrowed until the next reset. */
struct sl_gpu_page {
	const struct sl_gpu_reading *gpus;
	uint32_t n_gpus;
	enum sl_gpu_kind kind; /* by the families that it has most of */
};
/* 0, or BAD_HTTP if the page tells of no GPU. */
SL_MUST_CHECK int sl_gpu_reader_finish(struct sl_gpu_reader *r, struct sl_gpu_page *out_page);

/* ---- judging ---------------------------------------------------------- */

struct sl_gpu_policy {
	uint64_t hold_us; /* a failure that nothing took back lasts so long after its last sign */
	uint64_t calm_us; /* what was bad must be good for so long */
	/* Classes of XIDs: the configuration's words, numbers and then their class
	 * ("79", "95", "failed"). Borrowed. The last one that names a number counts;
	 * for the rest the built-in table does. */
	const char *const *xids;
	uint32_t n_xids;
};
void sl_gpu_policy_default(struct sl_gpu_policy *p);
enum sl_gpu_class sl_gpu_xid_class(const struct sl_gpu_policy *p, uint32_t xid);
/* "fallen off the bus"; "" for one that we do not know. */
const char *sl_gpu_xid_text(uint32_t xid);
bool sl_gpu_class_parse(const char *name, enum sl_gpu_class *out);

#define SL_GPU_REASON_MAX 128

/* A GPU as it is judged. */
struct sl_gpu {
	struct sl_gpu_reading last; /* what was read last of it */
	enum sl_gpu_class class_;
	enum sl_gpu_cause cause; /* the worst; NONE when nothing is */
	char reason[SL_GPU_REASON_MAX];
	uint64_t since_us; /* of the class */
	double derate;     /* 1 .. SL_DERATE_MAX: how much slower than usual */
	bool present;      /* on the last page */
	/* The rest is the judge's. */
	struct sl_gpu_sign {
		enum sl_gpu_class class_; /* IGNORE: there is none */
		uint64_t last_us;         /* when it was seen last */
		uint64_t over_us;         /* since when the page denies it; 0: it does not */
		uint32_t detail;
	} signs[SL_GPU_CAUSE_COUNT];
	double usual_clock; /* MHz, when nothing slows it down; 0 unknown */
	uint64_t read_us;   /* the last page it was on */
	uint32_t missed;    /* pages since */
};

/* What a page brought: a GPU whose class changed, or an XID that changes
 * nothing (before == the GPU's class). */
struct sl_gpu_news {
	const struct sl_gpu *gpu;
	enum sl_gpu_class before;
	enum sl_gpu_cause cause; /* of this news */
	uint32_t xid;            /* 0: none */
};
typedef void (*sl_gpu_news_fn)(void *ctx, const struct sl_gpu_news *news);

struct sl_gpu_book; /* the GPUs of one exporter */
struct sl_gpu_book *sl_gpu_book_new(void);
void sl_gpu_book_free(struct sl_gpu_book *b);
/* A whole page with at least one GPU. Time passes for the book only by pages:
 * while an exporter is silent everything stays as it was. */
void sl_gpu_book_page(struct sl_gpu_book *b, const struct sl_gpu_policy *policy,
                      const struct sl_gpu_page *page, uint64_t now_us, sl_gpu_news_fn news,
                      void *ctx);
/* In the order in which they were first seen; borrowed until the next page. */
const struct sl_gpu *sl_gpu_book_list(const struct sl_gpu_book *b, uint32_t *out_n);

/* ---- who computes on them --------------------------------------------- */

/* An endpoint, to the exporter that tells of its GPUs. Borrowed strings, "" or
 * NULL when not known. */
struct sl_gpu_user {
	const char *gpus; /* UUIDs, serials or numbers, separated by commas */
	const char *namespace_, *pod;
	const char *host, *node; /* names of its host */
	/* What sl_gpu_match finds. */
	uint32_t n_gpus;
	enum sl_gpu_state state;    /* of the worst of them */
	const struct sl_gpu *worst; /* NULL: there is none */
	double derate;
	bool shared; /* several endpoints, and nothing tells whose GPUs these are */
};
void sl_gpu_match(const struct sl_gpu *gpus, uint32_t n, struct sl_gpu_user *users,
                  uint32_t n_users);

/* A pool's endpoint that is to be taken out: those that may not be, become
 * degraded, so that no more than `share` of n are out; one may always be if
 * there is another. The worst and then the longest ill go first. */
void sl_gpu_cap(struct sl_gpu_user *const *users, uint32_t n, double share);

#endif

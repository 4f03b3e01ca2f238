/* kube.h: the stand-in as a whole: one process, one thread, one port. */
#ifndef SLUICE_BENCH_KUBE_KUBE_H
#define SLUICE_BENCH_KUBE_KUBE_H

#include "bench/kube/answer.h"
#include "bench/kube/options.h"
#include "bench/kube/store.h"
#include "bench/sim/listener.h"

/* What goes wrong at present; set by POST /stand-in/.... */
struct sl_kapi_faults {
	int status;             /* answered to requests for resources; 0: none */
	uint32_t status_count;  /* so many more of them */
	enum sl_kapi_verb verb; /* of these alone; SL_KAPI_NO_VERB: of all */
	bool hold;              /* nothing is answered, nothing is sent */
	uint32_t split_bytes;   /* frames go out in pieces of this size; 0: whole */
};

/* Objects that change by themselves. */
struct sl_kapi_churn {
	double per_s;
	unsigned kinds; /* bits of enum sl_kapi_change */
	double due;     /* changes, with their fraction */
	uint64_t last_us;
	struct event timer;
	char *leaving; /* owned: the key of the pod that terminates, or NULL */
};

struct sl_kapi {
	struct sl_kapi_options opt;
	struct sl_sim_net net;
	struct sl_sim_conn_list conns;
	struct sl_sim_listener listener;
	struct sl_kapi_store store;
	struct sl_kapi_faults faults;
	struct sl_kapi_churn churn;
	struct sl_rng rng;
	struct event wake;          /* watches have news */
	struct event restart, back; /* the port closes, and opens again */
	uint64_t down_us;           /* between the two */
	uint32_t made;              /* pods ever made from the template */
	uint32_t addresses;         /* ever given out */
	uint64_t asked[SL_KAPI_NO_VERB + 1];
	uint64_t changes, cuts;
};

/* After every change: watches are told in this turn of the loop. */
void sl_kapi_changed(struct sl_kapi *kube);
/* "2026-11-21T19:09:04Z" */
void sl_kapi_time_text(char out[24]);
void sl_kapi_uuid(struct sl_kapi *kube, char out[40]);

/* A whole request has arrived: every answer begins here. */
void sl_kapi_api_serve(struct sl_kapi *kube, struct sl_sim_conn *conn);
/* Answers what was held. */
void sl_kapi_api_release(struct sl_kapi *kube);

/* The port, for tests of restarts: closes it and all connections. */
void sl_kapi_close_port(struct sl_kapi *kube);
SL_MUST_CHECK bool sl_kapi_open_port(struct sl_kapi *kube);

#endif

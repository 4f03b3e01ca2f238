/* state.h: struct sl_replica, shared by the files that work on it: replica.c
 * owns it, publisher.c tells, reader.c hears. */
#ifndef SLUICE_REPLICA_STATE_H
#define SLUICE_REPLICA_STATE_H

#include "gateway/replica/link.h"
#include "gateway/replica/message.h"
#include "gateway/replica/peers.h"
#include "gateway/replica/replica.h"
#include "gateway/replica/table.h"

#define STREAM_ID_MAX 48
#define REASON_MAX 256

struct publisher {
	struct link link;
	uint64_t id; /* of this process, random */
	uint64_t sequence;
	uint64_t whole_us; /* when the whole state was last told; 0: tell it */
	struct message_buffer message;
	struct block_tap {
		struct sl_domain *domain;
		struct sl_block_log *spare; /* owned; the router has the other */
		uint64_t dropped;           /* that were counted */
	} * taps;                           /* owned */
	uint32_t n_taps;
};

struct reader {
	struct link link;
	uint64_t clock_ms; /* Redis's, at clock_us */
	uint64_t clock_us;
	char load_id[STREAM_ID_MAX];   /* read up to here */
	char blocks_id[STREAM_ID_MAX]; /* "": nothing yet */
	struct peer_list peers;
	uint64_t heard_us;
	/* Of the message being read. */
	struct peer *peer;
	uint64_t until_us;
	bool news; /* young enough to be acted upon */
};

struct sl_replica {
	struct sl_loop *loop;
	struct sl_metrics *metrics;
	struct sl_config *config; /* ref */
	const struct sl_redis_conf *conf;
	const struct sl_replica_events *events;
	void *ctx;
	char *load_key, *blocks_key, *url; /* owned */
	struct event tick_event;
	struct table table;
	struct publisher publisher;
	struct reader reader;
	bool connected; /* as was logged */
	bool told_down; /* a reason was logged since */
	char reason[REASON_MAX];
	uint64_t since_us;
	int64_t said_s;        /* Unix time of the last message, as exposed */
	uint32_t n_alive_told; /* as exposed */
};

/* A link changed its state; why: "" when it works. */
void replica_note_link(struct sl_replica *r, const char *why, bool said);

void publisher_init(struct sl_replica *r);
void publisher_fini(struct sl_replica *r);
void publisher_set_domains(struct sl_replica *r);
void publisher_tick(struct sl_replica *r);

void reader_init(struct sl_replica *r);
void reader_fini(struct sl_replica *r);
void reader_tick(struct sl_replica *r);

#endif

/* message.h: what gateways tell each other, as bytes.
 *
 *   sluice 1 REPLICA SEQUENCE KIND\n         a head, then lines
 *   L INFLIGHT PREFILLING SEQS QUEUE_US CONTEXT ENDPOINT\n
 *   E ENDPOINT\n                             it was found dead
 *   P MICROTOKENS_PER_BYTE N ENDPOINT\n      a prompt: N hashes of 8 bytes,
 *   <8 N bytes>\n                            least byte first
 *
 * REPLICA is 16 hexadecimal digits, other numbers are decimal. ENDPOINT is
 * CLUSTER/POOL/ADDRESS, because slots differ from gateway to gateway. KIND is
 * F for the whole state (what it does not list has nothing), D for what
 * changed, B for the end of a gateway.
 *
 * Written by others: a message is taken as a whole or not at all, and every
 * number has a bound. */
#ifndef SLUICE_REPLICA_MESSAGE_H
#define SLUICE_REPLICA_MESSAGE_H

#include "sluice/route.h"

#define MESSAGE_MAX (16u << 20)
#define MESSAGE_NAME_MAX 512

enum message_kind { MESSAGE_FULL = 'F', MESSAGE_DELTA = 'D', MESSAGE_BYE = 'B' };

struct message_head {
	uint64_t replica;
	uint64_t sequence;
	enum message_kind kind;
};

/* ---- reading ---------------------------------------------------------- */

struct message_events {
	void (*load)(void *ctx, struct sl_span endpoint, const struct sl_load *load);
	void (*ejected)(void *ctx, struct sl_span endpoint);
	void (*prompt)(void *ctx, struct sl_span endpoint, const uint64_t *hashes, uint32_t n,
	               double tokens_per_byte);
};

/* Whether all of it is well formed; fills in the head if so. */
SL_MUST_CHECK bool message_check(struct sl_span text, struct message_head *out_head);
/* Calls the events of a message that was checked. */
void message_read(struct sl_span text, const struct message_events *events, void *ctx);

/* ---- writing ---------------------------------------------------------- */

struct message_buffer {
	char *text; /* owned */
	size_t len, cap;
};

void message_buffer_fini(struct message_buffer *b);
/* Begins anew. */
void message_begin(struct message_buffer *b, const struct message_head *head);
void message_add_load(struct message_buffer *b, const char *endpoint, const struct sl_load *load);
void message_add_ejected(struct message_buffer *b, const char *endpoint);
void message_add_prompt(struct message_buffer *b, const char *endpoint, const uint64_t *hashes,
                        uint32_t n, double tokens_per_byte);

#endif

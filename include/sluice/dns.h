/* dns.h: what name servers and /etc/hosts say, read from bytes. Pure: the
 * resolver in gateway/discovery asks. */
#ifndef SLUICE_DNS_H
#define SLUICE_DNS_H

#include "sluice/base.h"

#define SL_DNS_NAME_MAX 254 /* without a dot at the end, with the zero */
#define SL_DNS_ADDRESS_MAX 46

enum sl_dns_type {
	SL_DNS_A,
	SL_DNS_AAAA,
	SL_DNS_SRV,
	SL_DNS_OTHER, /* an alias on the way: only its time counts */
};

struct sl_dns_record {
	enum sl_dns_type type;
	bool additional; /* not the answer itself */
	uint32_t ttl_s;
	char owner[SL_DNS_NAME_MAX];      /* whose record; lower case, as all names here */
	char address[SL_DNS_ADDRESS_MAX]; /* A, AAAA */
	uint16_t priority, weight, port;  /* SRV */
	char target[SL_DNS_NAME_MAX];     /* SRV; "" : decidedly no such service (RFC 2782) */
};

typedef void (*sl_dns_fn)(void *ctx, const struct sl_dns_record *record);

/* Calls fn for the records of the answer and additional sections that matter.
 * False if the bytes are no answer; some records may have been told of then. */
SL_MUST_CHECK bool sl_dns_answer_parse(const uint8_t *bytes, size_t len, sl_dns_fn fn, void *ctx);

/* Calls fn for every address that a hosts file (5) has for the name; returns how
 * many. */
uint32_t sl_hosts_find(struct sl_span text, const char *name,
                       void (*fn)(void *ctx, const char *address), void *ctx);

#endif

/* lookup.h: one question to the hosts file and the name servers, and its answer.
 * Blocking, for as long as name servers are silent: a thread's work. */
#ifndef SLUICE_DISCOVERY_LOOKUP_H
#define SLUICE_DISCOVERY_LOOKUP_H

#include "gateway/net/socket.h"
#include "sluice/dns.h"

#define SL_NAME_SERVERS 3 /* as many as glibc asks */

enum sl_lookup_kind {
	SL_LOOKUP_HOST, /* A; without any, AAAA */
	SL_LOOKUP_SRV,  /* and the addresses of the targets */
};

/* Who is asked; n 0: what /etc/resolv.conf says at the time. */
struct sl_name_servers {
	struct sl_sockaddr addr[SL_NAME_SERVERS];
	uint32_t n;
};

struct sl_place {
	char address[SL_DNS_ADDRESS_MAX];
	uint16_t port; /* SRV's; else 0 */
};

struct sl_places {
	struct sl_place *items; /* owned; sorted, each once */
	uint32_t n;
	uint32_t ttl_s; /* how long they are good for */
	/* All of it is known. False: something could not be learned, and what was known
	 * of it before may still be true. */
	bool complete;
	char reason[160]; /* why it is not complete, or why there are none; else "" */
};

void sl_lookup(enum sl_lookup_kind kind, const char *name, const struct sl_name_servers *servers,
               struct sl_places *out);
void sl_places_fini(struct sl_places *p);
/* In order, each once, as a lookup leaves them. */
void sl_places_sort(struct sl_places *p);
void sl_places_add(struct sl_places *p, const char *address, uint16_t port);

#endif

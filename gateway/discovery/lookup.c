/* lookup.c: see lookup.h.
 *
 * glibc does the asking: retries, other servers, TCP for what is cut short. The
 * hosts file goes first, as everywhere on the machine. Names are completed from
 * the search list of /etc/resolv.conf unless they end in a dot or the name
 * servers are the configuration's. Of a host that has both kinds of addresses the
 * IPv4 ones count, else each of its engines would be two. */
#include "gateway/discovery/lookup.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <resolv.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "sluice/discover.h"

#define HOSTS_FILE "/etc/hosts"
#define HOSTS_MAX (1u << 20)
#define HOSTS_TTL_S 30u /* it is not watched */
#define ANSWER_MAX 65535
#define ATTEMPT_S 2 /* at most: with three silent servers a lookup ends after 12 s */
#define ATTEMPTS 2

struct asking {
	struct __res_state state;
	bool search;
	uint8_t *answer; /* owned */
};

/* ---- places ---------------------------------------------------------- */

void sl_places_fini(struct sl_places *p)
{
	free(p->items);
	p->items = NULL;
	p->n = 0;
}

void sl_places_add(struct sl_places *p, const char *address, uint16_t port)
{
	struct sl_place *place;

	if ((p->n & (p->n - 1)) == 0) { /* full: sizes are powers of two */
		p->items = realloc(p->items, (p->n ? 2 * (size_t)p->n : 1) * sizeof(*p->items));
		if (!p->items)
			abort(); /* at most an answer's worth, 64 KiB */
	}
	place = &p->items[p->n++];
	*place = (struct sl_place){ .port = port };
	snprintf(place->address, sizeof(place->address), "%s", address);
}

static int compare_places(const void *a, const void *b)
{
	const struct sl_place *x = a, *y = b;
	int order = strcmp(x->address, y->address);

	return order ? order : (x->port > y->port) - (x->port < y->port);
}

void sl_places_sort(struct sl_places *p)
{
	uint32_t kept = 0;

	if (p->n == 0)
		return;
	qsort(p->items, p->n, sizeof(*p->items), compare_places);
	for (uint32_t i = 1; i < p->n; i++)
		if (compare_places(&p->items[kept], &p->items[i]) != 0)
			p->items[++kept] = p->items[i];
	p->n = kept + 1;
}

static void note_ttl(struct sl_places *p, uint32_t ttl_s)
{
	if (ttl_s < p->ttl_s)
		p->ttl_s = ttl_s;
}

/* ---- the hosts file -------------------------------------------------- */

static char *read_hosts(size_t *out_len)
{
	int fd = open(HOSTS_FILE, O_RDONLY | O_CLOEXEC);
	char *text = malloc(HOSTS_MAX);
	size_t len = 0;
	ssize_t n;

	if (!text)
		abort();
	while (fd >= 0 && len < HOSTS_MAX && (n = read(fd, text + len, HOSTS_MAX - len)) > 0)
		len += (size_t)n;
	if (fd >= 0)
		close(fd);
	*out_len = len;
	return text;
}

/* The IPv4 addresses, or if there are none all. */
static void keep_one_family(struct sl_places *p)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < p->n; i++)
		if (!strchr(p->items[i].address, ':'))
			p->items[kept++] = p->items[i];
	if (kept)
		p->n = kept;
}

static void add_hosts_address(void *ctx, const char *address)
{
	sl_places_add(ctx, address, 0);
}

static bool look_in_hosts(const char *name, struct sl_places *out)
{
	size_t len;
	char *text = read_hosts(&len);
	struct sl_places found = { 0 };

	sl_hosts_find(sl_span(text, len), name, add_hosts_address, &found);
	free(text);
	keep_one_family(&found);
	for (uint32_t i = 0; i < found.n; i++)
		sl_places_add(out, found.items[i].address, 0);
	if (found.n)
		note_ttl(out, HOSTS_TTL_S);
	sl_places_fini(&found);
	return out->n > 0;
}

/* ---- name servers ---------------------------------------------------- */

static bool use_servers(res_state state, const struct sl_name_servers *servers)
{
	state->nscount = (int)servers->n;
	for (uint32_t i = 0; i < servers->n; i++) {
		const struct sockaddr_storage *ss = &servers->addr[i].ss;
		struct sockaddr_in6 *v6;

		if (ss->ss_family == AF_INET) {
			memcpy(&state->nsaddr_list[i], ss, sizeof(state->nsaddr_list[i]));
			continue;
		}
		v6 = malloc(sizeof(*v6)); /* res_nclose() frees it */
		if (!v6)
			abort();
		memcpy(v6, ss, sizeof(*v6));
		state->nsaddr_list[i].sin_family = 0;
		free(state->_u._ext.nsaddrs[i]);
		state->_u._ext.nsaddrs[i] = v6;
	}
	return servers->n == 0;
}

/* Around what glibc shares between resolvers; it locks that itself, but not so that
 * a sanitizer sees it. */
static pthread_mutex_t state_lock = PTHREAD_MUTEX_INITIALIZER;

static bool asking_init(struct asking *a, const struct sl_name_servers *servers)
{
	int rc;

	*a = (struct asking){ .search = true };
	pthread_mutex_lock(&state_lock);
	rc = res_ninit(&a->state);
	pthread_mutex_unlock(&state_lock);
	if (rc < 0)
		return false;
	a->search = use_servers(&a->state, servers);
	a->state.options |= RES_NOALIASES;
	if (a->state.retrans > ATTEMPT_S)
		a->state.retrans = ATTEMPT_S;
	if (a->state.retry > ATTEMPTS)
		a->state.retry = ATTEMPTS;
	a->answer = malloc(ANSWER_MAX);
	if (!a->answer)
		abort();
	return true;
}

static void asking_fini(struct asking *a)
{
	pthread_mutex_lock(&state_lock);
	res_nclose(&a->state);
	pthread_mutex_unlock(&state_lock);
	free(a->answer);
}

/* What a failed query left in the buffer: the last answer, if there was one. */
static const char *why_failed(const struct asking *a, int error)
{
	const HEADER *header = (const HEADER *)(const void *)a->answer;

	if (header->qr && header->rcode == ns_r_servfail)
		return "the name server failed (SERVFAIL)";
	if (header->qr && header->rcode == ns_r_refused)
		return "the name server refused to answer (REFUSED)";
	if (header->qr && header->rcode != ns_r_noerror)
		return "the name server answered with an error";
	return error == ECONNREFUSED ? "nobody listens where the name server should be"
	                             : "no answer from the name servers";
}

static void note_reason(struct sl_places *out, const char *name, const char *reason)
{
	snprintf(out->reason, sizeof(out->reason), "%.100s: %s", name, reason);
}

/* The answer's length, 0 if there is decidedly nothing, -1 if that is not known. */
static int query(struct asking *a, const char *name, int type, struct sl_places *out)
{
	int len;

	memset(a->answer, 0, sizeof(HEADER));
	errno = 0;
	if (a->search)
		len = res_nsearch(&a->state, name, ns_c_in, type, a->answer, ANSWER_MAX);
	else
		len = res_nquery(&a->state, name, ns_c_in, type, a->answer, ANSWER_MAX);
	if (len > 0 && len <= ANSWER_MAX)
		return len;
	if (len < 0 && a->state.res_h_errno == HOST_NOT_FOUND) {
		note_reason(out, name, "there is no such name (NXDOMAIN)");
		return 0;
	}
	if (len < 0 && a->state.res_h_errno == NO_DATA) {
		note_reason(out, name,
		            type == ns_t_srv ? "the name has no service (no SRV record)"
		                             : "the name has no address");
		return 0;
	}
	note_reason(out, name, why_failed(a, errno));
	out->complete = false;
	return -1;
}

/* ---- hosts ----------------------------------------------------------- */

static void add_address(void *ctx, const struct sl_dns_record *record)
{
	struct sl_places *out = ctx;

	if (record->additional)
		return;
	note_ttl(out, record->ttl_s);
	if (record->type == SL_DNS_A || record->type == SL_DNS_AAAA)
		sl_places_add(out, record->address, 0);
}

static void malformed(struct sl_places *out, const char *name)
{
	out->n = 0;
	out->complete = false;
	note_reason(out, name, "the name server's answer makes no sense");
}

static void find_host(struct asking *a, const char *name, struct sl_places *out)
{
	static const int types[] = { ns_t_a, ns_t_aaaa };

	if (!sl_host_is_name(name)) {
		sl_places_add(out, name, 0);
		return;
	}
	if (look_in_hosts(name, out))
		return;
	for (size_t k = 0; k < SL_COUNT(types) && out->n == 0 && out->complete; k++) {
		int len = query(a, name, types[k], out);

		if (len > 0 && !sl_dns_answer_parse(a->answer, (size_t)len, add_address, out))
			malformed(out, name);
	}
	if (out->complete && out->n > 0)
		out->reason[0] = '\0';
}

/* ---- services -------------------------------------------------------- */

struct services {
	struct sl_dns_record *items; /* owned: SRV, and the addresses beside them */
	uint32_t n;
	uint32_t ttl_s;
};

static void keep_record(void *ctx, const struct sl_dns_record *record)
{
	struct services *s = ctx;

	if (!record->additional && record->ttl_s < s->ttl_s)
		s->ttl_s = record->ttl_s;
	if (record->type == SL_DNS_OTHER || record->additional == (record->type == SL_DNS_SRV))
		return;
	if ((s->n & (s->n - 1)) == 0) {
		s->items = realloc(s->items, (s->n ? 2 * (size_t)s->n : 1) * sizeof(*s->items));
		if (!s->items)
			abort(); /* at most an answer's worth */
	}
	s->items[s->n++] = *record;
}

/* Services first, those with the lowest priority in front, by target. */
static int compare_services(const void *a, const void *b)
{
	const struct sl_dns_record *x = a, *y = b;
	int order = (x->type != SL_DNS_SRV) - (y->type != SL_DNS_SRV);

	if (order == 0)
		order = (x->priority > y->priority) - (x->priority < y->priority);
	return order ? order : strcmp(x->target, y->target);
}

/* The target's addresses, from beside the answer or by a question of its own. */
static void find_target(struct asking *a, const struct services *s, const char *target,
                        struct sl_places *out)
{
	for (uint32_t i = 0; i < s->n; i++) {
		const struct sl_dns_record *r = &s->items[i];

		if (r->type != SL_DNS_A || strcmp(r->owner, target) != 0)
			continue;
		sl_places_add(out, r->address, 0);
		note_ttl(out, r->ttl_s);
	}
	if (out->n == 0)
		find_host(a, target, out);
}

/* One that has no address leaves the whole incomplete: it may have had one. */
static void take_target(struct sl_places *out, const struct sl_places *target)
{
	note_ttl(out, target->ttl_s);
	if (target->n > 0 && target->complete)
		return;
	out->complete = false;
	memcpy(out->reason, target->reason, sizeof(out->reason));
}

static void take_services(struct asking *a, const struct services *s, struct sl_places *out)
{
	struct sl_places hosts = { 0 };
	const char *last = NULL;

	for (uint32_t i = 0; i < s->n && out->complete; i++) {
		const struct sl_dns_record *r = &s->items[i];

		if (r->type != SL_DNS_SRV || r->priority != s->items[0].priority || !*r->target)
			break;
		if (!last || strcmp(last, r->target) != 0) {
			sl_places_fini(&hosts);
			hosts = (struct sl_places){ .ttl_s = UINT32_MAX, .complete = true };
			find_target(a, s, r->target, &hosts);
			take_target(out, &hosts);
		}
		last = r->target;
		for (uint32_t k = 0; k < hosts.n; k++)
			sl_places_add(out, hosts.items[k].address, r->port);
	}
	sl_places_fini(&hosts);
}

static void find_services(struct asking *a, const char *name, struct sl_places *out)
{
	struct services s = { .ttl_s = UINT32_MAX };
	int len = query(a, name, ns_t_srv, out);

	if (len > 0 && !sl_dns_answer_parse(a->answer, (size_t)len, keep_record, &s)) {
		malformed(out, name);
	} else if (s.n > 0) {
		qsort(s.items, s.n, sizeof(*s.items), compare_services);
		note_ttl(out, s.ttl_s);
		/* Their names are what is asked for, not to be completed again. */
		a->search = false;
		take_services(a, &s, out);
	}
	if (out->complete && out->n == 0 && !*out->reason)
		note_reason(out, name, "the name has no service");
	free(s.items);
}

void sl_lookup(enum sl_lookup_kind kind, const char *name, const struct sl_name_servers *servers,
               struct sl_places *out)
{
	struct asking a;

	*out = (struct sl_places){ .ttl_s = UINT32_MAX, .complete = true };
	if (!asking_init(&a, servers)) {
		out->complete = false;
		note_reason(out, name, "the resolver cannot be started");
		return;
	}
	if (kind == SL_LOOKUP_SRV)
		find_services(&a, name, out);
	else
		find_host(&a, name, out);
	asking_fini(&a);
	sl_places_sort(out);
}

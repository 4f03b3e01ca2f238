/* dns_answer.c: the records in a name server's answer.
 *
 * glibc's ns_parserr() walks the message and expands names, within its bounds;
 * here is only what the data of A, AAAA and SRV records mean. Anything that does
 * not add up makes the whole answer void. */
#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netinet/in.h>

#include "sluice/dns.h"

#define SRV_FIXED 6 /* priority, weight, port; then the target's name */

static void lower(char *name)
{
	size_t len = strlen(name);

	if (len && name[len - 1] == '.')
		name[len - 1] = '\0';
	for (; *name; name++)
		if (*name >= 'A' && *name <= 'Z')
			*name |= 0x20;
}

static bool copy_name(const char *name, char out[SL_DNS_NAME_MAX])
{
	size_t len = strlen(name);

	if (len >= SL_DNS_NAME_MAX)
		return false;
	memcpy(out, name, len + 1);
	lower(out);
	return true;
}

static bool read_address(const ns_rr *rr, int family, size_t size, struct sl_dns_record *out)
{
	return ns_rr_rdlen(*rr) == size &&
	       inet_ntop(family, ns_rr_rdata(*rr), out->address, sizeof(out->address));
}

static bool read_srv(const ns_msg *msg, const ns_rr *rr, struct sl_dns_record *out)
{
	const uint8_t *data = ns_rr_rdata(*rr);
	char name[NS_MAXDNAME];

	if (ns_rr_rdlen(*rr) <= SRV_FIXED)
		return false;
	out->priority = (uint16_t)ns_get16(data);
	out->weight = (uint16_t)ns_get16(data + 2);
	out->port = (uint16_t)ns_get16(data + 4);
	return ns_name_uncompress(ns_msg_base(*msg), ns_msg_end(*msg), data + SRV_FIXED, name,
	                          sizeof(name)) == ns_rr_rdlen(*rr) - SRV_FIXED &&
	       copy_name(name, out->target);
}

static bool read_data(const ns_msg *msg, const ns_rr *rr, struct sl_dns_record *out)
{
	if (ns_rr_class(*rr) != ns_c_in)
		return true;
	switch ((unsigned)ns_rr_type(*rr)) {
	case ns_t_a:
		out->type = SL_DNS_A;
		return read_address(rr, AF_INET, sizeof(struct in_addr), out);
	case ns_t_aaaa:
		out->type = SL_DNS_AAAA;
		return read_address(rr, AF_INET6, sizeof(struct in6_addr), out);
	case ns_t_srv:
		out->type = SL_DNS_SRV;
		return read_srv(msg, rr, out);
	default:
		return true;
	}
}

/* A time with its highest bit set is none (RFC 2181, 8). */
static uint32_t ttl_of(const ns_rr *rr)
{
	return ns_rr_ttl(*rr) > INT32_MAX ? 0 : (uint32_t)ns_rr_ttl(*rr);
}

static bool read_section(ns_msg *msg, ns_sect section, sl_dns_fn fn, void *ctx)
{
	for (int i = 0; i < ns_msg_count(*msg, section); i++) {
		struct sl_dns_record record = { .type = SL_DNS_OTHER };
		ns_rr rr;

		if (ns_parserr(msg, section, i, &rr) < 0 ||
		    !copy_name(ns_rr_name(rr), record.owner))
			return false;
		record.additional = section == ns_s_ar;
		record.ttl_s = ttl_of(&rr);
		if (!read_data(msg, &rr, &record))
			return false;
		/* What else is beside the answer (EDNS, say) is no news. */
		if (!record.additional || record.type != SL_DNS_OTHER)
			fn(ctx, &record);
	}
	return true;
}

bool sl_dns_answer_parse(const uint8_t *bytes, size_t len, sl_dns_fn fn, void *ctx)
{
	ns_msg msg;

	if (len > UINT16_MAX || ns_initparse(bytes, (int)len, &msg) < 0 ||
	    !ns_msg_getflag(msg, ns_f_qr) || ns_msg_getflag(msg, ns_f_rcode) != ns_r_noerror)
		return false;
	return read_section(&msg, ns_s_an, fn, ctx) && read_section(&msg, ns_s_ar, fn, ctx);
}

/* dns_fuzz.c: any bytes as a name server's answer, and as a hosts file. */
#undef NDEBUG /* assert is what this file is for */
#include <assert.h>
#include <stdlib.h>

#include "sluice/discover.h"
#include "sluice/dns.h"

static void look(void *ctx, const struct sl_dns_record *r)
{
	bool address = r->type == SL_DNS_A || r->type == SL_DNS_AAAA;

	(void)ctx;
	assert(strlen(r->owner) < sizeof(r->owner) && strlen(r->target) < sizeof(r->target));
	assert(address == (*r->address != '\0') && r->ttl_s <= INT32_MAX);
	assert(!address || !sl_host_is_name(r->address));
}

static void look_at_host(void *ctx, const char *address)
{
	++*(uint32_t *)ctx;
	assert(!sl_host_is_name(address));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1); /* exactly as long as it says */
	uint32_t seen = 0;
	bool ok;

	memcpy(copy, data, len);
	ok = sl_dns_answer_parse(copy, len, look, NULL);
	assert(!ok || len >= 12);
	assert(sl_hosts_find(sl_span((const char *)copy, len), "h", look_at_host, &seen) == seen);
	free(copy);
	return 0;
}

/* kube.c: what all parts of the stand-in share; see kube.h. */
#include "bench/kube/kube.h"

#include <stdio.h>
#include <time.h>

void sl_kapi_changed(struct sl_kapi *kube)
{
	kube->changes++;
	event_active(&kube->wake, EV_TIMEOUT, 0);
}

void sl_kapi_time_text(char out[24])
{
	time_t now = (time_t)sl_sim_unix_s();
	struct tm tm;

	gmtime_r(&now, &tm);
	strftime(out, 24, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

void sl_kapi_uuid(struct sl_kapi *kube, char out[40])
{
	unsigned long long a = sl_rng_next(&kube->rng), b = sl_rng_next(&kube->rng);

	snprintf(out, 40, "%08llx-%04llx-4%03llx-a%03llx-%012llx", a & 0xffffffff, a >> 48,
	         a >> 32 & 0xfff, b & 0xfff, b >> 16);
}

void sl_kapi_release(struct sl_kapi *kube)
{
	struct sl_sim_conn *next;

	for (struct sl_sim_conn *c = kube->conns.first; c; c = next) {
		next = c->next;
		if (!c->held)
			continue;
		c->held = false;
		c->list->ops->request(c);
	}
}

/* dns.c: every address of a name is an engine: A or AAAA with the port that the
 * configuration gives, or SRV's targets, of the lowest priority, with theirs.
 * Weights are not looked at: what each engine can take is measured. */
#include <stdio.h>
#include <stdlib.h>

#include "gateway/discovery/name.h"
#include "gateway/discovery/source.h"

struct dns_source {
	struct sl_source *source; /* borrowed */
	struct sl_name *name;     /* owned */
};

static struct sl_server_set *make_set(const struct dns_source *d)
{
	struct sl_server_set *set = sl_server_set_new();
	const struct sl_places *places = &d->name->places;
	char id[SL_DNS_ADDRESS_MAX + 16];

	for (uint32_t i = 0; i < places->n && i < SL_MAX_ENDPOINTS; i++) {
		const struct sl_place *place = &places->items[i];
		uint16_t port = place->port ? place->port : d->source->conf.target.port;

		snprintf(id, sizeof(id), strchr(place->address, ':') ? "[%s]:%u" : "%s:%u",
		         place->address, port);
		sl_server_set_add(set, sl_span_str(place->address), port, sl_span_str(id));
	}
	sl_server_set_unique(set);
	return set;
}

static void on_name(void *ctx)
{
	struct dns_source *d = ctx;

	/* What is only in part an answer adds engines, but is not all there is. */
	if (d->name->known &&
	    (d->name->fresh || !d->source->set || d->name->places.n > d->source->set->n))
		sl_source_found(d->source, make_set(d));
	sl_source_trouble(d->source, sl_name_trouble(d->name));
}

static void *dns_open(struct sl_source *s)
{
	struct dns_source *d = calloc(1, sizeof(*d));

	if (!d)
		abort();
	d->source = s;
	d->name =
	        sl_name_new(s->resolver, s->loop,
	                    s->conf.target.kind == SL_DISCOVER_SRV ? SL_LOOKUP_SRV : SL_LOOKUP_HOST,
	                    s->conf.target.name, s->conf.refresh_us, on_name, d);
	return d;
}

static void dns_close(void *state)
{
	struct dns_source *d = state;

	sl_name_free(d->name);
	free(d);
}

const struct sl_source_driver sl_dns_driver = { dns_open, dns_close };

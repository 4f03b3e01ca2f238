/* table.c: see table.h. */
#include "gateway/replica/table.h"

#include <stdio.h>
#include <stdlib.h>

static void *zalloc(size_t n, size_t size)
{
	void *p = calloc(n ? n : 1, size);

	if (!p)
		abort();
	return p;
}

static char *name_of(const struct sl_pool_conf *pool, const struct sl_endpoint *ep)
{
	char *name;

	if (asprintf(&name, "%s/%s/%s", pool->cluster, pool->name, ep->name) < 0)
		abort();
	return name;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct table_row *)a)->name, ((const struct table_row *)b)->name);
}

static struct table_domain *domain_of(const struct table *t, const struct sl_domain *domain)
{
	for (uint32_t i = 0; i < t->n_domains; i++)
		if (t->domains[i].domain == domain)
			return &t->domains[i];
	return NULL;
}

static void map_slot(struct table *t, uint32_t row)
{
	const struct sl_endpoint *ep = t->rows[row].ep;
	struct table_domain *d = domain_of(t, ep->domain);
	uint32_t n = ep->slot + 1;

	if (!d) {
		d = &t->domains[t->n_domains++];
		d->domain = ep->domain;
	}
	if (n > d->n_slots) {
		d->row_of_slot = realloc(d->row_of_slot, n * sizeof(*d->row_of_slot));
		if (!d->row_of_slot)
			abort();
		for (; d->n_slots < n; d->n_slots++)
			d->row_of_slot[d->n_slots] = TABLE_NONE;
	}
	d->row_of_slot[ep->slot] = row;
}

static void keep_what_was_said(struct table *t, const struct table *old)
{
	for (uint32_t i = 0; i < t->n; i++) {
		struct table_row *row = &t->rows[i];
		uint32_t was = table_find(old, sl_span_str(row->name));

		if (was == TABLE_NONE || old->rows[was].ep != row->ep)
			continue;
		row->told = old->rows[was].told;
		row->dead = old->rows[was].dead;
	}
}

void table_set(struct table *t, const struct sl_fleet *fleet)
{
	struct table old = *t;

	*t = (struct table){
		.rows = zalloc(fleet->n_endpoints, sizeof(*t->rows)),
		.domains = zalloc(fleet->n_endpoints, sizeof(*t->domains)),
	};
	for (uint32_t i = 0; i < fleet->n_endpoints; i++) {
		struct sl_endpoint *ep = fleet->endpoints[i];
		const struct sl_pool_conf *pool = sl_fleet_pool(fleet, ep);

		if (!pool)
			continue;
		t->rows[t->n++] = (struct table_row){
			.name = name_of(pool, ep),
			.ep = sl_endpoint_ref(ep),
			.dead = atomic_load(&ep->health) == SL_HEALTH_UNHEALTHY,
		};
	}
	qsort(t->rows, t->n, sizeof(*t->rows), by_name);
	for (uint32_t i = 0; i < t->n; i++)
		map_slot(t, i);
	keep_what_was_said(t, &old);
	table_fini(&old);
}

void table_fini(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		free(t->rows[i].name);
		sl_endpoint_unref(t->rows[i].ep);
	}
	for (uint32_t i = 0; i < t->n_domains; i++)
		free(t->domains[i].row_of_slot);
	free(t->rows);
	free(t->domains);
	*t = (struct table){ 0 };
}

static int compare(struct sl_span name, const char *with)
{
	size_t len = strlen(with);
	int order = memcmp(name.ptr, with, name.len < len ? name.len : len);

	return order ? order : name.len < len ? -1 : name.len > len;
}

uint32_t table_find(const struct table *t, struct sl_span name)
{
	uint32_t low = 0, high = t->n;

	while (low < high) {
		uint32_t mid = low + (high - low) / 2;
		int order = compare(name, t->rows[mid].name);

		if (order == 0)
			return mid;
		if (order < 0)
			high = mid;
		else
			low = mid + 1;
	}
	return TABLE_NONE;
}

uint32_t table_find_slot(const struct table *t, const struct sl_domain *domain, uint32_t slot)
{
	const struct table_domain *d = domain_of(t, domain);

	return d && slot < d->n_slots ? d->row_of_slot[slot] : TABLE_NONE;
}

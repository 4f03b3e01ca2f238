/* wards.c: see wards.h. */
#include "gateway/control/wards.h"

#include <stdlib.h>

struct ward {
	struct ward *next;
	struct sl_ward ward;
	const struct sl_domain *domain; /* borrowed; never freed before exit */
	char *pool, *cluster;           /* owned */
};

static struct ward *find(struct sl_wards *wards, const struct sl_domain *domain,
                         const struct sl_pool_conf *pool)
{
	struct ward *w = wards->list;

	while (w && (w->domain != domain || strcmp(w->pool, pool->name) != 0 ||
	             strcmp(w->cluster, pool->cluster) != 0))
		w = w->next;
	return w;
}

static struct ward *add(struct sl_wards *wards, const struct sl_domain *domain,
                        const struct sl_pool_conf *pool)
{
	struct ward *w = calloc(1, sizeof(*w));

	if (!w)
		abort();
	w->domain = domain;
	w->pool = strdup(pool->name);
	w->cluster = strdup(pool->cluster);
	w->next = wards->list;
	wards->list = w;
	return w;
}

void sl_wards_join(struct sl_wards *wards, struct sl_endpoint *ep, const struct sl_pool_conf *pool)
{
	struct ward *w = find(wards, ep->domain, pool);

	if (!w)
		w = add(wards, ep->domain, pool);
	atomic_fetch_add(&w->ward.members, 1);
	pthread_mutex_lock(&ep->judge_lock);
	sl_judge_join(&ep->judge, &w->ward, &ep->tally);
	pthread_mutex_unlock(&ep->judge_lock);
}

void sl_wards_leave(struct sl_endpoint *ep)
{
	pthread_mutex_lock(&ep->judge_lock);
	atomic_fetch_sub(&ep->judge.ward->members, 1);
	sl_judge_leave(&ep->judge);
	pthread_mutex_unlock(&ep->judge_lock);
}

void sl_wards_fini(struct sl_wards *wards)
{
	while (wards->list) {
		struct ward *w = wards->list;

		wards->list = w->next;
		free(w->pool);
		free(w->cluster);
		free(w);
	}
}

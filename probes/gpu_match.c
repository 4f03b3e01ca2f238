/* gpu_match.c: which GPUs an endpoint computes on, and what they mean for it.
 *
 * Three ways to tell, the surest first: a list of UUIDs, the pod that the page
 * names, the host. What the first two take is not the host's any more. All
 * GPUs of an endpoint compute on every token (tensor parallelism), so that the
 * worst of them speaks for all. Where several endpoints share a host and
 * nothing tells their GPUs apart, only what is true of all GPUs is true of them.
 * It refuses to guess beyond that. */
#include <stdlib.h>

#include "sluice/gpu.h"

static bool given(const char *text)
{
	return text && *text;
}

/* Of a list separated by commas. */
static bool is_listed(const char *list, const char *word)
{
	size_t len = strlen(word);

	while (len && *list) {
		size_t n = strcspn(list, ", ");

		if (n == len && memcmp(list, word, n) == 0)
			return true;
		list += n;
		list += strspn(list, ", ");
	}
	return false;
}

static bool is_named(const struct sl_gpu_user *u, const struct sl_gpu *g)
{
	return is_listed(u->gpus, g->last.key) || is_listed(u->gpus, g->last.index);
}

static bool is_owned(const struct sl_gpu_user *u, const struct sl_gpu *g)
{
	for (uint32_t i = 0; i < g->last.n_owners; i++) {
		const struct sl_gpu_owner *o = &g->last.owners[i];

		if (strcmp(o->pod, u->pod) == 0 && (!*o->namespace_ || !given(u->namespace_) ||
		                                    strcmp(o->namespace_, u->namespace_) == 0))
			return true;
	}
	return false;
}

static bool any_owner(const struct sl_gpu *gpus, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (gpus[i].last.n_owners)
			return true;
	return false;
}

static bool several_hosts(const struct sl_gpu *gpus, uint32_t n)
{
	for (uint32_t i = 1; i < n; i++)
		if (strcmp(gpus[i].last.host, gpus[0].last.host) != 0)
			return true;
	return false;
}

static bool is_host(const struct sl_gpu_user *u, const char *host)
{
	return *host && ((given(u->node) && strcmp(host, u->node) == 0) ||
	                 (given(u->host) && strcmp(host, u->host) == 0));
}

enum way { BY_LIST, BY_POD, BY_HOST };

/* What holds for all users of an exporter. */
struct match {
	const struct sl_gpu *gpus;
	uint32_t n;
	bool pods, hosts; /* the page tells pods; it tells of several hosts */
	bool *claimed;    /* owned; of the GPUs: by a list or a pod */
	uint32_t *guests; /* owned; of the GPUs: users that are told by their host */
};

static enum way way_of(const struct match *m, const struct sl_gpu_user *u)
{
	if (given(u->gpus))
		return BY_LIST;
	return given(u->pod) && m->pods ? BY_POD : BY_HOST;
}

static bool is_of(const struct match *m, const struct sl_gpu_user *u, uint32_t i)
{
	const struct sl_gpu *g = &m->gpus[i];

	switch (way_of(m, u)) {
	case BY_LIST:
		return is_named(u, g);
	case BY_POD:
		return is_owned(u, g);
	case BY_HOST:
		break;
	}
	return !m->claimed[i] && (!m->hosts || is_host(u, g->last.host));
}

static bool is_shared(const struct match *m, const struct sl_gpu_user *u)
{
	if (way_of(m, u) != BY_HOST)
		return false;
	for (uint32_t i = 0; i < m->n; i++)
		if (m->guests[i] > 1 && is_of(m, u, i))
			return true;
	return false;
}

static bool is_worse(const struct sl_gpu *a, const struct sl_gpu *b)
{
	if (a->class_ != b->class_)
		return a->class_ > b->class_;
	return a->derate > b->derate;
}

/* The worst of its GPUs, or, of shared ones, the best. */
static void judge(const struct match *m, struct sl_gpu_user *u)
{
	const struct sl_gpu *chosen = NULL;
	double derate = 1;

	u->n_gpus = 0;
	for (uint32_t i = 0; i < m->n; i++) {
		const struct sl_gpu *g = &m->gpus[i];

		if (!is_of(m, u, i))
			continue;
		if (!chosen || is_worse(g, chosen) != u->shared)
			chosen = g;
		if (!u->n_gpus || (g->derate > derate) != u->shared)
			derate = g->derate;
		u->n_gpus++;
	}
	u->worst = chosen;
	u->derate = derate;
	u->state = chosen ? sl_gpu_state_of(chosen->class_, u->n_gpus) : SL_GPU_STATE_HEALTHY;
}

static void claim(struct match *m, const struct sl_gpu_user *u)
{
	if (way_of(m, u) == BY_HOST)
		return;
	for (uint32_t i = 0; i < m->n; i++)
		m->claimed[i] = m->claimed[i] || is_of(m, u, i);
}

/* After all claims. */
static void count_guest(struct match *m, const struct sl_gpu_user *u)
{
	if (way_of(m, u) != BY_HOST)
		return;
	for (uint32_t i = 0; i < m->n; i++)
		m->guests[i] += is_of(m, u, i);
}

/* One page may tell of a thousand GPUs, and a thousand users ask of them: what is
 * shared is counted for each GPU, not looked for in each pair of users. */
void sl_gpu_match(const struct sl_gpu *gpus, uint32_t n, struct sl_gpu_user *users,
                  uint32_t n_users)
{
	struct match m = { gpus,
		           n,
		           any_owner(gpus, n),
		           several_hosts(gpus, n),
		           calloc(n ? n : 1, sizeof(bool)),
		           calloc(n ? n : 1, sizeof(uint32_t)) };

	if (!m.claimed || !m.guests)
		abort();
	for (uint32_t i = 0; i < n_users; i++)
		claim(&m, &users[i]);
	for (uint32_t i = 0; i < n_users; i++)
		count_guest(&m, &users[i]);
	for (uint32_t i = 0; i < n_users; i++)
		users[i].shared = is_shared(&m, &users[i]);
	for (uint32_t i = 0; i < n_users; i++)
		judge(&m, &users[i]);
	free(m.claimed);
	free(m.guests);
}

/* ---- the cap ----------------------------------------------------------- */

static int by_urgency(const void *a, const void *b)
{
	const struct sl_gpu *x = (*(struct sl_gpu_user *const *)a)->worst;
	const struct sl_gpu *y = (*(struct sl_gpu_user *const *)b)->worst;

	if (x->class_ != y->class_)
		return x->class_ > y->class_ ? -1 : 1;
	if (x->since_us != y->since_us)
		return x->since_us < y->since_us ? -1 : 1;
	return strcmp(x->last.key, y->last.key);
}

void sl_gpu_cap(struct sl_gpu_user *const *users, uint32_t n, double share)
{
	struct sl_gpu_user **out = calloc(n ? n : 1, sizeof(struct sl_gpu_user *));
	uint32_t most = (uint32_t)(share * n + 1e-9), n_out = 0;

	if (!out)
		abort();
	if (most == 0 && n > 1 && share > 0)
		most = 1;
	for (uint32_t i = 0; i < n; i++)
		if (users[i]->state == SL_GPU_STATE_FAILED)
			out[n_out++] = users[i];
	qsort(out, n_out, sizeof(struct sl_gpu_user *), by_urgency);
	for (uint32_t i = most; i < n_out; i++)
		out[i]->state = SL_GPU_STATE_DEGRADED;
	free(out);
}

/* churn.c: see churn.h. */
#include "bench/kube/churn.h"

#include <stdio.h>
#include <stdlib.h>

#include "bench/kube/template.h"
#include "bench/kube/write.h"

#define TICK_US 10000
#define AWAY "-away" /* behind the service's name: no selector takes it */

const char *sl_kapi_change_name(enum sl_kapi_change change)
{
	static const char *const names[] = { "ready", "address", "label", "delete", "create" };

	return names[change];
}

static cJSON *get(const cJSON *object, const char *key)
{
	return cJSON_GetObjectItemCaseSensitive(object, key);
}

static void set_text(cJSON *object, const char *key, const char *text)
{
	cJSON *item = cJSON_CreateString(text);

	if (!cJSON_ReplaceItemInObjectCaseSensitive(object, key, item))
		cJSON_Delete(item);
}

/* ---- one change of a pod --------------------------------------------- */

static void flip_readiness(struct sl_kapi *kube, cJSON *pod)
{
	char now[24];
	cJSON *c;

	(void)kube;
	sl_kapi_time_text(now);
	cJSON_ArrayForEach(c, get(get(pod, "status"), "conditions"))
	{
		const char *type = cJSON_GetStringValue(get(c, "type"));
		const char *status = cJSON_GetStringValue(get(c, "status"));

		if (!type || !status || !strstr(type, "Ready") || strstr(type, "ToStart"))
			continue;
		set_text(c, "status", strcmp(status, "True") != 0 ? "True" : "False");
		set_text(c, "lastTransitionTime", now);
	}
}

static void change_address(struct sl_kapi *kube, cJSON *pod)
{
	cJSON *status = get(pod, "status");
	char ip[48];

	sl_kapi_template_address(kube, ip);
	set_text(status, "podIP", ip);
	set_text(cJSON_GetArrayItem(get(status, "podIPs"), 0), "ip", ip);
}

static void toggle(cJSON *labels, const char *key, const char *one, const char *other)
{
	const char *now = cJSON_GetStringValue(get(labels, key));

	set_text(labels, key, now && !strcmp(now, one) ? other : one);
}

/* Out of the service, back into it, or another role in it. */
static void change_label(struct sl_kapi *kube, cJSON *pod)
{
	const struct sl_kapi_template *t = kube->opt.template;
	cJSON *labels = get(get(pod, "metadata"), "labels");
	const char *service = cJSON_GetStringValue(get(labels, t->service_label));
	char away[300];

	snprintf(away, sizeof(away), "%.200s" AWAY, kube->opt.service);
	if (t->role_label && service && strcmp(service, away) != 0 && sl_rng_next(&kube->rng) >> 63)
		toggle(labels, t->role_label, "prefill", "decode");
	else
		toggle(labels, t->service_label, kube->opt.service, away);
}

typedef void (*change_fn)(struct sl_kapi *kube, cJSON *pod);

/* Any pod of the template's but one that is on its way out; NULL: the one that
 * was drawn is none. */
static const struct sl_kapi_version *pick(struct sl_kapi *kube)
{
	const struct sl_kapi_set *pods = &kube->store.sets[SL_KAPI_PODS];
	const struct sl_kapi_version *v;

	if (!pods->n)
		return NULL;
	v = pods->sorted[(sl_rng_next(&kube->rng) >> 33) % pods->n];
	return v->facts.terminating || !v->facts.ip[0] ||
	                       !sl_kapi_version_label(v, kube->opt.template->service_label)
	               ? NULL
	               : v;
}

static void change_pod(struct sl_kapi *kube, change_fn change)
{
	const struct sl_kapi_version *v = pick(kube);
	cJSON *pod;

	if (!v)
		return;
	pod = sl_kapi_version_parse(v);
	change(kube, pod);
	sl_kapi_store_put(&kube->store, SL_KAPI_PODS, pod);
	cJSON_Delete(pod);
}

static void terminate(struct sl_kapi *kube, cJSON *pod)
{
	const cJSON *metadata = get(pod, "metadata");
	char key[520];

	snprintf(key, sizeof(key), "%.253s/%.253s",
	         cJSON_GetStringValue(get(metadata, "namespace")),
	         cJSON_GetStringValue(get(metadata, "name")));
	kube->churn.leaving = strdup(key);
	sl_kapi_mark_terminating(pod, 60);
}

/* ---- changes --------------------------------------------------------- */

static void delete_one(struct sl_kapi *kube)
{
	char *leaving = kube->churn.leaving;

	if (!leaving) {
		change_pod(kube, terminate);
		return;
	}
	if (sl_kapi_store_find(&kube->store, SL_KAPI_PODS, leaving))
		sl_kapi_store_del(&kube->store, SL_KAPI_PODS, leaving);
	free(leaving);
	kube->churn.leaving = NULL;
}

static void create_one(struct sl_kapi *kube)
{
	cJSON *pod;

	if (kube->store.sets[SL_KAPI_PODS].n >= kube->opt.pods)
		return;
	pod = sl_kapi_template_pod(kube);
	sl_kapi_store_put(&kube->store, SL_KAPI_PODS, pod);
	cJSON_Delete(pod);
}

static void make(struct sl_kapi *kube, enum sl_kapi_change change)
{
	static const change_fn pod_changes[] = {
		[SL_KAPI_CHANGE_READY] = flip_readiness,
		[SL_KAPI_CHANGE_ADDRESS] = change_address,
		[SL_KAPI_CHANGE_LABEL] = change_label,
	};

	if (change == SL_KAPI_CHANGE_DELETE)
		delete_one(kube);
	else if (change == SL_KAPI_CHANGE_CREATE)
		create_one(kube);
	else
		change_pod(kube, pod_changes[change]);
}

void sl_kapi_churn_make(struct sl_kapi *kube, unsigned n, unsigned kinds)
{
	unsigned tries = 20 * n + 20; /* a change may find nothing to change */

	while (n && tries-- && kinds) {
		uint64_t before = kube->store.rv;
		enum sl_kapi_change change =
		        (enum sl_kapi_change)((sl_rng_next(&kube->rng) >> 33) % SL_KAPI_CHANGES);

		if (!(kinds >> change & 1))
			continue;
		make(kube, change);
		n -= kube->store.rv != before;
	}
	sl_kapi_changed(kube);
}

/* ---- by itself ------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct sl_kapi *kube = arg;
	struct sl_kapi_churn *churn = &kube->churn;
	uint64_t now = sl_sim_now_us();
	unsigned n;

	(void)fd;
	(void)what;
	churn->due += churn->per_s * (double)(now - churn->last_us) / 1e6;
	churn->last_us = now;
	n = churn->due > 10000 ? 10000 : (unsigned)churn->due;
	churn->due -= n;
	if (n)
		sl_kapi_churn_make(kube, n, churn->kinds);
}

void sl_kapi_churn_init(struct sl_kapi *kube)
{
	event_assign(&kube->churn.timer, kube->net.base, -1, EV_PERSIST, on_tick, kube);
}

void sl_kapi_churn_fini(struct sl_kapi *kube)
{
	event_del(&kube->churn.timer);
	free(kube->churn.leaving);
	kube->churn.leaving = NULL;
}

void sl_kapi_churn_set(struct sl_kapi *kube, double per_s, unsigned kinds)
{
	struct timeval tick = sl_sim_timeval(TICK_US);

	kube->churn.per_s = per_s;
	kube->churn.kinds = kinds;
	kube->churn.last_us = sl_sim_now_us();
	kube->churn.due = 0;
	event_del(&kube->churn.timer);
	if (per_s > 0)
		event_add(&kube->churn.timer, &tick);
}

/* kube_preset.h: how each stack marks its pods, as data. */
#ifndef PROBES_KUBE_PRESET_H
#define PROBES_KUBE_PRESET_H

#include "sluice/kube.h"

/* A pod with this label is none of its own, unless the value is `except`. */
struct kube_helper {
	const char *label;
	const char *value;  /* that it has; NULL: any but `except` */
	const char *except; /* NULL: none */
	bool unless_port;   /* but it is if a container of it declares a port */
	const char *why;
};

struct kube_preset {
	const char *selector;    /* always asked for; "" none */
	const char *service_key; /* label whose value is the `service`; NULL: none */
	const char *needs;       /* label or annotation that must be there; NULL: none */
	const char *role_key;
	bool other_is_both; /* a role that is neither does both; else it is the pool's */
	const char *model_key;
	const char *pair_key;
	bool whole_pairs; /* a pair value without either role takes no requests */
	bool by_image;    /* engines of other images do not exchange KV caches */
	const char *port_key, *metrics_key;
	const char *engine_key;
	uint16_t port;                     /* of an engine whose containers declare none */
	uint16_t behind_port;              /* of one behind a routing sidecar, the same */
	const struct kube_helper *helpers; /* ends with one without a label */
};

const struct kube_preset *kube_preset_of(const struct sl_discover_conf *conf);

#endif

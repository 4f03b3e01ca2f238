/* discover.h: engines that are found at run time. Pure: the sources in
 * gateway/discovery do the I/O and hand over bytes. */
#ifndef SLUICE_DISCOVER_H
#define SLUICE_DISCOVER_H

#include "sluice/err.h"
#include "sluice/route.h"

struct sl_server_conf;

struct sl_addr_conf {
	char *host; /* a name, an IPv4 or an IPv6 address without brackets */
	uint16_t port;
};
/* Whether a host is a name that has to be resolved. */
bool sl_host_is_name(const char *host);

/* Conventions by which a stack marks its pods. */
enum sl_kube_preset {
	SL_KUBE_PLAIN,          /* nothing but what the configuration says */
	SL_KUBE_KSERVE_LLMISVC, /* KServe LLMInferenceService */
	SL_KUBE_KSERVE_ISVC,    /* KServe InferenceService */
	SL_KUBE_LLM_D,
	SL_KUBE_AIBRIX,
	SL_KUBE_PRESET_COUNT
};

/* What a source says of an engine beside its address. Owned strings, "" or 0 when
 * it says nothing. */
struct sl_found {
	bool is;       /* found by a source, not written in the file */
	bool has_role; /* else the pool's */
	enum sl_role role;
	bool hold;              /* no new requests: not ready yet, or on its way out */
	const char *why;        /* of hold; static */
	char *id;               /* stable in its source: "NAMESPACE/POD/UID", "10.0.0.1:8000" */
	char *address;          /* where a host that is a name is now; "" for an address */
	char *engine;           /* its kind's name, as after `engine` */
	char *model;            /* that it serves; else it is asked */
	char *kv_group;         /* beside the pool's: who may exchange KV caches */
	uint16_t metrics_port;  /* 0: the engine's own */
	char *node;             /* the host whose GPUs it uses, as exporters name it */
	char *node_address;     /* where that is, when `node` is only a name */
	char *namespace_, *pod; /* by which GPU exporters name their user */
	char *gpus;             /* UUIDs, separated by commas */
};

/* All engines that a source knows at one time. Immutable once handed over. */
struct sl_server_set {
	struct sl_server_conf *servers; /* owned, with all strings */
	uint32_t n, size;
	uint32_t refs; /* one thread */
};
struct sl_server_set *sl_server_set_new(void);
struct sl_server_set *sl_server_set_ref(struct sl_server_set *set);
void sl_server_set_unref(struct sl_server_set *set); /* NULL is fine */
/* A new one at the end: port set, all strings "" but the host and id, which are
 * copied. Valid until the next _add. */
struct sl_server_conf *sl_server_set_add(struct sl_server_set *set, struct sl_span host,
                                         uint16_t port, struct sl_span id);
/* The same for one of another set, with all that is said of it. */
struct sl_server_conf *sl_server_set_copy(struct sl_server_set *set,
                                          const struct sl_server_conf *from);
/* Of several with the same host and port only the first stays. */
void sl_server_set_unique(struct sl_server_set *set);
/* Puts a copy of `value` into one of its strings. */
void sl_server_set_text(char **field, struct sl_span value);
/* The same engine, with the same facts; also of servers of the file. */
bool sl_server_equal(const struct sl_server_conf *a, const struct sl_server_conf *b);
/* The same engines in the same order, with the same facts. */
bool sl_server_set_equal(const struct sl_server_set *a, const struct sl_server_set *b);

/* Prometheus's file_sd JSON, [{"targets":["HOST:PORT"],"labels":{}}], added to
 * the set; docs/discovery.md lists the labels. False: `error` says which entry
 * and why, and the set is to be thrown away. */
#define SL_FILE_SD_MAX_BYTES (8u << 20)
SL_MUST_CHECK bool sl_file_sd_parse(const char *json, struct sl_server_set *set, char *error,
                                    size_t error_size);

#endif

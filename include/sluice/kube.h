/* kube.h: engines in Kubernetes: what an API server's lists and watches say,
 * and which engines that makes.
 *
 * Pure: gateway/discovery/kube.c asks and hands over bytes. The nouns:
 *   stream  cuts an answer's bytes into objects, whatever its length
 *   object  one of them, parsed; only while a sink looks at it
 *   rules   what the configuration, its preset and an InferencePool make of it
 *   store   what the server was heard to have, by name, and the engines of it */
#ifndef SLUICE_KUBE_H
#define SLUICE_KUBE_H

#include "sluice/config.h"

/* ---- bytes to objects ------------------------------------------------ */

/* The largest object that is looked at: etcd takes no larger one. */
#define SL_KUBE_OBJECT_MAX (1536u * 1024u)

enum sl_kube_shape {
	SL_KUBE_LIST,    /* {"metadata":{...},"items":[{...},...]} */
	SL_KUBE_OBJECTS, /* one object after another: the frames of a watch */
};

enum sl_kube_part {
	SL_KUBE_PART_OBJECT,   /* an item, a frame */
	SL_KUBE_PART_METADATA, /* a list's own */
};

/* One object's JSON, without what nobody here reads (managedFields, env, volumes).
 * Borrowed until it returns; it may not call back into the stream. */
typedef void (*sl_kube_part_fn)(void *ctx, enum sl_kube_part part, struct sl_span json);

struct sl_kube_stream; /* holds at most one object */
struct sl_kube_stream *sl_kube_stream_new(sl_kube_part_fn fn, void *ctx);
void sl_kube_stream_free(struct sl_kube_stream *s); /* NULL is fine */
/* Forgets what came before; it begins so too, as OBJECTS. */
void sl_kube_stream_reset(struct sl_kube_stream *s, enum sl_kube_shape shape);
/* Any split of the bytes is fine. */
void sl_kube_stream_feed(struct sl_kube_stream *s, const char *data, size_t len);
/* The answer is over: 0, or BAD_JSON if it was cut off or no JSON. */
SL_MUST_CHECK int sl_kube_stream_finish(const struct sl_kube_stream *s);
/* Objects that were too large, since it was made. */
uint64_t sl_kube_stream_skipped(const struct sl_kube_stream *s);

/* ---- objects --------------------------------------------------------- */

struct sl_kube_object; /* parsed JSON */

struct sl_kube_sink {
	void (*put)(void *ctx, const struct sl_kube_object *o); /* it is there, or has changed */
	void (*del)(void *ctx, const struct sl_kube_object *o); /* it is no longer there */
};

/* What a list says of itself. Owned strings; "" for none. */
struct sl_kube_listing {
	char *version; /* opaque: where a watch begins */
	char *next;    /* opaque: the `continue` for the rest of the list */
};
void sl_kube_listing_fini(struct sl_kube_listing *l);
/* 0, or BAD_JSON: no object. Replaces what was there. */
SL_MUST_CHECK int sl_kube_listing_read(struct sl_kube_listing *l, struct sl_span json);

/* An item of a list: put. 0, or BAD_JSON. */
SL_MUST_CHECK int sl_kube_item_read(struct sl_span json, const struct sl_kube_sink *sink,
                                    void *ctx);

enum sl_kube_event {
	SL_KUBE_CHANGED,  /* the sink was told */
	SL_KUBE_BOOKMARK, /* nothing new up to this version */
	SL_KUBE_INITIAL,  /* the same, and all that there was has been told */
	SL_KUBE_EXPIRED,  /* 410: what lies between is forgotten, list again */
	SL_KUBE_ERROR,    /* the server gave the watch up; see code and message */
	SL_KUBE_UNKNOWN,  /* no frame of a watch */
};

#define SL_KUBE_MESSAGE_MAX 256
/* The server's word on a failure: the Status of an ERROR frame or of an answer. */
struct sl_kube_status {
	int code;                          /* 0: it gave none */
	char message[SL_KUBE_MESSAGE_MAX]; /* printable, cut off */
};

/* version: owned, replaced when the frame has one. */
enum sl_kube_event sl_kube_frame_read(struct sl_span json, const struct sl_kube_sink *sink,
                                      void *ctx, char **version, struct sl_kube_status *out_status);
/* The body of an answer that is no success. */
void sl_kube_status_read(struct sl_span json, struct sl_kube_status *out_status);

/* ---- rules ----------------------------------------------------------- */

#define SL_KUBE_PORTS 8 /* of one pod; an InferencePool has no more either */

struct sl_kube_rules {
	const struct sl_discover_conf *conf; /* borrowed */
	/* Of the InferencePool that the configuration names; NULL: not read yet. */
	char *pool_selector; /* owned */
	uint16_t pool_ports[SL_KUBE_PORTS];
	uint32_t n_pool_ports;
};
void sl_kube_rules_init(struct sl_kube_rules *rules, const struct sl_discover_conf *conf);
void sl_kube_rules_fini(struct sl_kube_rules *rules);
/* An InferencePool, v1 or v1alpha2: true if it says something else than before. */
bool sl_kube_rules_take_pool(struct sl_kube_rules *rules, const struct sl_kube_object *pool);

/* What can be asked for. */
enum sl_kube_resource {
	SL_KUBE_PODS,
	SL_KUBE_SLICES,
	SL_KUBE_POOLS,     /* inference.networking.k8s.io/v1 */
	SL_KUBE_POOLS_OLD, /* inference.networking.x-k8s.io/v1alpha2 */
};
struct sl_kube_names {
	const char *group; /* "" for the core */
	const char *version;
	const char *plural;
};
const struct sl_kube_names *sl_kube_names(enum sl_kube_resource r);

/* The path of a question. Owned by the caller. namespace_ "*": in all.
 * limit 0: all at once; next: of the listing before, or "". */
char *sl_kube_list_path(const struct sl_kube_rules *rules, enum sl_kube_resource r,
                        const char *namespace_, uint32_t limit, const char *next);
char *sl_kube_watch_path(const struct sl_kube_rules *rules, enum sl_kube_resource r,
                         const char *namespace_, const char *version, uint32_t timeout_s);

/* ---- store ----------------------------------------------------------- */

/* More of them are not kept: a server that never comes to an end must not fill our
 * memory. */
#define SL_KUBE_MAX_OBJECTS (4u * SL_MAX_ENDPOINTS)

struct sl_kube_store;
/* rules: borrowed. */
struct sl_kube_store *sl_kube_store_new(const struct sl_kube_rules *rules);
void sl_kube_store_free(struct sl_kube_store *store);
/* Everything is about to be put anew; what has not been by _end is gone. */
void sl_kube_store_begin(struct sl_kube_store *store);
void sl_kube_store_end(struct sl_kube_store *store);
void sl_kube_store_put(struct sl_kube_store *store, const struct sl_kube_object *o);
void sl_kube_store_del(struct sl_kube_store *store, const struct sl_kube_object *o);
/* Engines are not what they were when it was last asked. */
bool sl_kube_store_changed(struct sl_kube_store *store);
/* All engines, in the order of their names. A new set, owned by the caller. */
struct sl_server_set *sl_kube_store_engines(const struct sl_kube_store *store);

struct sl_kube_counts {
	uint32_t objects;
	uint32_t idle;     /* that make no engine */
	const char *why;   /* the first of these; static, "" if there is none */
	uint32_t left_out; /* changes to objects that are too many, or have no proper name */
};
struct sl_kube_counts sl_kube_store_counts(const struct sl_kube_store *store);

#endif

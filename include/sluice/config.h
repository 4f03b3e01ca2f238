/* config.h: the effective configuration, immutable once published.
 *
 * Made by gateway/config from the operators' files; every default is already
 * in place, every reference resolved. Owned strings, NUL-terminated, "" when
 * not given. Durations in microseconds, sizes in bytes. */
#ifndef SLUICE_CONFIG_H
#define SLUICE_CONFIG_H

#include "sluice/discover.h"
#include "sluice/err.h"
#include "sluice/probe.h"
#include "sluice/route.h"

struct sl_listen_conf {
	struct sl_addr_conf addr; /* host "" listens on all addresses */
	bool tls;
	char *certificate; /* PEM path */
	char *key;
	bool h2c_only; /* `protocol h2c`: no HTTP/1.1 here */
	bool h1_only;  /* `protocol http/1.1` */
};

enum sl_connector { SL_CONNECTOR_NONE, SL_CONNECTOR_NIXL };
enum sl_upstream_protocol { SL_UP_H1, SL_UP_H2C, SL_UP_H2_TLS, SL_UP_H1_TLS };

struct sl_server_conf {
	struct sl_addr_conf addr;
	uint32_t max_concurrent; /* 0: the pool's */
	uint32_t metrics_port;   /* 0: the pool's */
	struct sl_found found;   /* of one that a source found; else all zero */
};

enum sl_discover_kind {
	SL_DISCOVER_FILE,
	SL_DISCOVER_DNS,
	SL_DISCOVER_SRV,
	SL_DISCOVER_KUBERNETES
};

/* `discover file:PATH | dns:NAME:PORT | srv:NAME | kubernetes` */
struct sl_discover_target {
	enum sl_discover_kind kind;
	char *name;    /* PATH (absolute) or NAME; "" for kubernetes */
	uint16_t port; /* dns: of every address */
};

enum sl_kube_watch {
	SL_WATCH_PODS,
	SL_WATCH_SLICES, /* EndpointSlices of a Service */
};

/* A source of engines for a pool. */
struct sl_discover_conf {
	struct sl_discover_target target;
	uint64_t refresh_us; /* file, DNS: read again at the latest; Kubernetes: listed again */
	/* Kubernetes; see docs/configuration.md. "" when not given. */
	enum sl_kube_preset preset;
	enum sl_kube_watch watch;
	char *api;             /* URL; "" = KUBERNETES_SERVICE_HOST and _PORT */
	char *api_token;       /* file, read again every minute; "" = the service account's */
	char *api_ca;          /* file; "" = the service account's */
	char *namespace_;      /* "" = the service account's; "*" all */
	char *service;         /* the preset's object, or the Service of the slices */
	char *inference_pool;  /* its selector and ports are taken */
	char *selector;        /* a label selector, beside the preset's */
	char *role_label;      /* whose value is prefill, decode or both */
	char *model_label;     /* whose value is the model's name */
	char *pair_label;      /* prefill and decode exchange KV only where it is equal */
	uint32_t port;         /* 0: the preset's, the annotation's, the Service's */
	uint32_t metrics_port; /* 0: the same */
};

struct sl_cluster_conf {
	char *name;
	char *region;      /* "" when not given */
	char *gpu_metrics; /* as in sl_config; "" = the same */
	uint32_t priority;
};

struct sl_pool_conf {
	char *name;    /* "default" when not given; a gateway's is "gateway" */
	char *cluster; /* "" outside any cluster block */
	bool gateway;  /* `gateway URL`: its one server is another gateway */
	enum sl_role role;
	enum sl_engine_kind engine;
	enum sl_connector connector;
	enum sl_upstream_protocol protocol;
	char *tls_ca;          /* PEM path, "" = the system's */
	char *tls_server_name; /* "" = the server's host */
	bool tls_verify;
	bool health_generate; /* idle engines are asked for a token now and then */
	char *kv_group;       /* "" = one group per domain */
	char *api_key;        /* sent upstream as a Bearer token, replaces the client's; secret */
	char **models;        /* names this pool serves; none: asked from /v1/models */
	uint32_t n_models;
	struct sl_server_conf *servers;
	uint32_t n_servers;
	struct sl_discover_conf *discovers;
	uint32_t n_discovers;
	uint32_t max_concurrent; /* per endpoint, 0: none */
	uint32_t max_idle;       /* idle connections per worker and endpoint */
	uint64_t
	        idle_timeout_us; /* of an idle upstream connection, below the engine's keep-alive */
	uint64_t connect_timeout_us;
	uint64_t prefill_timeout_us;     /* for a prefill leg's whole answer */
	uint64_t first_event_timeout_us; /* from dispatch to the first event */
	uint64_t answer_timeout_us;      /* for an answer that is no stream, 10 min */
	uint64_t stream_idle_timeout_us; /* between two events */
	uint64_t lease_us;               /* age past which a hand-off is redone */
	char *path_prefix; /* before the path of every request; "" the dialect's, "off" none */
	char *health_path; /* "" the dialect's */
	struct sl_status_set health_status; /* of its answer, that are well */
	char *metrics_path;                 /* "" the dialect's, "off" none */
	uint32_t metrics_port;              /* 0: the dialect's, or the engine's own */
	uint32_t n_signals;
	struct sl_signal_map *signals; /* where its page has what; before the dialect's */
	uint64_t health_generate_interval_us;
	uint64_t probe_interval_us;
	uint64_t probe_timeout_us;
	struct sl_health_policy health;
	char *gpu_metrics; /* as in sl_config; "" = the cluster's, or the same */
	uint32_t line;     /* where the block begins, for messages */
	char *file;
};

struct sl_model_conf {
	char *name;
	char **aliases; /* other names clients may use; the engine gets `name` ... */
	uint32_t n_aliases;
	char *profile; /* "" = the default profile */
	enum sl_policy policy;
	char **pools; /* pools that serve it; none: every pool that lists it */
	uint32_t n_pools;
	char **clusters; /* where it may be served; none: in all */
	uint32_t n_clusters;
	char **residency; /* regions that it must not leave; none: no limit */
	uint32_t n_residency;
};

struct sl_redis_url {
	struct sl_addr_conf addr;
	uint32_t db;
};

/* What gateways share their state through; a hint, never a dependency. */
struct sl_redis_conf {
	struct sl_redis_url url;
	char *user;     /* "" = Redis's default user */
	char *password; /* "" = none; secret */
	char *prefix;   /* of every key */
	uint64_t publish_interval_us;
	uint64_t expiry_us; /* after which a silent gateway's work is taken to be over */
	uint64_t connect_timeout_us;
	uint64_t reply_timeout_us;
};

struct sl_config {
	/* process */
	uint32_t worker_threads;     /* resolved from `auto` */
	struct sl_addr_conf admin;   /* port 0: none */
	char *log_level;             /* debug info warn error */
	char *access_log;            /* "off", "stdout", "stderr" or a path */
	char *access_log_prompt_key; /* "" = no hashes of prompts; secret */
	uint64_t shutdown_timeout_us;
	uint64_t shutdown_notice_us; /* between the first GOAWAY and the second */
	/* downstream limits */
	uint32_t header_bytes;
	uint32_t header_count;
	uint64_t body_limit;
	uint64_t request_memory; /* budget for all bodies held at once */
	uint32_t max_connections;
	uint32_t max_connections_per_client; /* an IPv4 address or an IPv6 /64 */
	uint32_t connection_rate_per_client; /* new ones a second; 0: no limit */
	uint32_t max_requests_per_client;    /* in progress; 0: no limit */
	uint32_t max_streams;                /* concurrent, per HTTP/2 connection */
	uint32_t glitch_limit;               /* suspicious acts on an HTTP/2 connection */
	uint32_t reset_limit;                /* streams that its client may reset */
	uint32_t min_rate; /* bytes a second of a body, or of an answer that waits */
	uint64_t header_timeout_us;
	uint64_t body_timeout_us; /* silence while a body is awaited */
	uint64_t keepalive_timeout_us;
	uint64_t write_timeout_us; /* a client that takes nothing */
	uint64_t tls_handshake_timeout_us;
	uint64_t answer_memory; /* budget for all that waits for clients */
	uint32_t stream_buffer; /* bytes held for a slow reader before the engine is paused */
	/* failing well */
	uint32_t retry_attempts;   /* legs tried per request, the first included */
	double retry_budget;       /* share of live requests that may be retries, 0.2 */
	uint32_t retry_budget_min; /* always allowed at once, 10 */
	uint64_t queue_timeout_us; /* wait when every endpoint is full */
	uint32_t queue_limit;      /* requests that may wait in one domain, times the workers */
	char *tenant_header;       /* trusted; "" = the client says who it is */
	char *priority_header;     /* trusted; "" = none */
	/* clusters */
	uint64_t failback_delay_us; /* how long a better one must be ready */
	uint64_t failback_ramp_us;  /* time in which its share then grows to all */
	/* GPUs */
	char *gpu_metrics; /* URL with {host} and {node}, or "off" */
	uint64_t gpu_interval_us;
	uint64_t gpu_timeout_us;
	uint64_t gpu_hold_us; /* an error without an end counts so long */
	uint64_t gpu_calm_us; /* what is over must be over so long */
	double gpu_max_out;   /* share of a pool, 0.3 */
	char **xids;          /* numbers, and then their class: "79", "95", "failed" */
	uint32_t n_xids;
	char **resolvers; /* name servers, "ADDRESS:PORT"; none: the system's */
	uint32_t n_resolvers;
	/* things */
	char *default_profile;
	struct sl_listen_conf *listens;
	uint32_t n_listens;
	struct sl_cluster_conf *clusters;
	uint32_t n_clusters;
	struct sl_pool_conf *pools; /* gateways among them */
	uint32_t n_pools;
	struct sl_model_conf *models;
	uint32_t n_models;
	struct sl_redis_conf *redis; /* NULL: this gateway is alone */
	uint32_t n_redis;            /* 0 or 1 */
};

#endif

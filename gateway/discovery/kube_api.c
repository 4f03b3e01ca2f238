/* kube_api.c: see kube_api.h. */
#include "gateway/discovery/kube_api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "gateway/net/authority.h"

#define ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
#define FILE_MAX_BYTES 65536
#define CONNECT_TIMEOUT_US 5000000u
#define IDLE_TIMEOUT_US 60000000u

static void ignore_report(void *ctx, struct sl_endpoint *ep, bool ok)
{
	(void)ctx;
	(void)ep;
	(void)ok;
}

void kube_api_init(struct kube_api *api, struct sl_loop *loop, struct sl_metrics *metrics,
                   struct sl_resolver *resolver, const struct sl_discover_conf *conf)
{
	*api = (struct kube_api){ .loop = loop, .resolver = resolver, .conf = conf };
	api->upstreams = sl_upstreams_new(loop, metrics, ignore_report, api);
}

void kube_api_doubt(struct kube_api *api)
{
	api->doubtful = true;
}

static void forget_server(struct kube_api *api)
{
	if (!api->ep)
		return;
	sl_upstreams_retire(api->upstreams, api->ep);
	sl_endpoint_unref(api->ep);
	api->ep = NULL;
}

void kube_api_fini(struct kube_api *api)
{
	if (api->question)
		sl_question_drop(api->question);
	forget_server(api);
	sl_upstreams_free(api->upstreams);
	free(api->prefix);
	free(api->lines);
}

const char *kube_api_name(const struct kube_api *api)
{
	return api->ep ? api->ep->name : *api->conf->api ? api->conf->api : "of this cluster";
}

/* ---- files ----------------------------------------------------------- */

/* Its content without blanks at the end, owned by the caller; NULL with errno. */
static char *read_file(const char *path)
{
	FILE *in = fopen(path, "re");
	char *text = in ? calloc(1, FILE_MAX_BYTES) : NULL;
	size_t n;

	if (!in)
		return NULL;
	if (!text)
		abort();
	n = fread(text, 1, FILE_MAX_BYTES - 1, in);
	fclose(in);
	while (n && (text[n - 1] == '\n' || text[n - 1] == '\r' || text[n - 1] == ' '))
		text[--n] = '\0';
	return text;
}

/* It becomes part of a header. */
static bool is_token(const char *text)
{
	if (!*text)
		return false;
	for (; *text; text++)
		if (*text <= ' ' || *text > '~')
			return false;
	return true;
}

/* A file that the operator named must be there; the account's only if it is. */
static bool read_token(struct kube_api *api, char reason[KUBE_REASON_MAX])
{
	bool named = *api->conf->api_token;
	const char *path = named ? api->conf->api_token : ACCOUNT "token";
	char *token = read_file(path);
	int why = errno;
	bool good = token ? is_token(token) : !named;

	if (!good)
		snprintf(reason, KUBE_REASON_MAX, "the token's file %s %s", path,
		         token ? "holds no token" : strerror(why));
	free(api->lines);
	if (asprintf(&api->lines, "accept: application/json\r\n%s%s%s",
	             token ? "authorization: Bearer " : "", token && good ? token : "",
	             token ? "\r\n" : "") < 0)
		abort();
	free(token);
	return good;
}

void kube_api_namespace(const struct kube_api *api, char *out_name)
{
	const char *name = api->conf->namespace_;
	char *own = *name ? NULL : read_file(ACCOUNT "namespace");

	snprintf(out_name, 256, "%s", *name ? name : own && *own ? own : "default");
	free(own);
}

/* ---- where it is ----------------------------------------------------- */

struct url {
	bool tls;
	char host[256];
	uint16_t port;
	char prefix[512]; /* without a slash at its end */
};

static bool split_url(const char *text, struct url *url)
{
	size_t len;

	*url = (struct url){ .tls = strncmp(text, "https://", 8) == 0 };
	if (!url->tls && strncmp(text, "http://", 7) != 0)
		return false;
	text += url->tls ? 8 : 7;
	len = strcspn(text, "/");
	if (!sl_authority_split(sl_span(text, len), url->host, sizeof(url->host), &url->port))
		return false;
	if (!url->port)
		url->port = url->tls ? 443 : 80;
	snprintf(url->prefix, sizeof(url->prefix), "%s", text + len);
	for (len = strlen(url->prefix); len && url->prefix[len - 1] == '/'; len--)
		url->prefix[len - 1] = '\0';
	return true;
}

static bool find_url(const struct kube_api *api, struct url *url, char reason[KUBE_REASON_MAX])
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST");
	const char *port = getenv("KUBERNETES_SERVICE_PORT");
	char text[512];
	bool v6 = host && strchr(host, ':');

	if (*api->conf->api) {
		snprintf(text, sizeof(text), "%s", api->conf->api);
	} else if (host && *host) {
		snprintf(text, sizeof(text), "https://%s%s%s:%s", v6 ? "[" : "", host,
		         v6 ? "]" : "", port && *port ? port : "443");
	} else {
		snprintf(reason, KUBE_REASON_MAX,
		         "no API server is known: this is no pod, set 'api'");
		return false;
	}
	if (split_url(text, url))
		return true;
	snprintf(reason, KUBE_REASON_MAX, "%s is no URL of an API server", text);
	return false;
}

/* NULL with a reason; no certificate, no question. */
static struct sl_tls_context *make_tls(const struct kube_api *api, char reason[KUBE_REASON_MAX])
{
	const char *ca = api->conf->api_ca;

	if (!*ca && !*api->conf->api)
		ca = ACCOUNT "ca.crt";
	return sl_tls_client_context(ca, true, SL_ALPN_H1, reason, KUBE_REASON_MAX);
}

/* 1, or -1 with a reason. */
static int make_endpoint(struct kube_api *api, const struct url *url, const char *address,
                         char reason[KUBE_REASON_MAX])
{
	struct sl_tls_context *tls = NULL;
	char name[SL_ENDPOINT_NAME_MAX];
	struct sl_sockaddr addr;

	if (sl_sockaddr_numeric(address, url->port, &addr) != 0) {
		snprintf(reason, KUBE_REASON_MAX, "%s is no address", address);
		return -1;
	}
	if (url->tls && !(tls = make_tls(api, reason)))
		return -1;
	sl_endpoint_format_name(url->host, url->port, name);
	api->ep = sl_endpoint_new(name, &addr, url->tls ? SL_UP_H1_TLS : SL_UP_H1, tls, url->host,
	                          api->loop->now_us);
	api->ep->id = api->n_endpoints++ & 1u; /* the one before may still be closing */
	free(api->prefix);
	api->prefix = strdup(url->prefix);
	return 1;
}

/* Each time another one: of several servers some may be down. */
static const char *choose(const struct kube_api *api, const struct sl_places *places)
{
	return places->items[api->n_endpoints % places->n].address;
}

static void on_answer(void *ctx, const struct sl_places *places)
{
	struct kube_api *api = ctx;
	struct url url;

	api->question = NULL;
	if (!places->n)
		snprintf(api->unfound, KUBE_REASON_MAX, "the API server's name: %s",
		         places->reason);
	else if (find_url(api, &url, api->unfound))
		(void)make_endpoint(api, &url, choose(api, places), api->unfound);
	api->on_found(api->ctx);
}

int kube_api_find(struct kube_api *api, void (*on_found)(void *ctx), void *ctx,
                  char reason[KUBE_REASON_MAX])
{
	struct url url;

	if (api->ep && !api->doubtful)
		return 1;
	forget_server(api);
	api->doubtful = false;
	if (!find_url(api, &url, reason))
		return -1;
	if (!sl_host_is_name(url.host))
		return make_endpoint(api, &url, url.host, reason);
	api->on_found = on_found;
	api->ctx = ctx;
	api->question = sl_resolver_ask(api->resolver, SL_LOOKUP_HOST, url.host, on_answer, api);
	return 0;
}

/* ---- asking ---------------------------------------------------------- */

struct sl_fetch *kube_api_ask(struct kube_api *api, const char *path, uint64_t silence_us,
                              uint64_t timeout_us, const struct sl_fetch_events *events, void *user,
                              char reason[KUBE_REASON_MAX])
{
	struct sl_fetch_spec spec = {
		.connect_timeout_us = CONNECT_TIMEOUT_US,
		.silence_us = silence_us,
		.timeout_us = timeout_us,
		.idle_timeout_us = IDLE_TIMEOUT_US,
	};
	struct sl_fetch *fetch;
	char *whole;

	if (!read_token(api, reason))
		return NULL;
	if (asprintf(&whole, "%s%s", api->prefix, path) < 0)
		abort();
	spec.path = sl_span_str(whole);
	spec.lines = sl_span_str(api->lines);
	fetch = sl_fetch_start(api->loop, api->upstreams, api->ep, &spec, events, user);
	free(whole);
	return fetch;
}

/* listeners.c: see listeners.h. */
#include "gateway/control/listeners.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct bound {
	struct sl_sockaddr addr;
	struct sl_tls_context *tls; /* ref */
	bool h2c_only, h1_only;
	bool fresh; /* its sockets were opened by this prepare */
	int *fds;   /* owned array, one per worker */
};

struct set {
	struct bound *items;
	uint32_t n;
};

struct sl_listeners {
	uint32_t workers;
	struct set now, next;
};

struct sl_listeners *sl_listeners_new(uint32_t workers)
{
	struct sl_listeners *l = calloc(1, sizeof(*l));

	if (!l)
		abort();
	l->workers = workers;
	return l;
}

/* close_fresh: sockets that no worker has seen are ours to close. */
static void clear(struct sl_listeners *l, struct set *set, bool close_fresh)
{
	for (uint32_t i = 0; i < set->n; i++) {
		struct bound *b = &set->items[i];

		for (uint32_t w = 0; close_fresh && b->fresh && w < l->workers; w++)
			if (b->fds[w] >= 0)
				close(b->fds[w]);
		sl_tls_context_unref(b->tls);
		free(b->fds);
	}
	free(set->items);
	*set = (struct set){ NULL, 0 };
}

void sl_listeners_free(struct sl_listeners *l)
{
	if (!l)
		return;
	clear(l, &l->next, true);
	clear(l, &l->now, false);
	free(l);
}

void sl_listeners_abandon(struct sl_listeners *l)
{
	clear(l, &l->next, true);
}

static const struct bound *find(const struct set *set, const struct sl_sockaddr *addr)
{
	for (uint32_t i = 0; i < set->n; i++)
		if (sl_sockaddr_eq(&set->items[i].addr, addr))
			return &set->items[i];
	return NULL;
}

static bool open_sockets(struct sl_listeners *l, struct bound *b)
{
	const struct bound *old = find(&l->now, &b->addr);

	b->fds = malloc(l->workers * sizeof(*b->fds));
	if (!b->fds)
		abort();
	b->fresh = !old;
	for (uint32_t w = 0; w < l->workers; w++)
		b->fds[w] = old ? old->fds[w] : -1;
	for (uint32_t w = 0; b->fresh && w < l->workers; w++) {
		b->fds[w] = sl_socket_listen(&b->addr, l->workers > 1);
		if (b->fds[w] < 0)
			return false;
	}
	return true;
}

static unsigned alpn_of(const struct sl_listen_conf *conf)
{
	if (conf->h2c_only)
		return SL_ALPN_H2;
	return conf->h1_only ? SL_ALPN_H1 : SL_ALPN_H2 | SL_ALPN_H1;
}

static int prepare_one(struct sl_listeners *l, const struct sl_listen_conf *conf, struct bound *b,
                       char *error, size_t size)
{
	int rc = sl_sockaddr_resolve(conf->addr.host, conf->addr.port, &b->addr);

	b->h2c_only = conf->h2c_only;
	b->h1_only = conf->h1_only;
	if (rc != 0) {
		snprintf(error, size, "listen %s: %s", conf->addr.host, gai_strerror(rc));
		return -1;
	}
	if (conf->tls) {
		b->tls = sl_tls_server_context(conf->certificate, conf->key, alpn_of(conf), error,
		                               size);
		if (!b->tls)
			return -1;
	}
	if (!open_sockets(l, b)) {
		char name[64];

		sl_sockaddr_format((const struct sockaddr *)&b->addr.ss, name, sizeof(name));
		snprintf(error, size, "listen %s: %s", name, strerror(errno));
		return -1;
	}
	return 0;
}

int sl_listeners_prepare(struct sl_listeners *l, const struct sl_config *config, char *error,
                         size_t error_size)
{
	l->next.items = calloc(config->n_listens ? config->n_listens : 1, sizeof(*l->next.items));
	if (!l->next.items)
		abort();
	for (uint32_t i = 0; i < config->n_listens; i++) {
		struct bound *b = &l->next.items[l->next.n++];

		if (prepare_one(l, &config->listens[i], b, error, error_size) != 0)
			return -1;
	}
	return 0;
}

void sl_listeners_commit(struct sl_listeners *l, struct sl_threads *threads)
{
	struct sl_listener_set *sets = calloc(l->workers, sizeof(*sets));

	if (!sets)
		abort();
	for (uint32_t w = 0; w < l->workers; w++) {
		sets[w].n = l->next.n;
		sets[w].items = calloc(l->next.n ? l->next.n : 1, sizeof(*sets[w].items));
		if (!sets[w].items)
			abort();
		for (uint32_t i = 0; i < l->next.n; i++) {
			const struct bound *b = &l->next.items[i];

			sets[w].items[i] = (struct sl_listener){
				.fd = b->fds[w],
				.tls = b->tls ? sl_tls_context_ref(b->tls) : NULL,
				.h2c_only = b->h2c_only,
				.h1_only = b->h1_only,
			};
		}
	}
	sl_threads_listen(threads, sets);
	free(sets);
	clear(l, &l->now, false);
	l->now = l->next;
	l->next = (struct set){ NULL, 0 };
	for (uint32_t i = 0; i < l->now.n; i++)
		l->now.items[i].fresh = false;
}

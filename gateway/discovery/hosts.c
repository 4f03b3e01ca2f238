/* hosts.c: see hosts.h. */
#include "gateway/discovery/hosts.h"

#include <stdlib.h>

#include "gateway/discovery/name.h"

struct host {
	struct host *next;
	struct sl_name *name;             /* owned */
	char address[SL_DNS_ADDRESS_MAX]; /* "" : none so far */
	bool wanted;
};

struct sl_hosts {
	struct sl_loop *loop;
	struct sl_resolver *resolver;
	uint64_t refresh_us;
	struct sl_task task;
	struct host *list; /* owned */
};

static void on_name(void *ctx)
{
	struct sl_hosts *h = ctx;

	sl_loop_defer(h->loop, &h->task);
}

static struct host *get_host(struct sl_hosts *h, const char *text)
{
	struct host *host = h->list;

	while (host && strcmp(host->name->text, text) != 0)
		host = host->next;
	if (host)
		return host;
	host = calloc(1, sizeof(*host));
	if (!host)
		abort();
	host->name =
	        sl_name_new(h->resolver, h->loop, SL_LOOKUP_HOST, text, h->refresh_us, on_name, h);
	host->next = h->list;
	h->list = host;
	return host;
}

/* The first in order, unless the present one is still there. */
static const char *choose(struct host *host)
{
	const struct sl_places *places = &host->name->places;
	const char *chosen = places->n ? places->items[0].address : "";

	for (uint32_t i = 0; i < places->n; i++)
		if (!strcmp(places->items[i].address, host->address))
			return host->address;
	memcpy(host->address, chosen, strlen(chosen) + 1);
	return host->address;
}

static void forget_unwanted(struct sl_hosts *h)
{
	struct host **at = &h->list;

	while (*at) {
		struct host *host = *at;

		if (host->wanted) {
			at = &host->next;
			continue;
		}
		*at = host->next;
		sl_name_free(host->name);
		free(host);
	}
}

struct sl_server_set *sl_hosts_resolve(struct sl_hosts *h, const struct sl_server_set *set)
{
	struct sl_server_set *out = sl_server_set_new();

	for (struct host *host = h->list; host; host = host->next)
		host->wanted = false;
	for (uint32_t i = 0; i < set->n; i++) {
		const struct sl_server_conf *server = &set->servers[i];
		const char *address = "";

		if (sl_host_is_name(server->addr.host)) {
			struct host *host = get_host(h, server->addr.host);

			host->wanted = true;
			address = choose(host);
			if (!*address)
				continue;
		}
		sl_server_set_copy(out, server);
		sl_server_set_text(&out->servers[out->n - 1].found.address, sl_span_str(address));
	}
	forget_unwanted(h);
	return out;
}

const char *sl_hosts_trouble(const struct sl_hosts *h)
{
	const char *trouble = NULL;

	for (const struct host *host = h->list; host && !trouble; host = host->next)
		trouble = sl_name_trouble(host->name);
	return trouble;
}

struct sl_hosts *sl_hosts_new(struct sl_loop *loop, struct sl_resolver *resolver,
                              uint64_t refresh_us, void (*fn)(void *ctx), void *ctx)
{
	struct sl_hosts *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->loop = loop;
	h->resolver = resolver;
	h->refresh_us = refresh_us;
	h->task = (struct sl_task){ .fn = fn, .arg = ctx };
	return h;
}

void sl_hosts_free(struct sl_hosts *h)
{
	sl_loop_undefer(h->loop, &h->task);
	while (h->list) {
		struct host *next = h->list->next;

		sl_name_free(h->list->name);
		free(h->list);
		h->list = next;
	}
	free(h);
}

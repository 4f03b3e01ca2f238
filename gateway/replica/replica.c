/* replica.c: see replica.h. Two connections: one sends, one waits for news. */
#include "gateway/replica/replica.h"

#include <stdio.h>
#include <stdlib.h>

#include "gateway/config/config.h"
#include "gateway/replica/state.h"
#include "gateway/telemetry/log.h"

/* ---- what the log says, once per change -------------------------------- */

/* From now on, or not any more, others' work is not heard of. */
static void set_blind(struct sl_replica *r, bool blind)
{
	uint64_t since_us = blind && r->reader.peers.n ? r->loop->now_us : 0;

	for (uint32_t i = 0; i < r->table.n_domains; i++)
		atomic_store(&r->table.domains[i].domain->blind_since_us, since_us);
}

static void note_up(struct sl_replica *r)
{
	sl_info("redis %s: connected%s", r->url, r->reason[0] ? " again" : "");
	r->connected = true;
	r->told_down = false;
	r->reason[0] = '\0';
	r->since_us = r->loop->now_us;
	set_blind(r, false);
	sl_metric_add(r->metrics, SL_M_REDIS_CONNECTED, 1);
}

static void note_down(struct sl_replica *r, const char *why, bool said)
{
	/* The first reason, and what Redis itself says if that is another. */
	bool tell = !r->told_down || (said && strcmp(why, r->reason) != 0);

	if (r->connected) {
		r->since_us = r->loop->now_us;
		set_blind(r, true);
		sl_metric_add(r->metrics, SL_M_REDIS_CONNECTED, -1);
		sl_metric_add(r->metrics, SL_M_REDIS_LOSSES, 1);
	}
	if (tell)
		sl_warn("redis %s: %s: %s; going on with local knowledge", r->url,
		        r->connected ? "lost" : "not connected", why);
	r->connected = false;
	r->told_down = true;
	if (tell)
		snprintf(r->reason, sizeof(r->reason), "%s", why);
}

void replica_note_link(struct sl_replica *r, const char *why, bool said)
{
	if (*why)
		note_down(r, why, said);
	else if (!r->connected && r->publisher.link.proven && r->reader.link.proven)
		note_up(r);
}

/* ---- life -------------------------------------------------------------- */

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct sl_replica *r = arg;

	(void)fd;
	(void)what;
	sl_loop_refresh(r->loop);
	publisher_tick(r);
	reader_tick(r);
}

static char *format(const char *first, const char *second)
{
	char *text;

	if (asprintf(&text, "%s%s", first, second) < 0)
		abort();
	return text;
}

static char *make_url(const struct sl_redis_url *url)
{
	bool v6 = strchr(url->addr.host, ':') != NULL;
	char *text;

	if (asprintf(&text, "redis://%s%s%s:%u/%u", v6 ? "[" : "", url->addr.host, v6 ? "]" : "",
	             url->addr.port, url->db) < 0)
		abort();
	return text;
}

static void start_ticking(struct sl_replica *r)
{
	uint64_t interval = r->conf->publish_interval_us;
	struct timeval tv = { .tv_sec = (time_t)(interval / 1000000u),
		              .tv_usec = (suseconds_t)(interval % 1000000u) };

	event_assign(&r->tick_event, r->loop->base, -1, EV_PERSIST, on_tick, r);
	event_add(&r->tick_event, &tv);
}

struct sl_replica *sl_replica_new(struct sl_loop *loop, struct sl_metrics *metrics,
                                  struct sl_config *config, const struct sl_replica_events *events,
                                  void *ctx)
{
	struct sl_replica *r = calloc(1, sizeof(*r));

	if (!r)
		abort();
	r->loop = loop;
	r->metrics = metrics;
	r->config = sl_config_ref(config);
	r->conf = config->redis;
	r->events = events;
	r->ctx = ctx;
	r->load_key = format(r->conf->prefix, ":load");
	r->blocks_key = format(r->conf->prefix, ":blocks");
	r->url = make_url(&r->conf->url);
	r->since_us = sl_loop_refresh(loop);
	publisher_init(r);
	reader_init(r);
	start_ticking(r);
	return r;
}

void sl_replica_free(struct sl_replica *r)
{
	if (!r)
		return;
	event_del(&r->tick_event);
	if (r->connected)
		sl_metric_add(r->metrics, SL_M_REDIS_CONNECTED, -1);
	publisher_fini(r);
	reader_fini(r);
	set_blind(r, false);
	table_fini(&r->table);
	sl_config_unref(r->config);
	free(r->load_key);
	free(r->blocks_key);
	free(r->url);
	free(r);
}

void sl_replica_set_fleet(struct sl_replica *r, const struct sl_fleet *fleet)
{
	table_set(&r->table, fleet);
	peer_list_forget_rows(&r->reader.peers);
	publisher_set_domains(r);
}

void sl_replica_view(const struct sl_replica *r, struct sl_replica_view *out_view)
{
	uint64_t now = r->loop->now_us, heard = r->reader.heard_us;

	*out_view = (struct sl_replica_view){
		.url = r->url,
		.connected = r->connected,
		.reason = r->connected ? "" : r->reason,
		.since_ms = (now - r->since_us) / 1000,
		.peers = r->reader.peers.n,
		.heard_ms = heard ? (int64_t)((now - heard) / 1000) : -1,
	};
}

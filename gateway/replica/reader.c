/* reader.c: hears what other gateways do.
 *
 * One XREAD waits for both streams. Load is taken while it is younger than
 * expiry, prompts from wherever this gateway has been before, so that one
 * that was away, or is new, catches up. Whenever a connection is made, Redis is
 * asked for its time and for the last prompt's id: one that was restarted
 * empty, or whose clock went back, would else be waited for in vain. Ages are
 * differences between Redis's own times; no two hosts' clocks are compared. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/replica/state.h"
#include "gateway/telemetry/log.h"

#define BLOCK_MS "500"
#define BLOCK_US 500000u
#define BATCH "64"
/* What is older is no news any more. */
#define EJECTION_MS 3000u
#define PROMPT_MS 3600000u

static const struct link_answer on_last;
static const struct link_answer on_entries;

/* ---- stream ids -------------------------------------------------------- */

struct stream_id {
	uint64_t ms, n;
};

static struct stream_id parse_id(const char *text)
{
	struct stream_id id = { 0, 0 };
	char *end;

	id.ms = strtoull(text, &end, 10);
	if (*end == '-')
		id.n = strtoull(end + 1, NULL, 10);
	return id;
}

static bool is_before(struct stream_id a, struct stream_id b)
{
	return a.ms < b.ms || (a.ms == b.ms && a.n < b.n);
}

/* By Redis's clock. */
static uint64_t age_ms(const struct sl_replica *r, const char *id)
{
	const struct reader *rd = &r->reader;
	uint64_t now = rd->clock_ms + (r->loop->now_us - rd->clock_us) / 1000;
	uint64_t then = parse_id(id).ms;

	return now > then ? now - then : 0;
}

/* ---- one message ------------------------------------------------------- */

static void on_load(void *ctx, struct sl_span endpoint, const struct sl_load *load)
{
	struct sl_replica *r = ctx;
	uint32_t row = table_find(&r->table, endpoint);

	if (row != TABLE_NONE)
		peer_set_load(r->reader.peer, &r->table, row, load, r->reader.until_us,
		              r->loop->now_us);
}

static void on_ejected(void *ctx, struct sl_span endpoint)
{
	struct sl_replica *r = ctx;
	uint32_t row = table_find(&r->table, endpoint);

	if (row != TABLE_NONE && r->reader.news)
		r->events->on_ejected(r->ctx, r->table.rows[row].ep);
}

static void ignore_prompt(void *ctx, struct sl_span endpoint, const uint64_t *hashes, uint32_t n,
                          double tokens_per_byte)
{
	(void)ctx, (void)endpoint, (void)hashes, (void)n, (void)tokens_per_byte;
}

static void ignore_load(void *ctx, struct sl_span endpoint, const struct sl_load *load)
{
	(void)ctx, (void)endpoint, (void)load;
}

static void ignore_ejected(void *ctx, struct sl_span endpoint)
{
	(void)ctx, (void)endpoint;
}

static void on_prompt(void *ctx, struct sl_span endpoint, const uint64_t *hashes, uint32_t n,
                      double tokens_per_byte)
{
	struct sl_replica *r = ctx;
	uint32_t row = table_find(&r->table, endpoint);
	struct sl_endpoint *ep;

	if (row == TABLE_NONE)
		return;
	ep = r->table.rows[row].ep;
	if (atomic_load(&ep->removed))
		return;
	sl_domain_lock(ep->domain);
	sl_router_peer_blocks(ep->domain->router, ep->slot, hashes, n, tokens_per_byte);
	sl_domain_unlock(ep->domain);
}

static const struct message_events load_events = { on_load, on_ejected, ignore_prompt };
static const struct message_events prompt_events = { ignore_load, ignore_ejected, on_prompt };

static void drop_peer(struct sl_replica *r, struct peer *peer, const char *why)
{
	sl_info("gateway %016" PRIx64 " %s", peer->id, why);
	peer_list_drop(&r->reader.peers, peer, &r->table, r->loop->now_us);
}

static void read_state(struct sl_replica *r, struct sl_span text, const struct message_head *head,
                       uint64_t age)
{
	struct reader *rd = &r->reader;
	uint32_t before = rd->peers.n;
	uint64_t now = r->loop->now_us;

	if (age * 1000 >= r->conf->expiry_us)
		return;
	rd->peer = peer_list_take(&rd->peers, head, now - age * 1000);
	if (!rd->peer)
		return;
	if (rd->peers.n > before)
		sl_info("gateway %016" PRIx64 " shares its state", head->replica);
	rd->until_us = now - age * 1000 + r->conf->expiry_us;
	rd->news = age < EJECTION_MS;
	if (head->kind == MESSAGE_FULL)
		peer_begin_state(rd->peer);
	message_read(text, &load_events, r);
	if (head->kind == MESSAGE_FULL)
		peer_end_state(rd->peer, &r->table, now);
	if (head->kind == MESSAGE_BYE)
		drop_peer(r, rd->peer, "has stopped");
}

static void read_message(struct sl_replica *r, struct sl_span text, bool prompts, uint64_t age)
{
	struct message_head head;

	if (!message_check(text, &head)) {
		sl_metric_add(r->metrics, SL_M_REDIS_MALFORMED, 1);
		return;
	}
	if (head.replica == r->publisher.id)
		return;
	sl_metric_add(r->metrics, SL_M_REDIS_RECEIVED, 1);
	r->reader.heard_us = r->loop->now_us;
	if (!prompts)
		read_state(r, text, &head, age);
	else if (age < PROMPT_MS)
		message_read(text, &prompt_events, r);
}

/* ---- replies ----------------------------------------------------------- */

static bool is_array(const redisReply *reply, size_t least)
{
	return reply->type == REDIS_REPLY_ARRAY && reply->elements >= least;
}

static bool is_text(const redisReply *reply)
{
	return reply->type == REDIS_REPLY_STRING || reply->type == REDIS_REPLY_STATUS;
}

/* [id, [field, value, ...]]; anything else counts as malformed. */
static void read_entry(struct sl_replica *r, const redisReply *entry, bool prompts)
{
	char *last = prompts ? r->reader.blocks_id : r->reader.load_id;
	const redisReply *fields;

	if (!is_array(entry, 2) || !is_text(entry->element[0])) {
		sl_metric_add(r->metrics, SL_M_REDIS_MALFORMED, 1);
		return;
	}
	snprintf(last, STREAM_ID_MAX, "%s", entry->element[0]->str);
	fields = entry->element[1];
	if (!is_array(fields, 2) || !is_text(fields->element[0]) || !is_text(fields->element[1]) ||
	    strcmp(fields->element[0]->str, "m") != 0) {
		sl_metric_add(r->metrics, SL_M_REDIS_MALFORMED, 1);
		return;
	}
	read_message(r, sl_span(fields->element[1]->str, (size_t)fields->element[1]->len), prompts,
	             age_ms(r, last));
}

static void read_stream(struct sl_replica *r, const redisReply *stream)
{
	bool prompts;

	if (!is_array(stream, 2) || !is_text(stream->element[0]) ||
	    stream->element[1]->type != REDIS_REPLY_ARRAY)
		return;
	prompts = strcmp(stream->element[0]->str, r->blocks_key) == 0;
	for (size_t i = 0; i < stream->element[1]->elements; i++)
		read_entry(r, stream->element[1]->element[i], prompts);
}

static void wait_for_more(struct sl_replica *r)
{
	const char *argv[] = {
		"XREAD",   "COUNT",     BATCH,         "BLOCK",           BLOCK_MS,
		"STREAMS", r->load_key, r->blocks_key, r->reader.load_id, r->reader.blocks_id
	};
	size_t lens[SL_COUNT(argv)];

	for (size_t i = 0; i < SL_COUNT(argv); i++)
		lens[i] = strlen(argv[i]);
	link_send(&r->reader.link, &on_entries, (int)SL_COUNT(argv), argv, lens);
}

static void take_entries(void *ctx, const redisReply *reply)
{
	struct sl_replica *r = ctx;

	if (reply->type == REDIS_REPLY_ARRAY)
		for (size_t i = 0; i < reply->elements; i++)
			read_stream(r, reply->element[i]);
	wait_for_more(r);
}

static const struct link_answer on_entries = { take_entries };

/* The last prompt in the stream: where one begins that was further already. */
static void take_last(void *ctx, const redisReply *reply)
{
	struct sl_replica *r = ctx;
	char *mine = r->reader.blocks_id;
	struct stream_id last = { 0, 0 };

	if (is_array(reply, 1) && is_array(reply->element[0], 1) &&
	    is_text(reply->element[0]->element[0]))
		last = parse_id(reply->element[0]->element[0]->str);
	if (*mine == '\0' || is_before(last, parse_id(mine)))
		snprintf(mine, STREAM_ID_MAX, "0-0");
	wait_for_more(r);
}

static const struct link_answer on_last = { take_last };

/* ---- life -------------------------------------------------------------- */

static void on_up(void *ctx, uint64_t time_ms)
{
	struct sl_replica *r = ctx;
	struct reader *rd = &r->reader;
	const char *argv[] = { "XREVRANGE", r->blocks_key, "+", "-", "COUNT", "1" };
	const size_t lens[] = { 9, strlen(r->blocks_key), 1, 1, 5, 1 };
	uint64_t back_ms = r->conf->expiry_us / 1000;

	rd->clock_ms = time_ms;
	rd->clock_us = r->loop->now_us;
	snprintf(rd->load_id, sizeof(rd->load_id), "%" PRIu64 "-0",
	         time_ms > back_ms ? time_ms - back_ms : 0);
	link_send(&rd->link, &on_last, (int)SL_COUNT(argv), argv, lens);
}

static void on_proven(void *ctx)
{
	replica_note_link(ctx, "", false);
}

static void on_down(void *ctx, const char *why, bool said)
{
	replica_note_link(ctx, why, said);
}

static const struct link_events link_events = { on_up, on_proven, on_down };

static void tell_metrics(struct sl_replica *r)
{
	struct reader *rd = &r->reader;
	struct timespec ts;

	if (rd->peers.n != r->n_alive_told)
		sl_metric_add(r->metrics, SL_M_REPLICAS_ALIVE,
		              (int64_t)rd->peers.n - (int64_t)r->n_alive_told);
	r->n_alive_told = rd->peers.n;
	if (rd->heard_us != r->loop->now_us)
		return;
	clock_gettime(CLOCK_REALTIME, &ts);
	sl_metric_add(r->metrics, SL_M_REDIS_LAST_MESSAGE, ts.tv_sec - r->said_s);
	r->said_s = ts.tv_sec;
}

void reader_tick(struct sl_replica *r)
{
	struct reader *rd = &r->reader;
	uint64_t now = r->loop->now_us;

	link_tick(&rd->link);
	for (uint32_t i = rd->peers.n; i-- > 0;)
		if (now > rd->peers.items[i].heard_us + r->conf->expiry_us)
			drop_peer(r, &rd->peers.items[i], "is silent; its work is forgotten");
	tell_metrics(r);
}

void reader_init(struct sl_replica *r)
{
	link_init(&r->reader.link, r->loop, r->conf, &link_events, r, BLOCK_US);
}

void reader_fini(struct sl_replica *r)
{
	struct reader *rd = &r->reader;

	link_fini(&rd->link);
	while (rd->peers.n)
		peer_list_drop(&rd->peers, &rd->peers.items[0], &r->table, r->loop->now_us);
	tell_metrics(r);
}

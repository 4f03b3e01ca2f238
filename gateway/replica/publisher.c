/* publisher.c: tells what this gateway does.
 *
 * Every publish_interval: the load of those engines where it changed, engines
 * that were found dead, prompts that were dispatched. A third of expiry after
 * the last one: the whole state, which heals whatever was lost. What Redis
 * does not take is not told, and counted; nothing is kept back for it. */
#include <stdlib.h>
#include <sys/random.h>

#include "gateway/replica/state.h"

/* A waiting queue that only moved with time is told again this often. */
#define QUEUE_STEP_US 20000u
/* A message of prompts is sent when it is this long. */
#define PROMPTS_BYTES (16u << 10)
#define LOG_RUNS 4096u
#define LOG_HASHES 65536u
/* Streams are cut here; entries of prompts are at most PROMPTS_BYTES and one
 * prompt long. */
#define LOAD_ENTRIES "4096"
#define BLOCK_ENTRIES "8192"
/* Keys that nobody writes to any more vanish. */
#define LOAD_KEY_MS "60000"
#define BLOCKS_KEY_MS "3600000"

/* ---- sending ----------------------------------------------------------- */

static void begin(struct sl_replica *r, enum message_kind kind)
{
	struct publisher *p = &r->publisher;
	struct message_head head = { p->id, ++p->sequence, kind };

	message_begin(&p->message, &head);
}

static bool tell(struct sl_replica *r, const char *key, const char *entries)
{
	struct publisher *p = &r->publisher;
	const char *argv[] = { "XADD", key, "MAXLEN", "~", entries, "*", "m", p->message.text };
	const size_t lens[] = { 4, strlen(key), 6, 1, strlen(entries), 1, 1, p->message.len };
	bool sent = link_send(&p->link, NULL, (int)SL_COUNT(argv), argv, lens);

	sl_metric_add(r->metrics, sent ? SL_M_REDIS_PUBLISHED : SL_M_REDIS_DROPPED, 1);
	return sent;
}

static void keep_key(struct sl_replica *r, const char *key, const char *ms)
{
	const char *argv[] = { "PEXPIRE", key, ms };
	const size_t lens[] = { 7, strlen(key), strlen(ms) };

	link_send(&r->publisher.link, NULL, (int)SL_COUNT(argv), argv, lens);
}

/* ---- load and health --------------------------------------------------- */

static bool differs(const struct sl_load *a, const struct sl_load *b)
{
	uint64_t queue =
	        a->queue_us > b->queue_us ? a->queue_us - b->queue_us : b->queue_us - a->queue_us;

	return a->inflight != b->inflight || a->prefilling != b->prefilling || a->seqs != b->seqs ||
	       a->context_tokens != b->context_tokens || queue >= QUEUE_STEP_US;
}

static bool is_dead(const struct table_row *row)
{
	return atomic_load(&row->ep->health) == SL_HEALTH_UNHEALTHY;
}

/* Neighbours are mostly of one domain: its lock is taken once for them. */
static uint32_t look(struct sl_replica *r)
{
	struct table *t = &r->table;
	struct sl_domain *locked = NULL;
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct table_row *row = &t->rows[i];

		if (locked != row->ep->domain) {
			if (locked)
				sl_domain_unlock(locked);
			locked = row->ep->domain;
			sl_domain_lock(locked);
		}
		row->now = (struct sl_load){ 0 };
		if (!atomic_load(&row->ep->removed))
			sl_router_own_load(locked->router, row->ep->slot, r->loop->now_us,
			                   &row->now);
		row->changed = differs(&row->now, &row->told);
		row->dead = row->dead && is_dead(row);
		n += row->changed;
	}
	if (locked)
		sl_domain_unlock(locked);
	return n;
}

static uint32_t count_deaths(const struct table *t)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < t->n; i++)
		n += is_dead(&t->rows[i]) && !t->rows[i].dead;
	return n;
}

static void write_state(struct sl_replica *r, bool whole)
{
	struct publisher *p = &r->publisher;

	begin(r, whole ? MESSAGE_FULL : MESSAGE_DELTA);
	for (uint32_t i = 0; i < r->table.n; i++) {
		const struct table_row *row = &r->table.rows[i];

		if (whole ? row->now.inflight > 0 : row->changed)
			message_add_load(&p->message, row->name, &row->now);
		if (is_dead(row) && !row->dead)
			message_add_ejected(&p->message, row->name);
	}
}

static void note_told(struct table *t)
{
	for (uint32_t i = 0; i < t->n; i++) {
		t->rows[i].told = t->rows[i].now;
		t->rows[i].dead = is_dead(&t->rows[i]);
	}
}

static void publish_state(struct sl_replica *r)
{
	struct publisher *p = &r->publisher;
	uint64_t now = r->loop->now_us;
	bool whole = p->whole_us == 0 || now - p->whole_us >= r->conf->expiry_us / 3;
	uint32_t news = look(r) + count_deaths(&r->table);

	if (!whole && news == 0)
		return;
	write_state(r, whole);
	if (!tell(r, r->load_key, LOAD_ENTRIES))
		return;
	note_told(&r->table);
	if (!whole)
		return;
	p->whole_us = now;
	keep_key(r, r->load_key, LOAD_KEY_MS);
	keep_key(r, r->blocks_key, BLOCKS_KEY_MS);
}

/* ---- prompts ----------------------------------------------------------- */

static struct sl_block_log *take_log(struct block_tap *tap)
{
	struct sl_block_log *full;

	tap->spare->n_runs = tap->spare->n_hashes = 0;
	tap->spare->dropped = 0;
	sl_domain_lock(tap->domain);
	full = sl_router_swap_block_log(tap->domain->router, tap->spare);
	sl_domain_unlock(tap->domain);
	tap->spare = full;
	return full;
}

static void publish_log(struct sl_replica *r, struct block_tap *tap)
{
	const struct sl_block_log *log = take_log(tap);
	struct message_buffer *message = &r->publisher.message;
	bool open = false;

	sl_metric_add(r->metrics, SL_M_REDIS_DROPPED, (int64_t)log->dropped);
	for (uint32_t i = 0; i < log->n_runs; i++) {
		const struct sl_block_run *run = &log->runs[i];
		uint32_t row = table_find_slot(&r->table, tap->domain, run->ep);

		if (row == TABLE_NONE)
			continue;
		if (!open)
			begin(r, MESSAGE_DELTA);
		open = true;
		message_add_prompt(message, r->table.rows[row].name, log->hashes + run->first,
		                   run->count, run->tokens_per_byte);
		if (message->len >= PROMPTS_BYTES) {
			tell(r, r->blocks_key, BLOCK_ENTRIES);
			open = false;
		}
	}
	if (open)
		tell(r, r->blocks_key, BLOCK_ENTRIES);
}

void publisher_set_domains(struct sl_replica *r)
{
	struct publisher *p = &r->publisher;

	for (uint32_t i = 0; i < r->table.n_domains; i++) {
		struct sl_domain *d = r->table.domains[i].domain;
		uint32_t k = 0;

		while (k < p->n_taps && p->taps[k].domain != d)
			k++;
		if (k < p->n_taps)
			continue;
		p->taps = realloc(p->taps, (p->n_taps + 1) * sizeof(*p->taps));
		if (!p->taps)
			abort();
		p->taps[p->n_taps++] =
		        (struct block_tap){ .domain = d,
			                    .spare = sl_block_log_new(LOG_RUNS, LOG_HASHES) };
		sl_domain_lock(d);
		sl_router_swap_block_log(d->router, sl_block_log_new(LOG_RUNS, LOG_HASHES));
		sl_domain_unlock(d);
	}
}

/* ---- life -------------------------------------------------------------- */

static void on_up(void *ctx, uint64_t time_ms)
{
	struct sl_replica *r = ctx;

	(void)time_ms;
	r->publisher.whole_us = 0;
	publish_state(r);
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

void publisher_tick(struct sl_replica *r)
{
	struct publisher *p = &r->publisher;

	link_tick(&p->link);
	if (p->link.state == LINK_UP)
		publish_state(r);
	for (uint32_t i = 0; i < p->n_taps && p->link.state == LINK_UP; i++)
		publish_log(r, &p->taps[i]);
}

void publisher_init(struct sl_replica *r)
{
	struct publisher *p = &r->publisher;

	if (getrandom(&p->id, sizeof(p->id), 0) != sizeof(p->id))
		abort();
	link_init(&p->link, r->loop, r->conf, &link_events, r, 0);
}

void publisher_fini(struct sl_replica *r)
{
	struct publisher *p = &r->publisher;

	if (p->link.state == LINK_UP) {
		begin(r, MESSAGE_BYE);
		if (tell(r, r->load_key, LOAD_ENTRIES))
			link_flush(&p->link);
	}
	link_fini(&p->link);
	for (uint32_t i = 0; i < p->n_taps; i++) {
		struct sl_domain *d = p->taps[i].domain;

		sl_domain_lock(d);
		sl_block_log_free(sl_router_swap_block_log(d->router, NULL));
		sl_domain_unlock(d);
		sl_block_log_free(p->taps[i].spare);
	}
	free(p->taps);
	message_buffer_fini(&p->message);
}

/* session.c: see session.h. */
#include "gateway/downstream/session.h"

#include <stdlib.h>
#include <unistd.h>

static const char preface[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

static void link_session(struct sl_session *s)
{
	struct sl_sessions *all = s->all;

	s->next = all->list;
	if (all->list)
		all->list->prev = s;
	all->list = s;
	all->count++;
	atomic_fetch_add_explicit(&all->unspoken, 1, memory_order_relaxed);
	sl_metric_add(all->metrics, SL_M_CONNECTIONS_OPEN, 1);
}

static void unlink_session(struct sl_session *s)
{
	struct sl_sessions *all = s->all;

	if (s->prev)
		s->prev->next = s->next;
	else
		all->list = s->next;
	if (s->next)
		s->next->prev = s->prev;
	all->count--;
	sl_session_spoke(s);
	sl_metric_add(all->metrics, SL_M_CONNECTIONS_OPEN, -1);
}

static void free_session(void *arg)
{
	struct sl_session *s = arg;

	if (s->protocol)
		s->protocol->free(s);
	free(s);
}

void sl_session_close(struct sl_session *s, int err, bool reset)
{
	if (s->closed)
		return;
	s->closed = true;
	if (s->protocol)
		s->protocol->end(s, err);
	sl_timer_disarm(s->all->loop, &s->idle_timer);
	sl_timer_disarm(s->all->loop, &s->write_timer);
	sl_hold_end(s->all, &s->hold);
	if (reset)
		sl_conn_reset(&s->conn);
	else
		sl_conn_close(&s->conn);
	unlink_session(s);
	sl_clients_leave(s->all->clients, s->client);
	s->client = NULL;
	sl_loop_bury(s->all->loop, &s->grave);
}

void sl_session_limit(struct sl_session *s, enum sl_limit limit)
{
	sl_limit_hit(s->all->metrics, limit, sl_span(s->peer, s->peer_len), s->all->loop->now_us);
}

/* ---- which protocol -------------------------------------------------- */

static void start_protocol(struct sl_session *s, bool h2)
{
	sl_timer_disarm(s->all->loop, &s->idle_timer);
	sl_metric_add_at(s->all->metrics, SL_M_CONNECTIONS, h2 ? 1 : 0, 1);
	if (h2)
		sl_h2_session_start(s);
	else
		sl_h1_session_start(s);
}

/* Plain text: h2 by prior knowledge is told from HTTP/1.1 by its preface. A
 * first segment that holds only its beginning decides nothing yet. */
static void sniff(struct sl_session *s, const char *data, size_t len)
{
	char start[sizeof(preface) - 1];
	size_t known = s->n_sniffed;
	size_t want = sizeof(preface) - 1;
	size_t n = len < want - known ? len : want - known;
	size_t have = known + n;
	bool h2;

	memcpy(s->sniffed + known, data, n);
	s->n_sniffed = have;
	h2 = memcmp(s->sniffed, preface, have) == 0;
	if (h2 && have < want && !s->h1_only)
		return;
	memcpy(start, s->sniffed, have);
	start_protocol(s, s->h2c_only || (h2 && !s->h1_only));
	s->protocol->data(s, start, have);
	if (len > n && !s->closed)
		s->protocol->data(s, data + n, len - n);
}

static void on_ready(void *owner)
{
	struct sl_session *s = owner;

	if (s->conn.tls)
		start_protocol(s, sl_tls_alpn(s->conn.tls) == SL_ALPN_H2);
	else if (s->h1_only)
		start_protocol(s, false);
	else if (s->h2c_only)
		start_protocol(s, true);
}

static void on_data(void *owner, const char *data, size_t len)
{
	struct sl_session *s = owner;

	if (s->protocol)
		s->protocol->data(s, data, len);
	else
		sniff(s, data, len);
}

static void on_closed(void *owner, int err)
{
	(void)err;
	sl_session_close(owner, SL_E_CLIENT_GONE, false);
}

bool sl_session_hold(struct sl_session *s)
{
	/* What this very turn will flush is not waiting for the client. */
	return sl_hold_set(s->all, &s->hold, s->conn.blocked ? sl_conn_unsent(&s->conn) : 0);
}

static void on_flushed(void *owner)
{
	struct sl_session *s = owner;

	(void)sl_hold_set(s->all, &s->hold, 0);

	/* The write timer finds out by itself, the next time it looks. */
	sl_pace_begin(&s->write_pace, s->all->loop->now_us, sl_conn_taken(&s->conn));
	if (s->protocol)
		s->protocol->flushed(s);
}

static void on_blocked(void *owner)
{
	struct sl_session *s = owner;

	if (sl_session_hold(s))
		return;
	sl_session_limit(s, SL_LIMIT_ANSWER_MEMORY);
	sl_session_close(s, SL_E_ANSWER_MEMORY, true);
}

static const struct sl_conn_ops conn_ops = { on_ready, on_data, on_closed, on_flushed, on_blocked };

/* ---- time ------------------------------------------------------------ */

static void on_handshake_timeout(void *arg)
{
	struct sl_session *s = arg;

	sl_session_limit(s, s->conn.tls ? SL_LIMIT_TLS_HANDSHAKE : SL_LIMIT_HEADER_TIMEOUT);
	sl_session_close(s, SL_E_CLIENT_TIMEOUT, false);
}

static void watch_writing(struct sl_session *s)
{
	sl_timer_arm(s->all->loop, &s->write_timer,
	             sl_pace_next_us(&s->write_pace, s->all->loop->now_us,
	                             s->all->config->write_timeout_us));
}

/* Armed while output may be stuck. */
static void on_write_timeout(void *arg)
{
	struct sl_session *s = arg;
	const struct sl_config *config = s->all->config;
	enum sl_pace_verdict verdict;

	if (!sl_conn_unsent(&s->conn))
		return;
	verdict = sl_pace_judge(&s->write_pace, s->all->loop->now_us, sl_conn_taken(&s->conn),
	                        config->write_timeout_us, config->min_rate);
	if (verdict == SL_PACE_EARLY || verdict == SL_PACE_GOOD) {
		watch_writing(s);
		return;
	}
	sl_session_limit(s,
	                 verdict == SL_PACE_STUCK ? SL_LIMIT_WRITE_TIMEOUT : SL_LIMIT_WRITE_RATE);
	sl_session_close(s, SL_E_CLIENT_GONE, true);
}

static void begin_writing(struct sl_session *s)
{
	sl_pace_begin(&s->write_pace, s->all->loop->now_us, sl_conn_taken(&s->conn));
}

void sl_session_wrote(struct sl_session *s)
{
	if (s->closed)
		return;
	sl_conn_dirty(&s->conn);
	if (sl_timer_armed(&s->write_timer))
		return;
	begin_writing(s);
	watch_writing(s);
}

/* ---- life ------------------------------------------------------------ */

void sl_session_open(struct sl_sessions *all, int fd, const struct sl_sockaddr *peer,
                     const struct sl_session_kind *kind)
{
	struct sl_session *s = calloc(1, sizeof(*s));
	struct sl_tls *tls;

	if (!s)
		abort();
	s->all = all;
	s->peer_len =
	        sl_sockaddr_format((const struct sockaddr *)&peer->ss, s->peer, sizeof(s->peer));
	if (!sl_clients_enter(all->clients, peer, all->config->max_connections_per_client,
	                      &s->client)) {
		sl_session_limit(s, SL_LIMIT_CLIENT_CONNECTIONS);
		close(fd);
		free(s);
		return;
	}
	tls = kind->tls ? sl_tls_new(kind->tls, fd, NULL) : NULL;
	s->h2c_only = kind->h2c_only;
	s->h1_only = kind->h1_only;
	s->grave.fn = free_session;
	s->grave.arg = s;
	s->idle_timer.fn = on_handshake_timeout;
	s->idle_timer.arg = s;
	s->write_timer.fn = on_write_timeout;
	s->write_timer.arg = s;
	link_session(s);
	sl_timer_arm(all->loop, &s->idle_timer,
	             tls ? all->config->tls_handshake_timeout_us : all->config->header_timeout_us);
	sl_conn_init(&s->conn, all->loop, fd, tls, false, &conn_ops, s);
	sl_conn_start(&s->conn);
}

void sl_sessions_drain(struct sl_sessions *all, bool final)
{
	struct sl_session *next;

	all->draining = true;
	for (struct sl_session *s = all->list; s; s = next) {
		next = s->next;
		/* One that has not spoken yet may be about to: its first request
		 * is still answered, and its connection closed then. */
		if (s->protocol)
			s->protocol->drain(s, final);
		else if (final)
			sl_session_close(s, SL_E_DRAINING, false);
	}
}

void sl_sessions_close(struct sl_sessions *all)
{
	while (all->list)
		sl_session_close(all->list, SL_E_DRAINING, false);
}

void sl_sessions_fini(struct sl_sessions *all)
{
	sl_spares_fini(&all->spare_streams);
}

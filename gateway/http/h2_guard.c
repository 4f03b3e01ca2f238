/* h2_guard.c: walks the peer's frame headers in front of nghttp2.
 *
 * nghttp2 1.52 forgets a stream when it is closed and then ignores what still
 * comes for it, never shows unknown frames, and does not look into PRIORITY
 * once that is switched off. What the peer itself has ended, or has passed
 * over, is known here from its own frames alone, so no frame in flight behind a
 * reset of ours can be mistaken for a violation. */
#include "gateway/http/h2_session.h"

#define FIRST_UNKNOWN_TYPE 10u /* RFC 9113 defines frame types 0 to 9 */

struct header {
	uint32_t length, id;
	uint8_t type, flags;
};

static uint32_t read_31(const unsigned char *p)
{
	return (uint32_t)(p[0] & 0x7f) << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct header read_header(const unsigned char *p)
{
	return (struct header){ .length = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2],
		                .type = p[3],
		                .flags = p[4],
		                .id = read_31(p + 5) };
}

void h2_guard_init(struct h2_guard *g, bool server)
{
	*g = (struct h2_guard){ .need = H2_FRAME_HEADER,
		                .skip = server ? NGHTTP2_CLIENT_MAGIC_LEN : 0 };
}

/* ---- what the peer has ended ---- */

static bool is_ended(const struct h2_guard *g, uint32_t id)
{
	for (size_t i = 0; i < SL_COUNT(g->ended); i++)
		if (g->ended[i] == id)
			return true;
	return false;
}

static void note_end(struct h2_guard *g, uint32_t id)
{
	if (id > 0 && id <= g->last_id)
		g->ended[g->n_ended++ % SL_COUNT(g->ended)] = id;
}

static void note_opened(struct h2_guard *g, uint32_t id)
{
	if (id > g->last_id + 2) {
		g->gap_from = g->last_id + 1;
		g->gap_to = id - 1;
	}
	g->last_id = id;
}

/* ---- one frame: 0, or the code to end the connection with ---- */

static uint32_t judge_data(struct sl_h2 *h2, struct header f)
{
	struct h2_guard *g = &h2->guard;

	if (is_ended(g, f.id)) {
		h2_spend(h2, 10);
		if (g->n_stray < SL_COUNT(g->stray))
			g->stray[g->n_stray++] = f.id;
	}
	/* behind a reset of ours: some are in flight, but who never stops is charged */
	if (f.id <= g->read_id && !nghttp2_session_find_stream(h2->ng, (int32_t)f.id))
		h2_spend(h2, 1);
	if (f.flags & NGHTTP2_FLAG_END_STREAM)
		note_end(g, f.id);
	return 0;
}

static uint32_t judge_headers(struct sl_h2 *h2, struct header f)
{
	struct h2_guard *g = &h2->guard;

	if (f.id > g->last_id)
		note_opened(g, f.id);
	else if (f.id >= g->gap_from && f.id <= g->gap_to)
		return H2_PROTOCOL_ERROR;
	else if (is_ended(g, f.id))
		return H2_STREAM_CLOSED;
	if (f.flags & NGHTTP2_FLAG_END_STREAM)
		note_end(g, f.id);
	return 0;
}

static uint32_t judge_priority(struct sl_h2 *h2, struct header f)
{
	const unsigned char *payload = h2->guard.head + H2_FRAME_HEADER;

	h2_spend(h2, 1);
	if (f.id == 0 || (f.length >= 4 && read_31(payload) == f.id))
		return H2_PROTOCOL_ERROR;
	return 0;
}

static uint32_t judge(struct sl_h2 *h2, struct header f)
{
	switch (f.type) {
	case NGHTTP2_DATA:
		return h2->server ? judge_data(h2, f) : 0;
	case NGHTTP2_HEADERS:
		return h2->server ? judge_headers(h2, f) : 0;
	case NGHTTP2_PRIORITY:
		return judge_priority(h2, f);
	case NGHTTP2_RST_STREAM:
		note_end(&h2->guard, f.id);
		if (h2->server)
			h2_spend_reset(h2);
		else
			h2_spend(h2, 1);
		return 0;
	case NGHTTP2_SETTINGS:
	case NGHTTP2_PING:
	case NGHTTP2_WINDOW_UPDATE:
		h2_spend(h2, 1);
		return 0;
	default:
		if (f.type >= FIRST_UNKNOWN_TYPE)
			h2_spend(h2, 1);
		return 0;
	}
}

/* ---- the walk ---- */

static void note_block(struct h2_guard *g, struct header f)
{
	g->settled = true;
	g->in_data = f.type == NGHTTP2_DATA;
	if (f.type == NGHTTP2_HEADERS || f.type == NGHTTP2_CONTINUATION)
		g->in_block = !(f.flags & NGHTTP2_FLAG_END_HEADERS);
}

uint64_t sl_h2_unfinished(const struct sl_h2 *h2)
{
	const struct h2_guard *g = &h2->guard;
	bool in_frame = g->have || (g->skip && !g->in_data);

	return !g->settled || g->in_block || in_frame ? g->units + 1 : 0;
}

/* Takes bytes until the header, and of PRIORITY the dependency, is complete. */
static size_t collect(struct h2_guard *g, const char *data, size_t len)
{
	size_t n = g->need - g->have;

	if (n > len)
		n = len;
	memcpy(g->head + g->have, data, n);
	g->have += (uint8_t)n;
	if (g->have == H2_FRAME_HEADER && g->need == H2_FRAME_HEADER &&
	    g->head[3] == NGHTTP2_PRIORITY && read_header(g->head).length >= 4)
		g->need = H2_FRAME_HEADER + 4;
	return n;
}

size_t h2_guard_walk(struct sl_h2 *h2, const char *data, size_t len, uint32_t *out_code)
{
	struct h2_guard *g = &h2->guard;
	size_t at = 0, start = 0;

	g->read_id = g->last_id;
	while (at < len) {
		struct header f;
		size_t n = g->skip < len - at ? g->skip : len - at;

		if (n) {
			g->skip -= (uint32_t)n;
			at += n;
			continue;
		}
		if (g->have == 0) {
			start = at;
			g->units += !g->in_block;
		}
		at += collect(g, data + at, len - at);
		if (g->have < g->need)
			continue;
		f = read_header(g->head);
		*out_code = judge(h2, f);
		if (*out_code)
			return start;
		g->skip = f.length - (g->need - H2_FRAME_HEADER);
		note_block(g, f);
		g->have = 0;
		g->need = H2_FRAME_HEADER;
	}
	return len;
}

void h2_guard_refuse_stray(struct sl_h2 *h2)
{
	struct h2_guard *g = &h2->guard;

	for (uint8_t i = 0; i < g->n_stray; i++)
		nghttp2_submit_rst_stream(h2->ng, NGHTTP2_FLAG_NONE, (int32_t)g->stray[i],
		                          H2_STREAM_CLOSED);
	g->n_stray = 0;
}

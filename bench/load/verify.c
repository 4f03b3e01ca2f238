/* verify.c: compares an answer with the expected one as it comes in. */
#include "bench/load/verify.h"

void sl_verify_init(struct sl_verify *v, const struct sl_sim_text *said)
{
	*v = (struct sl_verify){ .said = *said, .used = SL_SIM_TOKEN_BYTES };
}

static char next_byte(struct sl_verify *v)
{
	if (v->used == SL_SIM_TOKEN_BYTES) {
		sl_sim_text_next(&v->said, v->token);
		v->used = 0;
	}
	return v->token[v->used++];
}

/* The first wrong byte was just compared: the wanted ones from it on. */
static void quote_wanted(struct sl_verify *v, char first)
{
	v->want[0] = first;
	for (size_t i = 1; i < sizeof(v->want); i++)
		v->want[i] = next_byte(v);
}

static void quote_got(struct sl_verify *v, const char *text, size_t len)
{
	size_t space = sizeof(v->got) - v->got_len;
	size_t n = len < space ? len : space;

	memcpy(v->got + v->got_len, text, n);
	v->got_len = (uint8_t)(v->got_len + n);
}

void sl_verify_feed(struct sl_verify *v, struct sl_span text)
{
	size_t i = 0;

	for (; i < text.len && !v->differs; i++) {
		char want = next_byte(v);

		if (want == text.ptr[i])
			continue;
		v->differs = true;
		v->differs_at = v->bytes + i;
		quote_wanted(v, want);
		break;
	}
	v->bytes += text.len;
	if (v->differs)
		quote_got(v, text.ptr + i, text.len - i);
}

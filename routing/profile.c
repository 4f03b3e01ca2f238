/* profile.c: engine constants and the three times that follow from them.
 *
 * A profile is a row of profiles.def. Everything here is a pure function of
 * such a row, at F = 1; whoever knows how slow an engine really is multiplies. */
#include <math.h>

#include "sluice/route.h"

#define SL_LIN_TOKENS                                                                              \
	{                                                                                          \
		1, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384                            \
	}

static const struct sl_profile profiles[] = {
#define SL_PROFILE(name_, o, b, d0, d1, kv_bytes, kv_tokens, chunk, seqs, ...)                     \
	{ .name = (name_),                                                                         \
	  .o_ms = (o),                                                                             \
	  .lin_tokens = SL_LIN_TOKENS,                                                             \
	  .lin_ms = { __VA_ARGS__ },                                                               \
	  .b_ms_per_token2 = (b),                                                                  \
	  .d0_ms = (d0),                                                                           \
	  .d1_ms_per_token = (d1),                                                                 \
	  .kv_bytes_per_token = (kv_bytes),                                                        \
	  .kv_capacity_tokens = (kv_tokens),                                                       \
	  .chunk_tokens = (chunk),                                                                 \
	  .max_seqs = (seqs) },
#include "routing/profiles.def"
#undef SL_PROFILE
};

const struct sl_profile *sl_profile_find(const char *name)
{
	for (size_t i = 0; i < SL_COUNT(profiles); i++)
		if (!strcmp(profiles[i].name, name))
			return &profiles[i];
	return NULL;
}

const struct sl_profile *sl_profile_at(size_t k)
{
	return k < SL_COUNT(profiles) ? &profiles[k] : NULL;
}

/* Below the first point the weights are read all the same, so it is flat. */
double sl_profile_lin_ms(const struct sl_profile *p, double tokens)
{
	const double *x = p->lin_tokens, *y = p->lin_ms;
	size_t i = 1;

	if (tokens <= 0)
		return 0;
	if (tokens <= x[0])
		return y[0];
	while (i < SL_LIN_POINTS - 1 && tokens > x[i])
		i++;
	return y[i - 1] + (tokens - x[i - 1]) * (y[i] - y[i - 1]) / (x[i] - x[i - 1]);
}

double sl_profile_prefill_ms(const struct sl_profile *p, double fresh, double cached)
{
	if (fresh <= 0)
		return 0;
	return p->o_ms * ceil(fresh / p->chunk_tokens) + sl_profile_lin_ms(p, fresh) +
	       p->b_ms_per_token2 * fresh * (cached + fresh / 2);
}

double sl_profile_step_ms(const struct sl_profile *p, double seqs, double ctx)
{
	return p->o_ms + sl_profile_lin_ms(p, seqs) + p->d0_ms + p->d1_ms_per_token * ctx;
}

/* learn.c: see learn.h. */
#include "routing/learn.h"

#include "routing/decay.h"
#include "routing/round.h"

/* ---- slowness -------------------------------------------------------- */

#define SAMPLE_KEEP (1.0 - 1.0 / 32) /* a new sample takes this from older ones */
#define FORGET_US 60e6               /* to a share of 1/e */
#define PRIOR_WEIGHT 4.0             /* samples' worth of belief in F = 1 */
/* Engines' worth of belief in scale 1; little, as what the first engine shows is
 * all that is known of the fleet: what is left of it would make that one look
 * fast, and on idle engines a preset for slower hardware would send it everything. */
#define SCALE_PRIOR 0.02
#define LOG_RATIO_MAX 2.772588722239781 /* of one sample to the scale, either way: ln 16 */
#define PULL_MAX 0.3                    /* of ln scale, by one engine */
#define NOISE 0.1                       /* of ln F: engines this alike are alike */
#define SLOW_MIN 0.5
#define SLOW_MAX 8.0
#define FIXED_ONE 1048576.0

static double clamp(double x, double low, double high)
{
	return x < low ? low : x > high ? high : x;
}

void learn_scale_init(struct learn_scale *scale)
{
	*scale = (struct learn_scale){ 0 };
}

double learn_scale_factor(const struct learn_scale *scale)
{
	return exp(scale->log_factor);
}

/* Sum of weighted deviations from the fleet, in logarithms. */
static double deviation(const struct learn_evidence *ev, const struct learn_scale *scale)
{
	return ev->log_sum - ev->weight * scale->log_factor;
}

/* An engine pulls the scale only so far, or a few slow ones would make all
 * others look fast. */
static void update_share(struct learn_evidence *ev, struct learn_scale *scale)
{
	double sure = ev->weight + PRIOR_WEIGHT;
	double pull = clamp(deviation(ev, scale) / sure, -PULL_MAX, PULL_MAX);
	double share = ev->weight / sure;

	scale->log_sum -= ev->share_log;
	scale->weight -= ev->share_weight;
	ev->share_log = round_whole((pull + scale->log_factor * share) * FIXED_ONE);
	ev->share_weight = round_whole(share * FIXED_ONE);
	scale->log_sum += ev->share_log;
	scale->weight += ev->share_weight;
	scale->log_factor =
	        (double)scale->log_sum / ((double)scale->weight + SCALE_PRIOR * FIXED_ONE);
}

static double aged(uint64_t *at_us, uint64_t now_us)
{
	uint64_t since_us = *at_us;

	if (now_us <= since_us)
		return 1;
	*at_us = now_us;
	return decay_exp((double)(now_us - since_us) / FORGET_US);
}

static void age(struct learn_evidence *ev, uint64_t now_us)
{
	double keep = aged(&ev->at_us, now_us);

	ev->log_sum *= keep;
	ev->weight *= keep;
}

void learn_evidence_add(struct learn_evidence *ev, struct learn_scale *scale, double observed_ms,
                        double predicted_ms, double weight, uint64_t now_us)
{
	double log_ratio;

	if (!(observed_ms > 0) || !(predicted_ms > 0) || !(weight > 0))
		return;
	log_ratio = clamp(log(observed_ms / predicted_ms), scale->log_factor - LOG_RATIO_MAX,
	                  scale->log_factor + LOG_RATIO_MAX);
	age(ev, now_us);
	ev->log_sum = ev->log_sum * SAMPLE_KEEP + weight * log_ratio;
	ev->weight = ev->weight * SAMPLE_KEEP + weight;
	update_share(ev, scale);
}

void learn_evidence_drop(struct learn_evidence *ev, struct learn_scale *scale)
{
	ev->log_sum = ev->weight = 0;
	update_share(ev, scale);
}

double learn_engine_slowness(struct learn_engine *e, struct learn_scale *prefill,
                             struct learn_scale *decode, uint64_t now_us)
{
	double x;

	age(&e->prefill, now_us);
	age(&e->decode, now_us);
	update_share(&e->prefill, prefill);
	update_share(&e->decode, decode);
	x = (deviation(&e->prefill, prefill) + deviation(&e->decode, decode)) /
	    (e->prefill.weight + e->decode.weight + PRIOR_WEIGHT);
	if (fabs(x) <= NOISE)
		return 1;
	return clamp(exp(x), SLOW_MIN, SLOW_MAX);
}

double learn_engine_seen(const struct learn_engine *e, const struct learn_scale *prefill,
                         const struct learn_scale *decode)
{
	double weight = e->prefill.weight + e->decode.weight;

	if (!(weight > 0))
		return 1;
	return exp((deviation(&e->prefill, prefill) + deviation(&e->decode, decode)) / weight);
}

/* ---- hits ------------------------------------------------------------ */

#define HITS_PRIOR 4096.0 /* tokens' worth of belief in gamma = 1 */
#define GAMMA_MIN 0.25
#define GAMMA_MAX 1.25

void learn_hits_reset(struct learn_hits *h)
{
	*h = (struct learn_hits){ .last_hits = -1, .last_queries = -1 };
}

void learn_hits_predict(struct learn_hits *h, double tokens)
{
	h->predicted_since += tokens;
}

static void add_hits(struct learn_hits *h, double counted, double predicted, uint64_t now_us)
{
	double keep = aged(&h->at_us, now_us);

	h->counted = h->counted * keep + counted;
	h->predicted = h->predicted * keep + predicted;
}

void learn_hits_usage(struct learn_hits *h, double cached, double predicted, uint64_t now_us)
{
	if (!h->sampled)
		add_hits(h, cached, predicted, now_us);
}

bool learn_hits_sample(struct learn_hits *h, double hits, double queries, uint64_t now_us)
{
	bool backwards;

	/* A page on which nothing was computed since is an old one, or was read before
	 * what was predicted: that will show on a later one. */
	if (hits < 0 ||
	    (h->sampled && queries >= 0 && queries == h->last_queries && hits == h->last_hits))
		return true;
	backwards =
	        h->sampled && (hits < h->last_hits || (queries >= 0 && queries < h->last_queries));
	if (h->sampled && !backwards)
		add_hits(h, hits - h->last_hits, h->predicted_since, now_us);
	h->sampled = true;
	h->predicted_since = 0;
	h->last_hits = hits;
	h->last_queries = queries;
	return !backwards;
}

double learn_hits_gamma(const struct learn_hits *h)
{
	return clamp((h->counted + HITS_PRIOR) / (h->predicted + HITS_PRIOR), GAMMA_MIN, GAMMA_MAX);
}

/* ---- models ---------------------------------------------------------- */

#define PROMPT_KEEP (1.0 - 1.0 / 256)
#define PROMPT_PRIOR 256.0 /* tokens' worth of belief in the starting value */
#define BYTES_PER_TOKEN_MIN 0.5
#define BYTES_PER_TOKEN_MAX 16.0
#define OUTPUT_START 256.0
#define OUTPUT_SHARE (1.0 / 32)

void learn_model_init(struct learn_model *m)
{
	*m = (struct learn_model){ .output = OUTPUT_START };
}

double learn_model_bytes_per_token(const struct learn_model *m, double prior)
{
	return clamp((m->bytes + PROMPT_PRIOR * prior) / (m->tokens + PROMPT_PRIOR),
	             BYTES_PER_TOKEN_MIN, BYTES_PER_TOKEN_MAX);
}

void learn_model_prompt(struct learn_model *m, double bytes, double tokens)
{
	m->bytes = m->bytes * PROMPT_KEEP + bytes;
	m->tokens = m->tokens * PROMPT_KEEP + tokens;
}

double learn_model_output(const struct learn_model *m, int64_t limit)
{
	double tokens = m->output;

	if (limit >= 0 && (double)limit < tokens)
		tokens = (double)limit;
	return tokens < 1 ? 1 : tokens;
}

void learn_model_answer(struct learn_model *m, double tokens, int64_t limit)
{
	if (limit >= 0 && tokens >= (double)limit && tokens < m->output)
		return;
	m->output += OUTPUT_SHARE * (tokens - m->output);
}

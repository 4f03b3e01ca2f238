/* series.c: see series.h. */
#include "bench/sim/series.h"

#include "bench/sim/page_process.h"

struct subject {
	const struct sl_sim_engine *engine;
	const struct sl_sim_series_style *style;
	const struct sl_sim_series *series;
	size_t n;
};

struct walk {
	struct sl_sim_page *out;
	const struct subject *s;
};

static void put_label(struct walk *w, const char *name, struct sl_span value, bool *first)
{
	struct sl_sim_buf b = { 0 };

	sl_sim_label_escape(&b, value);
	sl_sim_page_printf(w->out, "%s%s=\"", *first ? "{" : ",", name);
	sl_sim_page_text(w->out, sl_sim_buf_span(&b));
	sl_sim_page_text(w->out, SL_SPAN("\""));
	sl_sim_buf_fini(&b);
	*first = false;
}

static const char *value_of(const struct walk *w, const struct sl_sim_label *label)
{
	if (label->get)
		return label->get(w->s->engine);
	return *label->value ? label->value : w->s->engine->sim->opt.models[0];
}

/* The common labels, and one more where the alphabet has it. */
static void put_labels(struct walk *w, const char *more, struct sl_span more_value)
{
	const struct sl_sim_series_style *style = w->s->style;
	bool first = true;

	if (!w->out->recording)
		return;
	for (size_t i = 0; i < style->n_labels; i++) {
		const struct sl_sim_label *label = &style->labels[i];

		if (more && strcmp(more, label->name) < 0) {
			put_label(w, more, more_value, &first);
			more = NULL;
		}
		put_label(w, label->name, sl_span_str(value_of(w, label)), &first);
	}
	if (more)
		put_label(w, more, more_value, &first);
	if (!first)
		sl_sim_page_text(w->out, SL_SPAN("}"));
}

static void put_line(struct walk *w, const char *name, const char *suffix, double value)
{
	sl_sim_page_printf(w->out, "%s%s", name, suffix);
	put_labels(w, NULL, sl_span("", 0));
	sl_sim_page_value(w->out, value);
}

static void put_head(struct walk *w, const struct sl_sim_series *s, const char *suffix,
                     const char *type)
{
	sl_sim_page_head(w->out, "", s->name, suffix, type, w->s->style->help ? s->help : NULL);
}

static void put_bucket(struct walk *w, const char *name, const double *bound, uint64_t count)
{
	struct sl_sim_buf text = { 0 };

	if (w->out->recording && !bound)
		sl_sim_buf_str(&text, "+Inf");
	else if (w->out->recording && w->out->numbers == SL_SIM_NUMBERS_PYTHON)
		sl_sim_add_float(&text, *bound);
	else if (w->out->recording)
		sl_sim_buf_printf(&text, "%.9g", *bound);
	sl_sim_page_printf(w->out, "%s_bucket", name);
	put_labels(w, "le", sl_sim_buf_span(&text));
	sl_sim_page_value(w->out, (double)count);
	sl_sim_buf_fini(&text);
}

static void put_histogram(struct walk *w, const struct sl_sim_series *s)
{
	const struct sl_sim_histogram *h = &w->s->engine->metrics.hists[s->hist];
	const double *bounds = sl_sim_hist_info(s->hist)->bounds;
	uint64_t sum = 0;

	put_head(w, s, "", "histogram");
	for (unsigned i = 0; bounds[i] > 0; i++) {
		sum += h->buckets[i];
		put_bucket(w, s->name, &bounds[i], sum);
	}
	put_bucket(w, s->name, NULL, h->count);
	put_line(w, s->name, "_count", (double)h->count);
	put_line(w, s->name, "_sum", h->sum);
	if (w->s->style->created) {
		put_head(w, s, "_created", "gauge");
		put_line(w, s->name, "_created", w->s->engine->metrics.created_s);
	}
}

static void put_series(struct walk *w, const struct sl_sim_series *s)
{
	const char *at = s->values;

	put_head(w, s, "", s->type == SL_SIM_SERIES_GAUGE ? "gauge" : "counter");
	for (unsigned k = 0;; k++) {
		size_t n = strcspn(at, "|");

		sl_sim_page_printf(w->out, "%s", s->name);
		put_labels(w, s->label, sl_span(at, n));
		sl_sim_page_value(w->out, s->get(w->s->engine, k));
		if (!at[n])
			return;
		at += n + 1;
	}
}

static void walk(struct sl_sim_page *p, const void *subject)
{
	struct walk w = { p, subject };

	if (w.s->style->process)
		sl_sim_page_process(p, w.s->engine);
	for (size_t i = 0; i < w.s->n; i++) {
		if (w.s->series[i].type == SL_SIM_SERIES_HISTOGRAM)
			put_histogram(&w, &w.s->series[i]);
		else
			put_series(&w, &w.s->series[i]);
	}
}

void sl_sim_series_page(struct sl_sim_buf *b, struct sl_sim_engine *e,
                        const struct sl_sim_series_style *style, const struct sl_sim_series *series,
                        size_t n)
{
	struct subject subject = { e, style, series, n };

	sl_sim_page_make(b, &e->sim->templates[1], style->numbers, walk, &subject);
}

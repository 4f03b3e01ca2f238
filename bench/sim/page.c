/* page.c: see page.h. */
#include "bench/sim/page.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench/sim/metrics.h"

#define TEXT_MAX 2048

void sl_sim_template_fini(struct sl_sim_template *t)
{
	sl_sim_buf_fini(&t->text);
	free(t->slots);
	*t = (struct sl_sim_template){ 0 };
}

void sl_sim_page_text(struct sl_sim_page *p, struct sl_span text)
{
	if (p->recording)
		sl_sim_buf_add(&p->t->text, text);
}

void sl_sim_page_printf(struct sl_sim_page *p, const char *format, ...)
{
	char text[TEXT_MAX];
	va_list args;
	int n;

	if (!p->recording)
		return;
	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	assert(n >= 0 && n < TEXT_MAX);
	sl_sim_buf_add(&p->t->text, sl_span(text, (size_t)n));
}

void sl_sim_page_bound(struct sl_sim_page *p, double bound)
{
	if (!p->recording)
		return;
	if (p->numbers == SL_SIM_NUMBERS_PYTHON)
		sl_sim_add_float(&p->t->text, bound);
	else
		sl_sim_buf_printf(&p->t->text, "%.9g", bound);
}

static void record_slot(struct sl_sim_template *t)
{
	if (t->n_slots == t->cap_slots) {
		t->cap_slots = t->cap_slots ? t->cap_slots * 2 : 256;
		t->slots = realloc(t->slots, t->cap_slots * sizeof(*t->slots));
		if (!t->slots)
			abort();
	}
	t->slots[t->n_slots++] = (uint32_t)t->text.len;
}

static bool is_small(double value)
{
	return value >= 0 && value < 1e6 && value == (double)(uint32_t)value;
}

static void put_small(struct sl_sim_page *p, uint32_t value)
{
	char text[16];
	size_t at = sizeof(text);

	if (p->numbers == SL_SIM_NUMBERS_PYTHON) {
		text[--at] = '0';
		text[--at] = '.';
	}
	do
		text[--at] = (char)('0' + value % 10);
	while (value /= 10);
	sl_sim_buf_add(p->out, sl_span(text + at, sizeof(text) - at));
}

static void put_number(struct sl_sim_page *p, double value)
{
	size_t start = p->out->len;

	if (p->memo_len && p->memo == value) {
		sl_sim_buf_add(p->out, sl_span(p->memo_text, p->memo_len));
		return;
	}
	if (p->numbers == SL_SIM_NUMBERS_PYTHON)
		sl_sim_add_float(p->out, value);
	else
		sl_sim_buf_printf(p->out, value == (double)(int64_t)value ? "%.0f" : "%.6g", value);
	if (p->out->len - start > sizeof(p->memo_text))
		return;
	p->memo = value;
	p->memo_len = (uint32_t)(p->out->len - start);
	memcpy(p->memo_text, p->out->ptr + start, p->memo_len);
}

/* Mostly there is room for it: the page was begun with that. */
static void put_text_before_slot(struct sl_sim_page *p)
{
	size_t n;

	assert(p->slot < p->t->n_slots);
	n = p->t->slots[p->slot] - p->at;
	if (p->out->cap - p->out->len < n)
		sl_sim_buf_reserve(p->out, n);
	memcpy(p->out->ptr + p->out->len, p->t->text.ptr + p->at, n);
	p->out->len += n;
	p->at += n;
	p->slot++;
}

void sl_sim_page_value(struct sl_sim_page *p, double value)
{
	if (p->recording) {
		sl_sim_page_text(p, SL_SPAN(" "));
		record_slot(p->t);
		sl_sim_page_text(p, SL_SPAN("\n"));
		return;
	}
	put_text_before_slot(p);
	if (value == 0) /* most of them */
		sl_sim_buf_add(p->out,
		               p->numbers == SL_SIM_NUMBERS_PYTHON ? SL_SPAN("0.0") : SL_SPAN("0"));
	else if (is_small(value))
		put_small(p, (uint32_t)value);
	else
		put_number(p, value);
}

void sl_sim_page_head(struct sl_sim_page *p, const char *prefix, const char *name,
                      const char *suffix, const char *type, const char *help)
{
	if (help)
		sl_sim_page_printf(p, "# HELP %s%s%s %s\n", prefix, name, suffix, help);
	sl_sim_page_printf(p, "# TYPE %s%s%s %s\n", prefix, name, suffix, type);
}

void sl_sim_page_make(struct sl_sim_buf *out, struct sl_sim_template *t,
                      enum sl_sim_numbers numbers, sl_sim_walk_fn walk, const void *subject)
{
	struct sl_sim_page p = { .out = out, .t = t, .numbers = numbers, .recording = !t->made };

	if (p.recording)
		walk(&p, subject);
	t->made = true;
	p.recording = false;
	sl_sim_buf_reserve(out, t->text.len + t->n_slots * (size_t)8);
	walk(&p, subject);
	assert(p.slot == t->n_slots);
	if (t->text.len)
		sl_sim_buf_add(out, sl_span(t->text.ptr + p.at, t->text.len - p.at));
}

void sl_sim_label_escape(struct sl_sim_buf *b, struct sl_span text)
{
	for (size_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (c == '\\' || c == '"')
			sl_sim_buf_str(b, "\\");
		sl_sim_buf_add(b, c == '\n' ? SL_SPAN("\\n") : sl_span(&text.ptr[i], 1));
	}
}

/* check_gpu.c: an `xid` directive is numbers, and then one class. */
#include "gateway/config/checker.h"
#include "gateway/config/table.h"
#include "sluice/gpu.h"

static void check_xid(struct checker *c, const struct conf_statement *s)
{
	const struct conf_word *last = &s->words[s->n_words - 1];
	enum sl_gpu_class class_;

	for (uint32_t i = 1; i < s->n_words; i++) {
		bool is_class = sl_gpu_class_parse(s->words[i].text, &class_);

		if (is_class && (i == 1 || &s->words[i] != last)) {
			conf_complain(c->report, &s->words[i].at, NULL,
			              "xid: expected numbers, and then one class, such as: "
			              "xid 79 95 failed;");
			return;
		}
		if (!is_class && &s->words[i] == last)
			conf_complain(c->report, &last->at, NULL,
			              "xid: a class is missing behind '%s'; expected ignore, app, "
			              "degraded, link or failed",
			              last->text);
	}
}

void conf_check_gpu(struct checker *c)
{
	for (const struct conf_statement *s = c->root->first; s; s = s->next)
		if (s->directive && !s->broken && s->directive->shape == &conf_shape_xid)
			check_xid(c, s);
}

/* check_gpu.c: an `xid` directive is numbers, and then their class. */
#include "gateway/config/checker.h"
#include "gateway/config/table.h"
#include "sluice/gpu.h"

static void check_xid(struct checker *c, const struct conf_statement *s)
{
	bool numbers = false; /* that wait for their class */
	enum sl_gpu_class class_;

	for (uint32_t i = 1; i < s->n_words; i++) {
		bool is_class = sl_gpu_class_parse(s->words[i].text, &class_);

		if (is_class && !numbers) {
			conf_complain(c->report, &s->words[i].at, NULL,
			              "xid: there are no numbers before '%s'; expected such as: "
			              "xid 79 95 failed;",
			              s->words[i].text);
			return;
		}
		numbers = !is_class;
	}
	if (numbers)
		conf_complain(c->report, &s->words[s->n_words - 1].at, NULL,
		              "xid: a class is missing behind '%s'; expected ignore, app, "
		              "degraded, link or failed",
		              s->words[s->n_words - 1].text);
}

void conf_check_gpu(struct checker *c)
{
	for (const struct conf_statement *s = c->root->first; s; s = s->next)
		if (s->directive && !s->broken && s->directive->shape == &conf_shape_xid)
			check_xid(c, s);
}

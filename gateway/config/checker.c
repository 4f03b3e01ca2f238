/* checker.c: see checker.h. */
#include "gateway/config/checker.h"

#include <string.h>

#include "gateway/config/nearest.h"

const struct sl_pool_conf *conf_pool_of(const struct conf_statement *s)
{
	return s->object;
}

const struct conf_word *conf_given(const struct conf_statement *parent, const char *name)
{
	const struct conf_statement *s = conf_statement_find(parent, name);

	return s && !s->broken && s->n_words > 1 ? &s->words[1] : NULL;
}

bool conf_was_broken(const struct conf_statement *parent, const char *name)
{
	const struct conf_statement *s = conf_statement_find(parent, name);

	return s && s->broken;
}

bool conf_was_meant(const struct conf_statement *parent, const char *name)
{
	const char *const words[] = { name, NULL };

	for (const struct conf_statement *s = parent->first; s; s = s->next) {
		if (strcmp(s->words[0].text, name) == 0)
			return true;
		if (!s->directive && conf_nearest_of(s->words[0].text, words))
			return true;
		if (conf_was_meant(s, name))
			return true;
	}
	return false;
}

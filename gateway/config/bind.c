/* bind.c: walks the tree once, with the table in hand. Goes on after an error
 * with the next statement, so that all errors of a run are found. */
#include "gateway/config/bind.h"

#include <assert.h>

#include "gateway/config/nearest.h"
#include "gateway/config/table.h"

#define MAX_DIRECTIVES 256

struct binder {
	struct conf_arena *arena;
	struct conf_report *report;
	struct conf_statement *root;
	struct sl_config *config;
	uint32_t used[MAX_DIRECTIVES]; /* how many a block directive has made */
};

static void bind_children(struct binder *b, struct conf_statement *s, unsigned context,
                          void *object);

static void *field_of(void *object, size_t offset)
{
	return (char *)object + offset;
}

/* ---- defaults --------------------------------------------------------- */

static void set_default(struct conf_arena *a, const struct conf_directive *d, void *object)
{
	struct conf_report silent = { .arena = a };
	struct conf_reader reader = { .arena = a, .report = &silent, .directive = d };
	struct conf_word word = { .text = d->fallback };
	bool ok;

	if (conf_directive_is_list(d))
		return;
	if (!d->fallback) { /* only texts have none */
		*(char **)field_of(object, d->offset) = conf_strndup(a, "", 0);
		return;
	}
	ok = d->shape->read(&reader, &word, field_of(object, d->offset));
	assert(ok);
	(void)ok;
}

void conf_bind_defaults(struct conf_arena *a, unsigned context, void *object)
{
	const struct conf_directive *d;

	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (!(d->contexts & context))
			continue;
		if (!d->block)
			set_default(a, d, object);
		else if (d->block->size == 0)
			conf_bind_defaults(a, d->block->inside, object);
	}
}

/* ---- values ----------------------------------------------------------- */

static void complain(struct binder *b, struct conf_statement *s, const struct conf_place *place,
                     const char *message)
{
	s->broken = true;
	conf_complain(b->report, place, NULL, "%s", message);
}

static void expected_argument(struct binder *b, struct conf_statement *s)
{
	const struct conf_directive *d = s->directive;

	complain(b, s, &s->words[0].at,
	         conf_sprintf(b->arena, "%s: nothing given; expected %s", d->name,
	                      conf_expected(b->arena, d)));
}

/* A word too many; often the ';' before it is what is missing. */
static void unexpected_word(struct binder *b, struct conf_statement *s, uint32_t i,
                            const char *expected)
{
	unsigned here = s->directive->contexts;
	const char *text = s->words[i].text;

	if (s->directive->shape == &conf_shape_secret)
		text = "..."; /* the rest of a key, perhaps */
	else if (!s->words[i].quoted && conf_table_find(here, text))
		expected = "';' before it";
	complain(b, s, &s->words[i].at,
	         conf_sprintf(b->arena, "%s: unexpected '%s'; expected %s", s->words[0].text,
	                      conf_show(b->arena, text), expected));
}

static bool read_word(struct binder *b, struct conf_statement *s, uint32_t i, void *field)
{
	struct conf_reader reader = { b->arena, b->report, s->directive };

	if (s->words[i].broken || !s->directive->shape->read(&reader, &s->words[i], field)) {
		s->broken = true;
		return false;
	}
	return true;
}

/* Room for one more: arrays grow where the number is a power of two. */
static void grow_list(struct conf_arena *a, char ***items, uint32_t count)
{
	char **grown;

	if (count > 0 && (count < 4 || (count & (count - 1)) != 0))
		return;
	grown = conf_alloc(a, (count ? 2 * count : 4) * sizeof(*grown));
	if (count > 0)
		memcpy(grown, *items, count * sizeof(*grown));
	*items = grown;
}

/* Appends the words to what earlier statements of this name have given. */
static void bind_list(struct binder *b, struct conf_statement *s, void *object)
{
	const struct conf_directive *d = s->directive;
	uint32_t *count = field_of(object, d->count);
	char ***items = field_of(object, d->offset);

	for (uint32_t i = 1; i < s->n_words; i++) {
		grow_list(b->arena, items, *count);
		if (read_word(b, s, i, &(*items)[*count]))
			++*count;
	}
}

static void bind_value(struct binder *b, struct conf_statement *s, void *object)
{
	const struct conf_directive *d = s->directive;
	bool list = conf_directive_is_list(d);

	if (s->block)
		complain(b, s, &s->end,
		         conf_sprintf(b->arena,
		                      "%s takes no block; expected ';', or quotes around a value "
		                      "with braces",
		                      d->name));
	else if (s->n_words == 1)
		expected_argument(b, s);
	else if (s->n_words > 2 && !list)
		unexpected_word(b, s, 2, "';'");
	else if (list)
		bind_list(b, s, object);
	else
		read_word(b, s, 1, field_of(object, d->offset));
}

/* ---- blocks ----------------------------------------------------------- */

/* `certificate FILE key FILE` as if each pair stood in the block. */
static void unfold_pairs(struct binder *b, struct conf_statement *s, uint32_t from)
{
	for (uint32_t i = from; i < s->n_words; i += 2) {
		uint32_t n = i + 1 < s->n_words ? 2 : 1;
		struct conf_statement *child = conf_statement_add(b->arena, s, &s->words[i], n);

		child->directive =
		        conf_table_find(s->directive->block->inside, child->words[0].text);
		child->end = s->end;
		child->broken = child->words[0].broken;
	}
}

/* `name=value` cut into two words, each at its own place. */
static void cut_assignment(struct binder *b, const struct conf_word *word, const char *equals,
                           struct conf_word cut[2])
{
	uint32_t len = (uint32_t)(equals - word->text);

	cut[0] = cut[1] = *word;
	cut[0].text = conf_strndup(b->arena, word->text, len);
	cut[1].text = equals + 1;
	if (strlen(word->text) == word->at.len) { /* no escape or variable in it */
		cut[0].at.len = len;
		cut[1].at.offset += len + 1;
		cut[1].at.len -= len + 1;
	}
}

static void unfold_assignments(struct binder *b, struct conf_statement *s, uint32_t from)
{
	const struct conf_block *block = s->directive->block;

	for (uint32_t i = from; i < s->n_words; i++) {
		const char *equals = strchr(s->words[i].text, '=');
		struct conf_statement *child;
		struct conf_word cut[2];

		if (s->words[i].broken)
			continue;
		if (!equals) {
			unexpected_word(b, s, i, "NAME=VALUE or ';'");
			continue;
		}
		cut_assignment(b, &s->words[i], equals, cut);
		child = conf_statement_add(b->arena, s, cut, 2);
		child->directive = conf_table_find(block->inside, cut[0].text);
		child->end = s->end;
	}
}

/* Whether both make elements of the same array. */
static bool share_items(const struct conf_directive *a, const struct conf_directive *b)
{
	return a == b || (a && a->block && a->block->in_config && b->block->in_config &&
	                  a->block->items == b->block->items);
}

static uint32_t count_items(const struct conf_statement *s, const struct conf_directive *d)
{
	uint32_t n = 0;

	for (const struct conf_statement *child = s->first; child; child = child->next)
		n += share_items(child->directive, d) + count_items(child, d);
	return n;
}

/* The next element of the array that the block's structs live in. It is made
 * once, for all that the tree names, so that elements never move. */
static void *new_element(struct binder *b, const struct conf_statement *s, void *owner)
{
	const struct conf_block *block = s->directive->block;
	const struct conf_statement *above = block->in_config ? b->root : s->parent;
	void **items;
	uint32_t *count;

	if (block->items == CONF_NO_FIELD)
		return conf_alloc(b->arena, block->size);
	if (block->in_config)
		owner = b->config;
	items = field_of(owner, block->items);
	count = field_of(owner, block->count);
	if (!*items)
		*items = conf_alloc(b->arena, count_items(above, s->directive) * block->size);
	return field_of(*items, (*count)++ * block->size);
}

/* What the block's directives fill in, with its defaults; NULL if there are
 * too many of them. */
static void *open_block(struct binder *b, struct conf_statement *s, void *owner)
{
	const struct conf_block *block = s->directive->block;
	uint32_t *used = &b->used[conf_table_index(s->directive)];
	void *object = owner;

	if (block->size > 0) {
		if (++*used > block->most) {
			complain(b, s, &s->words[0].at,
			         conf_sprintf(b->arena, "%s: more than %u of them",
			                      s->directive->name, block->most));
			return NULL;
		}
		object = new_element(b, s, owner);
		conf_bind_defaults(b->arena, block->defaults ? block->defaults : block->inside,
		                   object);
	}
	if (block->flag != CONF_NO_FIELD)
		*(bool *)field_of(owner, block->flag) = true;
	if (block->open)
		block->open(object, s);
	return object;
}

/* The block's own argument; returns how many words it took, the name too. */
static uint32_t bind_argument(struct binder *b, struct conf_statement *s, void *object)
{
	const struct conf_directive *d = s->directive;

	if (!d->shape)
		return 1;
	if (d->fallback)
		set_default(b->arena, d, object);
	if (s->n_words > 1)
		read_word(b, s, 1, field_of(object, d->offset));
	else if (!d->fallback)
		expected_argument(b, s);
	return 2;
}

static void bind_block(struct binder *b, struct conf_statement *s, void *owner)
{
	const struct conf_block *block = s->directive->block;
	uint32_t taken;

	s->object = open_block(b, s, owner);
	if (!s->object)
		return;
	taken = bind_argument(b, s, s->object);
	if (block->form == CONF_PAIRS)
		unfold_pairs(b, s, taken);
	else if (block->form == CONF_ASSIGNED)
		unfold_assignments(b, s, taken);
	else if (s->n_words > taken)
		unexpected_word(b, s, taken, block->form == CONF_BRACES ? "'{'" : "'{' or ';'");
	else if (block->form == CONF_BRACES && s->ended)
		complain(b, s, &s->end,
		         conf_sprintf(b->arena, "%s: expected a block, { ... }",
		                      s->directive->name));
	bind_children(b, s, block->inside, s->object);
}

/* ---- statements ------------------------------------------------------- */

static const char *place_name(unsigned context)
{
	const char *block = conf_context_name(context);

	return block ? block : "the main level";
}

/* Every block a directive may stand in: "pool or server". */
static const char *places_of(struct conf_arena *a, const char *name)
{
	const struct conf_directive *d;
	char *places = NULL;

	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (strcmp(d->name, name) != 0)
			continue;
		for (unsigned bit = 1; bit <= d->contexts; bit <<= 1) {
			if (d->contexts & bit)
				places = conf_sprintf(a, "%s%s%s", places ? places : "",
				                      places ? " or " : "", place_name(bit));
		}
	}
	return places;
}

static void unknown(struct binder *b, struct conf_statement *s, unsigned context)
{
	const struct conf_word *word = &s->words[0];
	const char *name = conf_show(b->arena, word->text);
	const char *places = places_of(b->arena, word->text);
	const struct conf_directive *d;
	struct conf_nearest nearest;

	s->broken = true;
	conf_nearest_init(&nearest, word->text);
	for (size_t k = 0; (d = conf_table_at(k)); k++) {
		if (d->contexts & context)
			conf_nearest_offer(&nearest, d->name);
	}
	if (places)
		conf_complain(b->report, &word->at, NULL, "'%s' does not belong in %s, but in %s",
		              name, place_name(context), places);
	else
		conf_complain(b->report, &word->at, nearest.best, "unknown directive '%s' in %s",
		              name, place_name(context));
}

static bool may_repeat(const struct conf_directive *d)
{
	return conf_directive_is_list(d) || (d->block && d->block->most > 1);
}

static void bind_statement(struct binder *b, struct conf_statement *s, void *object,
                           const struct conf_statement *first)
{
	if (first && !may_repeat(s->directive))
		complain(b, s, &s->words[0].at,
		         conf_sprintf(b->arena, "%s is given twice; first in %s:%u",
		                      s->directive->name, first->words[0].at.source->path,
		                      first->words[0].at.line));
	else if (s->directive->block)
		bind_block(b, s, object);
	else
		bind_value(b, s, object);
}

static void bind_children(struct binder *b, struct conf_statement *s, unsigned context,
                          void *object)
{
	const struct conf_statement *first[MAX_DIRECTIVES] = { NULL };

	assert(conf_table_size() <= MAX_DIRECTIVES);
	for (struct conf_statement *child = s->first; child; child = child->next) {
		size_t k;

		if (!child->directive) {
			if (!child->words[0].broken)
				unknown(b, child, context);
			continue;
		}
		k = conf_table_index(child->directive);
		bind_statement(b, child, object, first[k]);
		if (!first[k])
			first[k] = child;
	}
}

void conf_bind(struct conf_arena *a, struct conf_report *report, struct conf_statement *root,
               struct sl_config *config)
{
	struct binder b = { .arena = a, .report = report, .root = root, .config = config };

	root->object = config;
	conf_bind_defaults(a, CONF_MAIN, config);
	bind_children(&b, root, CONF_MAIN, config);
}

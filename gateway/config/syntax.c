/* syntax.c: recursive descent, one level of C stack per block or include,
 * both bounded.
 *
 * After an error it goes on at the next ';' or the matching brace. It knows
 * the names of directives only to see a forgotten ';': a bare word that begins
 * a line and is the name of a directive of this block begins a statement. */
#include "gateway/config/syntax.h"

#include <assert.h>
#include <glob.h>

#include "gateway/config/table.h"

struct parser {
	struct conf_arena *arena;
	struct conf_report *report;
	uint32_t tokens; /* over all files */
	uint32_t bytes;  /* over all files */
	uint32_t n_sources;
	bool stopped; /* a limit was hit; nothing more is read */
};

/* One file on its way through the parser. */
struct reading {
	struct parser *parser;
	struct conf_lexer lexer;
	struct conf_token token; /* the one to be looked at next */
	uint32_t depth;          /* of blocks, in this file and above */
	uint32_t includes;
};

static void parse_source(struct parser *p, struct conf_source *source, struct conf_statement *into,
                         uint32_t depth, uint32_t includes);

struct conf_statement *conf_statement_add(struct conf_arena *a, struct conf_statement *parent,
                                          const struct conf_word *words, uint32_t n_words)
{
	struct conf_statement *s = conf_alloc(a, sizeof(*s));

	s->words = conf_alloc(a, n_words * sizeof(*words));
	memcpy(s->words, words, n_words * sizeof(*words));
	s->n_words = n_words;
	s->parent = parent;
	if (parent->last)
		parent->last->next = s;
	else
		parent->first = s;
	parent->last = s;
	return s;
}

struct conf_statement *conf_statement_find(const struct conf_statement *parent, const char *name)
{
	for (struct conf_statement *s = parent->first; s; s = s->next) {
		if (strcmp(s->words[0].text, name) == 0)
			return s;
	}
	return NULL;
}

static unsigned context_inside(const struct conf_statement *s)
{
	if (!s->parent)
		return CONF_MAIN;
	return s->directive && s->directive->block ? s->directive->block->inside : CONF_NOWHERE;
}

static void advance(struct reading *r)
{
	struct parser *p = r->parser;

	if (p->stopped) {
		r->token.kind = CONF_END;
		return;
	}
	conf_lexer_next(&r->lexer, &r->token);
	if (r->token.kind != CONF_END && ++p->tokens > CONF_MAX_TOKENS) {
		conf_complain(p->report, &r->token.word.at, NULL,
		              "the configuration has more than %d words; the rest is not read",
		              CONF_MAX_TOKENS);
		p->stopped = true;
		r->token.kind = CONF_END;
	}
}

/* At a '{': past the matching '}'. */
static void skip_block(struct reading *r)
{
	uint32_t open = 0;

	do {
		open += r->token.kind == CONF_OPEN;
		open -= r->token.kind == CONF_CLOSE;
		advance(r);
	} while (open > 0 && r->token.kind != CONF_END);
}

/* The words of a statement while it is read; grows by doubling. */
struct words {
	struct conf_word *item;
	uint32_t n, room;
};

static void add_word(struct conf_arena *a, struct words *words, const struct conf_word *word)
{
	if (words->n == words->room) {
		uint32_t room = words->room ? 2 * words->room : 4;
		struct conf_word *item = conf_alloc(a, room * sizeof(*item));

		if (words->n > 0)
			memcpy(item, words->item, words->n * sizeof(*item));
		words->item = item;
		words->room = room;
	}
	words->item[words->n++] = *word;
}

static bool begins_statement(const struct reading *r, const struct conf_statement *into,
                             const struct words *words)
{
	const struct conf_word *word = &r->token.word;

	if (word->quoted || word->at.line == words->item[words->n - 1].at.line)
		return false;
	return strcmp(word->text, "include") == 0 ||
	       conf_table_find(context_inside(into), word->text);
}

/* A key that was written into the file must not appear in an error message
 * or a dump, even if the statement is wrong or in the wrong place. */
static void blot_secrets(const struct conf_statement *s)
{
	const struct conf_directive *d;
	bool secret = false;

	for (size_t k = 0; (d = conf_table_at(k)); k++)
		secret |= d->shape == &conf_shape_secret && strcmp(d->name, s->words[0].text) == 0;
	for (uint32_t i = 1; i < s->n_words; i++) {
		const struct conf_word *word = &s->words[i];
		const char *scheme = strstr(word->text, "://");

		if (scheme && strchr(scheme, '@')) /* a URL with a password, perhaps */
			conf_place_blot(&word->at);
		if (!secret)
			continue;
		if (i > 1 && word->at.line != s->words[0].at.line)
			return;
		if (strncmp(word->text, "file:", 5) != 0 && strncmp(word->text, "env:", 4) != 0)
			conf_place_blot(&word->at);
	}
}

/* The end of the last word, where a ';' is missing. */
static struct conf_place place_behind(const struct conf_word *word)
{
	struct conf_place place = word->at;

	place.offset += place.len;
	place.len = 1;
	return place;
}

static struct conf_statement *parse_words(struct reading *r, struct conf_statement *into)
{
	struct parser *p = r->parser;
	struct words words = { 0 };
	struct conf_statement *s;
	bool broken = false;

	do {
		broken |= r->token.word.broken;
		add_word(p->arena, &words, &r->token.word);
		advance(r);
	} while (r->token.kind == CONF_WORD && !begins_statement(r, into, &words));
	s = conf_statement_add(p->arena, into, words.item, words.n);
	s->broken = broken;
	s->end = r->token.word.at;
	s->directive = conf_table_find(context_inside(into), words.item[0].text);
	blot_secrets(s);
	return s;
}

static bool is_include_loop(const struct conf_source *source)
{
	for (const struct conf_source *s = source->includer; s; s = s->includer) {
		if (s->inode == source->inode && s->device == source->device)
			return true;
	}
	return false;
}

static void include_file(struct reading *r, const struct conf_word *word, const char *path,
                         struct conf_statement *into)
{
	struct parser *p = r->parser;
	const char *problem;
	struct conf_source *source =
	        conf_source_read(p->arena, path, CONF_MAX_BYTES - p->bytes, &problem);

	if (!source) {
		conf_complain(p->report, &word->at, NULL, "include: cannot read %s: %s", path,
		              problem);
		return;
	}
	source->includer = r->lexer.source;
	if (is_include_loop(source)) {
		conf_complain(p->report, &word->at, NULL, "include: %s includes itself", path);
		return;
	}
	parse_source(p, source, into, r->depth, r->includes + 1);
}

/* glob(3) sorts, so the order of files does not depend on the file system.
 * Wildcards in folders are refused: they make reading a configuration a walk
 * through a file system of unknown size. */
static void include_glob(struct reading *r, const struct conf_word *word,
                         struct conf_statement *into)
{
	const char *pattern = conf_source_beside(r->parser->arena, r->lexer.source, word->text);
	const char *slash = strrchr(pattern, '/');
	const char *wild = strpbrk(pattern, "*?[");
	glob_t found = { 0 };

	if (!wild) {
		include_file(r, word, pattern, into);
		return;
	}
	if (slash && wild < slash) {
		conf_complain(r->parser->report, &word->at, NULL,
		              "include: wildcards may only stand in the last part of a path");
		return;
	}
	if (glob(pattern, GLOB_NOESCAPE, NULL, &found) == 0) {
		for (size_t i = 0; i < found.gl_pathc; i++)
			include_file(r, word, found.gl_pathv[i], into);
	}
	globfree(&found);
}

static void parse_include(struct reading *r, const struct conf_statement *s,
                          struct conf_statement *into)
{
	struct conf_report *report = r->parser->report;

	if (s->broken)
		return;
	if (s->n_words != 2)
		conf_complain(report, s->n_words == 1 ? &s->words[0].at : &s->words[2].at, NULL,
		              "include takes one file or pattern");
	else if (r->includes == CONF_MAX_INCLUDE_DEPTH)
		conf_complain(report, &s->words[0].at, NULL, "include: nested more than %d deep",
		              CONF_MAX_INCLUDE_DEPTH);
	else
		include_glob(r, &s->words[1], into);
}

/* Takes back the last child: an include is what it includes. */
static void drop_statement(struct conf_statement *parent, struct conf_statement *before)
{
	parent->last = before;
	if (before)
		before->next = NULL;
	else
		parent->first = NULL;
}

static void parse_statements(struct reading *r, struct conf_statement *into,
                             const struct conf_place *open);

static void parse_block(struct reading *r, struct conf_statement *s)
{
	struct conf_place open = r->token.word.at;

	s->block = true;
	if (r->depth == CONF_MAX_BLOCK_DEPTH) {
		conf_complain(r->parser->report, &open, NULL, "blocks are nested more than %d deep",
		              CONF_MAX_BLOCK_DEPTH);
		s->broken = true;
		skip_block(r);
		return;
	}
	advance(r);
	r->depth++;
	parse_statements(r, s, &open);
	r->depth--;
}

/* A word that was not read to its end has swallowed the ';' already. */
static void complain_of_end(struct reading *r, const struct conf_statement *s)
{
	const struct conf_word *last = &s->words[s->n_words - 1];
	bool secret = s->directive && s->directive->shape == &conf_shape_secret;
	bool block =
	        s->directive && s->directive->block && s->directive->block->form == CONF_BRACES;
	struct conf_place behind = place_behind(last);

	if (r->parser->stopped || last->broken)
		return;
	conf_complain(r->parser->report, &behind, NULL, "expected '%c' behind '%s'",
	              block ? '{' : ';',
	              conf_show(r->parser->arena, secret ? s->words[0].text : last->text));
}

static void parse_statement(struct reading *r, struct conf_statement *into)
{
	struct conf_statement *before = into->last;
	struct conf_statement *s = parse_words(r, into);
	bool include = strcmp(s->words[0].text, "include") == 0;

	if (r->token.kind == CONF_OPEN && !include) {
		parse_block(r, s);
		return;
	}
	s->ended = r->token.kind == CONF_SEMICOLON;
	if (s->ended)
		advance(r);
	else
		complain_of_end(r, s);
	if (r->token.kind == CONF_OPEN)
		skip_block(r);
	if (include) {
		drop_statement(into, before);
		parse_include(r, s, into);
	}
}

/* A ';' or a brace where a directive should begin. */
static void parse_stray(struct reading *r)
{
	static const char *const message[] = {
		[CONF_SEMICOLON] = "unexpected ';'; expected a directive",
		[CONF_OPEN] = "unexpected '{'; expected the name of a block before it",
		[CONF_CLOSE] = "unexpected '}'; no block is open in this file",
	};

	conf_complain(r->parser->report, &r->token.word.at, NULL, "%s", message[r->token.kind]);
	if (r->token.kind == CONF_OPEN)
		skip_block(r);
	else
		advance(r);
}

/* Up to the '}' of the block opened at `open`, or NULL: to the end. */
static void parse_statements(struct reading *r, struct conf_statement *into,
                             const struct conf_place *open)
{
	while (r->token.kind != CONF_END) {
		if (r->token.kind == CONF_WORD) {
			parse_statement(r, into);
		} else if (open && r->token.kind == CONF_CLOSE) {
			advance(r);
			return;
		} else {
			parse_stray(r);
		}
	}
	if (open && !r->parser->stopped)
		conf_complain(r->parser->report, open, NULL, "this '{' of '%s' is never closed",
		              into->words[0].text);
}

static void parse_source(struct parser *p, struct conf_source *source, struct conf_statement *into,
                         uint32_t depth, uint32_t includes)
{
	/* On the heap: a lexer holds a whole word. */
	struct reading *r = conf_alloc(p->arena, sizeof(*r));

	source->order = p->n_sources++;
	p->bytes += source->len;
	r->parser = p;
	r->depth = depth;
	r->includes = includes;
	conf_lexer_init(&r->lexer, p->arena, p->report, source);
	advance(r);
	parse_statements(r, into, NULL);
}

struct conf_statement *conf_syntax_parse(struct conf_arena *a, struct conf_report *report,
                                         struct conf_source *source)
{
	struct parser p = { .arena = a, .report = report };
	struct conf_statement *root = conf_alloc(a, sizeof(*root));

	root->end.source = source;
	parse_source(&p, source, root, 0, 0);
	return root;
}

/* syntax.h: words to statements: directives, their arguments, their blocks.
 *
 * The tree is what was written, includes spliced in. Whether a directive's
 * values make sense is bind.h's business. */
#ifndef SLUICE_CONFIG_SYNTAX_H
#define SLUICE_CONFIG_SYNTAX_H

#include "gateway/config/lexer.h"

#define CONF_MAX_INCLUDE_DEPTH 16
#define CONF_MAX_BLOCK_DEPTH 16
#define CONF_MAX_TOKENS 100000

struct conf_statement {
	const struct conf_directive *directive; /* NULL: unknown here */
	struct conf_word *words;                /* [0] is the directive's name */
	uint32_t n_words;
	struct conf_place end; /* of the ';' or '{' */
	bool block;            /* ended in '{' */
	bool ended;            /* in ';' */
	bool broken;           /* something in it was complained about */
	void *object;          /* set by bind: what its block fills in */
	struct conf_statement *parent, *next;
	struct conf_statement *first, *last; /* children */
};

/* The tree of a file and all it includes; never NULL. The root has no words;
 * its place is the file as a whole. */
struct conf_statement *conf_syntax_parse(struct conf_arena *a, struct conf_report *report,
                                         struct conf_source *source);
/* A new last child, with room for the words. */
struct conf_statement *conf_statement_add(struct conf_arena *a, struct conf_statement *parent,
                                          const struct conf_word *words, uint32_t n_words);
/* The first child of that name, or NULL. */
struct conf_statement *conf_statement_find(const struct conf_statement *parent, const char *name);

#endif

/* lexer.h: text to words and punctuation.
 *
 * A word is bare or quoted. In a bare or "..." word a backslash takes the
 * punctuation behind it literally and ${NAME} or ${NAME:-default} is replaced
 * from the environment; in a '...' word only \' and \\ mean anything. What
 * the environment holds is never read as grammar: one word stays one word. */
#ifndef SLUICE_CONFIG_LEXER_H
#define SLUICE_CONFIG_LEXER_H

#include "gateway/config/report.h"

#define CONF_MAX_WORD 4096

enum conf_token_kind {
	CONF_WORD,
	CONF_SEMICOLON,
	CONF_OPEN,  /* { */
	CONF_CLOSE, /* } */
	CONF_END,
};

struct conf_word {
	const char *text; /* owned by the arena; no control characters */
	struct conf_place at;
	bool quoted;
	bool broken; /* already complained about */
};

struct conf_token {
	enum conf_token_kind kind;
	struct conf_word word; /* its place is set for every kind */
};

struct conf_lexer {
	struct conf_arena *arena;   /* borrowed */
	struct conf_report *report; /* borrowed */
	const struct conf_source *source;
	uint32_t pos;
	uint32_t line;
	char word[CONF_MAX_WORD + 1]; /* the one being read */
	size_t len;
	bool broken;
};

void conf_lexer_init(struct conf_lexer *lexer, struct conf_arena *a, struct conf_report *report,
                     const struct conf_source *source);
/* The next token; at the end CONF_END, for ever. */
void conf_lexer_next(struct conf_lexer *lexer, struct conf_token *out_token);

#endif

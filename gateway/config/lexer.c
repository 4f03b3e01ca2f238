/* lexer.c: one pass over a file, any bytes. Errors are reported here and the
 * word is marked broken, so that nobody complains about it again. */
#include "gateway/config/lexer.h"

#include <stdlib.h>

#define NONE (-1)

static const char space[] = " \t\r\n";
static const char ends_word[] = " \t\r\n;{}";
/* What a backslash may take literally. */
static const char escapable[] = "\\\"'$#;{} ";

static bool is_one_of(int c, const char *set)
{
	return c > 0 && strchr(set, c) != NULL;
}

static int peek(const struct conf_lexer *lexer)
{
	if (lexer->pos >= lexer->source->len)
		return NONE;
	return (unsigned char)lexer->source->text[lexer->pos];
}

static struct conf_place place_from(const struct conf_lexer *lexer, uint32_t start)
{
	return (struct conf_place){
		.source = lexer->source,
		.offset = start,
		.len = lexer->pos - start,
		.line = lexer->line,
	};
}

static void fault(struct conf_lexer *lexer, uint32_t start, const char *what)
{
	struct conf_place place = place_from(lexer, start);

	if (!lexer->broken)
		conf_complain(lexer->report, &place, NULL, "%s", what);
	lexer->broken = true;
}

static bool is_control(int c)
{
	return (c >= 0 && c < 0x20) || c == 0x7f;
}

static void put(struct conf_lexer *lexer, int c)
{
	if (lexer->len < CONF_MAX_WORD)
		lexer->word[lexer->len++] = (char)c;
	else
		fault(lexer, lexer->pos, "a word is longer than 4096 bytes");
}

/* What the variable `name` stands for. */
static void put_value(struct conf_lexer *lexer, uint32_t start, const char *name, const char *text,
                      size_t len)
{
	for (size_t i = 0; i < len && !lexer->broken; i++) {
		if (is_control((unsigned char)text[i]))
			fault(lexer, start,
			      conf_sprintf(lexer->arena, "${%s} holds a control character", name));
		else
			put(lexer, text[i]);
	}
}

void conf_lexer_init(struct conf_lexer *lexer, struct conf_arena *a, struct conf_report *report,
                     const struct conf_source *source)
{
	lexer->arena = a;
	lexer->report = report;
	lexer->source = source;
	lexer->pos = 0;
	lexer->line = 1;
	if (source->len >= 3 && memcmp(source->text, "\xef\xbb\xbf", 3) == 0)
		lexer->pos = 3;
}

static void skip_blanks(struct conf_lexer *lexer)
{
	bool comment = false;

	for (int c = peek(lexer); c != NONE; c = peek(lexer)) {
		if (c == '#')
			comment = true;
		if (c == '\n') {
			comment = false;
			lexer->line++;
		} else if (!comment && !is_one_of(c, space)) {
			return;
		}
		lexer->pos++;
	}
}

static bool is_name_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_';
}

/* The inside of ${...}: NAME or NAME:-default. */
static void expand(struct conf_lexer *lexer, uint32_t start, const char *inside, size_t len)
{
	size_t name_len = 0;
	const char *value;
	char *name;

	while (name_len < len && is_name_char(inside[name_len]))
		name_len++;
	if (name_len == 0 || (name_len < len && (len - name_len < 2 || inside[name_len] != ':' ||
	                                         inside[name_len + 1] != '-'))) {
		fault(lexer, start, "expected ${NAME} or ${NAME:-default}");
		return;
	}
	name = conf_strndup(lexer->arena, inside, name_len);
	value = getenv(name);
	if (name_len < len && (!value || !*value))
		put_value(lexer, start, name, inside + name_len + 2, len - name_len - 2);
	else if (value)
		put_value(lexer, start, name, value, strlen(value));
	else
		fault(lexer, start,
		      conf_sprintf(lexer->arena,
		                   "the environment variable %s is not set; ${%s:-default} would "
		                   "give it a default",
		                   name, name));
}

/* At the '$' of "${". */
static void read_variable(struct conf_lexer *lexer)
{
	uint32_t start = lexer->pos, inside = start + 2;
	int c;

	for (lexer->pos = inside; (c = peek(lexer)) != '}'; lexer->pos++) {
		if (c == NONE || c == '\n') {
			fault(lexer, start, "this ${ is not closed");
			return;
		}
	}
	lexer->pos++;
	expand(lexer, start, lexer->source->text + inside, lexer->pos - 1 - inside);
}

static bool at_variable(const struct conf_lexer *lexer)
{
	return peek(lexer) == '$' && lexer->pos + 1 < lexer->source->len &&
	       lexer->source->text[lexer->pos + 1] == '{';
}

/* At a backslash. In single quotes one that means nothing stands for itself. */
static void read_escape(struct conf_lexer *lexer, int quote)
{
	uint32_t start = lexer->pos++;
	int c = peek(lexer);

	if (quote == '\'' && c != '\'' && c != '\\') {
		put(lexer, '\\');
		return;
	}
	if (!is_one_of(c, escapable)) {
		fault(lexer, start,
		      "unknown escape; a backslash may stand before \\ \" ' $ # ; { } "
		      "and a space");
		return;
	}
	put(lexer, c);
	lexer->pos++;
}

static void read_char(struct conf_lexer *lexer, int quote)
{
	int c = peek(lexer);

	if (c == '\\') {
		read_escape(lexer, quote);
	} else if (quote != '\'' && at_variable(lexer)) {
		read_variable(lexer);
	} else {
		lexer->pos++;
		if (is_control(c))
			fault(lexer, lexer->pos - 1, "a control character");
		else
			put(lexer, c);
	}
}

/* At the opening quote. A string ends on its line: a forgotten quote must not
 * swallow the rest of the file. */
static void read_quoted(struct conf_lexer *lexer)
{
	uint32_t start = lexer->pos;
	int quote = peek(lexer), c;

	for (lexer->pos++; (c = peek(lexer)) != quote;) {
		if (c == NONE || c == '\n') {
			fault(lexer, start, "this quote is not closed on its line");
			return;
		}
		read_char(lexer, quote);
	}
	lexer->pos++;
	c = peek(lexer);
	if (c != NONE && !is_one_of(c, ends_word)) {
		fault(lexer, start, "expected a space or ';' behind the closing quote");
		while (peek(lexer) != NONE && !is_one_of(peek(lexer), ends_word))
			lexer->pos++;
	}
}

static void read_bare(struct conf_lexer *lexer)
{
	for (int c = peek(lexer); c != NONE && !is_one_of(c, ends_word); c = peek(lexer)) {
		if (c == '"' || c == '\'')
			fault(lexer, lexer->pos,
			      "a quote inside a word; put the whole word in quotes");
		read_char(lexer, NONE);
	}
}

static void read_word(struct conf_lexer *lexer, struct conf_word *out_word)
{
	uint32_t start = lexer->pos;
	int first = peek(lexer);

	lexer->len = 0;
	lexer->broken = false;
	if (first == '"' || first == '\'')
		read_quoted(lexer);
	else
		read_bare(lexer);
	*out_word = (struct conf_word){
		.text = conf_strndup(lexer->arena, lexer->word, lexer->len),
		.at = place_from(lexer, start),
		.quoted = first == '"' || first == '\'',
		.broken = lexer->broken,
	};
}

void conf_lexer_next(struct conf_lexer *lexer, struct conf_token *out_token)
{
	struct conf_token token = { .kind = CONF_WORD };
	uint32_t start;

	skip_blanks(lexer);
	start = lexer->pos;
	switch (peek(lexer)) {
	case NONE:
		token.kind = CONF_END;
		break;
	case ';':
		token.kind = CONF_SEMICOLON;
		break;
	case '{':
		token.kind = CONF_OPEN;
		break;
	case '}':
		token.kind = CONF_CLOSE;
		break;
	default:
		read_word(lexer, &token.word);
		*out_token = token;
		return;
	}
	lexer->pos += token.kind != CONF_END;
	token.word.at = place_from(lexer, start);
	*out_token = token;
}

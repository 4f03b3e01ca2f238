/* table.h: the one table of directives (directives.def).
 *
 * Parser, defaults, ranges, -T, the reference in docs and the restart check
 * all read it; a directive exists nowhere else. */
#ifndef SLUICE_CONFIG_TABLE_H
#define SLUICE_CONFIG_TABLE_H

#include "gateway/config/shape.h"
#include "gateway/config/syntax.h"
#include "sluice/config.h"

/* Where a directive may stand; bits. */
enum conf_context {
	CONF_NOWHERE = 0, /* inside a block that nobody knows */
	CONF_MAIN = 1,
	CONF_CLUSTER = 2,
	CONF_LISTEN = 4,
	CONF_TLS = 8,
	CONF_POOL = 16,
	CONF_SERVER = 32,
	CONF_MODEL = 64,
	CONF_GATEWAY = 128,
	CONF_REDIS = 256,
	CONF_DISCOVER = 512,
	CONF_SIGNAL = 4096,
};

enum conf_change {
	CONF_LIVE,    /* a reload applies it */
	CONF_RESTART, /* only a new process has it */
};

/* How the directives of a block may stand on the line of its name. */
enum conf_inline {
	CONF_BRACES,   /* they may not: the block is required */
	CONF_OPTIONAL, /* they may not, but the block may be left out */
	CONF_PAIRS,    /* tls certificate FILE key FILE; */
	CONF_ASSIGNED, /* server ADDRESS max_concurrent=N; */
};

#define CONF_NO_FIELD SIZE_MAX

/* What a directive with a block makes. */
struct conf_block {
	enum conf_context inside;
	enum conf_inline form;
	size_t size;    /* of the struct it fills in; 0: its parent's */
	bool in_config; /* the array below is in struct sl_config, not in the parent's struct */
	size_t items;   /* the array it is appended to, CONF_NO_FIELD: none */
	size_t count;
	size_t flag;   /* the bool of the parent's that its presence sets, or CONF_NO_FIELD */
	uint32_t most; /* that may be given */
	/* Whose defaults fill the struct in, if it holds more than may be said here. */
	enum conf_context defaults;
	/* Fills in what comes from where the block stands; may be NULL. */
	void (*open)(void *object, const struct conf_statement *statement);
};

struct conf_directive {
	unsigned contexts;
	const char *name;
	const struct conf_shape *shape; /* of each argument; NULL: takes none */
	size_t offset;                  /* of its field (in what the block makes) */
	size_t count;                   /* a list: of the number of items; else CONF_NO_FIELD */
	uint64_t min, max;              /* numbers, in the unit of the field */
	const char *const *words;       /* what may be written instead of, or as, the value */
	const char *fallback;           /* the default as an operator would write it; NULL: none */
	enum conf_change change;
	const struct conf_block *block; /* NULL: takes no block */
	const char *text;               /* one sentence */
};

/* Directive k of the table; NULL past the end. */
const struct conf_directive *conf_table_at(size_t k);
size_t conf_table_size(void);
size_t conf_table_index(const struct conf_directive *d);
const struct conf_directive *conf_table_find(unsigned context, const char *name);
/* "pool", the block that makes a context; NULL: none does, it is the main level. */
const char *conf_context_name(unsigned context);
static inline bool conf_directive_is_list(const struct conf_directive *d)
{
	return d->count != CONF_NO_FIELD && !d->block;
}

#endif

/* shape.h: the kinds of values a directive can have: how one is read from a
 * word, written back, and described. */
#ifndef SLUICE_CONFIG_SHAPE_H
#define SLUICE_CONFIG_SHAPE_H

#include <stdio.h>

#include "gateway/config/lexer.h"
#include "gateway/config/units.h"

struct conf_directive;

struct conf_reader {
	struct conf_arena *arena;
	struct conf_report *report;
	const struct conf_directive *directive;
};

struct conf_shape {
	const char *syntax;   /* DURATION, as the reference shows it; "" : only its words */
	const char *expected; /* the end of "expected ...", NULL: made from units or words */
	const struct conf_units *units; /* numbers */
	/* Fills in the field, whose type is the shape's business; false after
	 * a complaint. */
	bool (*read)(const struct conf_reader *reader, const struct conf_word *word, void *field);
	/* False, and nothing written, if the value is "not given". */
	bool (*write)(FILE *out, const struct conf_directive *d, const void *field);
};

extern const struct conf_shape conf_shape_flag;     /* bool */
extern const struct conf_shape conf_shape_count;    /* uint32_t */
extern const struct conf_shape conf_shape_threads;  /* uint32_t, or auto */
extern const struct conf_shape conf_shape_size32;   /* uint32_t, bytes */
extern const struct conf_shape conf_shape_size64;   /* uint64_t, bytes */
extern const struct conf_shape conf_shape_duration; /* uint64_t, microseconds */
extern const struct conf_shape conf_shape_percent;  /* double, 1.0 is 100 % */
extern const struct conf_shape conf_shape_choice;   /* an enum: the word's index */
extern const struct conf_shape conf_shape_protocol; /* of struct sl_listen_conf as a whole */
/* The rest are char *. */
extern const struct conf_shape conf_shape_level; /* one of the directive's words */
extern const struct conf_shape conf_shape_name;  /* of a pool, a cluster, a group */
extern const struct conf_shape conf_shape_model; /* any text that engines take as a name */
extern const struct conf_shape conf_shape_profile;
extern const struct conf_shape conf_shape_host;
extern const struct conf_shape conf_shape_file;     /* absolute after reading */
extern const struct conf_shape conf_shape_log;      /* a file, or one of the words */
extern const struct conf_shape conf_shape_url_path; /* "" for the first word */
extern const struct conf_shape conf_shape_family;   /* the name of a Prometheus metric */
extern const struct conf_shape conf_shape_secret;
extern const struct conf_shape conf_shape_resolver; /* "10.0.0.2:53": an address, no name */
extern const struct conf_shape conf_shape_gateway;  /* of struct sl_pool_conf as a whole */
extern const struct conf_shape conf_shape_statuses; /* struct sl_status_set */
/* struct sl_addr_conf */
extern const struct conf_shape conf_shape_listen;   /* the host may be left out: all addresses */
extern const struct conf_shape conf_shape_admin;    /* it may be left out: 127.0.0.1; or off */
extern const struct conf_shape conf_shape_server;   /* it may not */
extern const struct conf_shape conf_shape_discover; /* struct sl_discover_target */
/* struct sl_label_match: LABEL=VALUE */
extern const struct conf_shape conf_shape_match;
extern const struct conf_shape conf_shape_factor; /* double, above 0 */
/* char *, in shape_gpu.c */
extern const struct conf_shape conf_shape_exporter; /* a URL with placeholders, or off */
extern const struct conf_shape conf_shape_xid;      /* a number or a class */
extern const struct conf_shape conf_shape_gpus;     /* names, separated by commas */
/* struct sl_redis_url */
extern const struct conf_shape conf_shape_redis;

/* NAME: 'WORD' PROBLEM; expected WHAT. */
void conf_mismatch(const struct conf_reader *reader, const struct conf_word *word,
                   const char *problem);
/* The word's index in the directive's words, or -1. */
int conf_find_word(const struct conf_directive *d, const char *text);
/* What a directive's argument must be: "a duration such as ... from 1ms to 1h". */
char *conf_expected(struct conf_arena *a, const struct conf_directive *d);
/* A word that reads back as the same text, quoted if it must be. */
void conf_write_word(FILE *out, const char *text);

#endif

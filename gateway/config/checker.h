/* checker.h: what check.c and check_names.c share while they run. */
#ifndef SLUICE_CONFIG_CHECKER_H
#define SLUICE_CONFIG_CHECKER_H

#include "gateway/config/report.h"
#include "gateway/config/syntax.h"
#include "sluice/config.h"

/* The statements that made objects, in the order of the config's arrays. */
struct made {
	const struct conf_statement **item;
	uint32_t n;
};

struct checker {
	struct conf_arena *arena;
	struct conf_report *report;
	const struct conf_statement *root;
	const struct sl_config *config;
	struct made listens, pools, gateways, models, clusters;
};

const struct sl_pool_conf *conf_pool_of(const struct conf_statement *s);
/* The first argument of a directive that was given, and given well, or NULL. */
const struct conf_word *conf_given(const struct conf_statement *parent, const char *name);
/* Whether it was complained about already. */
bool conf_was_broken(const struct conf_statement *parent, const char *name);
/* Whether somebody meant to write this directive, at any depth, even if it
 * was misspelt: then its absence is no news. */
bool conf_was_meant(const struct conf_statement *parent, const char *name);

/* check_names.c: names defined once, references to something. */
void conf_check_names(struct checker *c);
/* check_clusters.c: what clusters are made of, and who may be sent where. */
void conf_check_clusters(struct checker *c);
/* check_discover.c: where engines are found. */
void conf_check_discover(struct checker *c);
/* check_signals.c: what is read of metrics pages beside the usual. */
void conf_check_signals(struct checker *c);
/* check_gpu.c: classes of XIDs. */
void conf_check_gpu(struct checker *c);

#endif

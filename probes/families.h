/* families.h: what a dialect reads of a page: the tables dialects/NAME.def.
 *
 * SERIES(signal, rank, name): of several families of a signal that are on a page
 *   those of the lowest rank count; of one rank, they add up.
 * LABELED(signal, rank, name, label, value): only samples with that label.
 * SHARED(signal, name): any program exposes it: no sign of the dialect.
 * SIGN(name): a sign of the dialect, and nothing else.
 * CONFIG(name, block size, number of blocks, tokens): the series whose labels
 *   describe the KV cache. Which labels there are changes with every release, so
 *   each is looked up by its name alone; "" if there is none.
 * ADAPTERS(name): the series whose labels list LoRA adapters. Each state that
 *   there has been is a series; its value is when it was the present one.
 * TWIN(label): series that differ only in it tell the same thing.
 * PART(label): where it is not empty, a sample is a part of another one. */
#ifndef SLUICE_PROBES_FAMILIES_H
#define SLUICE_PROBES_FAMILIES_H

#include "sluice/dialect.h"

enum family_kind {
	FAMILY_SERIES,
	FAMILY_SIGN,
	FAMILY_CONFIG,
	FAMILY_ADAPTERS,
	FAMILY_TWIN, /* the name is a label's */
	FAMILY_PART, /* the same */
};

enum { CONFIG_BLOCK_SIZE, CONFIG_NUM_BLOCKS, CONFIG_TOKENS, CONFIG_COUNT };

struct family {
	struct sl_span name;
	enum family_kind kind;
	enum sl_signal signal;
	uint8_t rank;
	bool shared;
	double scale;
	struct sl_span label, value; /* that a sample must have; empty: any */
	struct sl_span config[CONFIG_COUNT];
};

/* Of a kind; NULL and 0 if it has no page. */
const struct family *families_of(enum sl_engine_kind kind, size_t *out_n);

#endif

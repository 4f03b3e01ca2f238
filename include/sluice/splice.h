/* splice.h: edits of a JSON body by cutting and inserting spans.
 * Everything that is not named in an edit stays byte for byte. */
#ifndef SLUICE_SPLICE_H
#define SLUICE_SPLICE_H

#include "sluice/facts.h"

#define SL_SPLICE_MAX 24

/* Replace body[off .. end) by `with` (borrowed until the splice is written). */
struct sl_edit {
	uint32_t off;
	uint32_t end;
	struct sl_span with;
};

/* A set of edits on one body. Plain data; zero-initialise through _init. */
struct sl_splice {
	const struct sl_facts *facts; /* borrowed */
	const char *body;             /* borrowed */
	uint32_t n, n_insert;
	bool removed[SL_F_COUNT];
	struct sl_edit edit[SL_SPLICE_MAX];
	/* members to insert right after '{', joined by the writer */
	struct {
		struct sl_span key;
		struct sl_span value;
	} insert[8];
};

void sl_splice_init(struct sl_splice *s, const struct sl_facts *facts, const char *body);
/* Take a member out, together with the one comma that must go. No-op if absent. */
void sl_splice_remove(struct sl_splice *s, enum sl_field f);
/* Give a member this JSON text as its value; inserts the member if absent. */
void sl_splice_set(struct sl_splice *s, enum sl_field f, struct sl_span json);
/* Bytes that sl_splice_write will produce. */
size_t sl_splice_len(const struct sl_splice *s);
/* Writes the edited body; out must hold sl_splice_len bytes. Returns the count. */
size_t sl_splice_write(const struct sl_splice *s, char *out);
/* The JSON key of a field, without quotes; and whether it is private. */
const char *sl_field_key(enum sl_field f);
bool sl_field_private(enum sl_field f);

#endif

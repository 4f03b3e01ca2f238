/* scan.h: one pass over a JSON request body, as its bytes arrive.
 *
 * No DOM. The scanner checks the whole grammar of RFC 8259 (nesting, escapes,
 * surrogates, numbers, UTF-8 in strings, nothing after the value), finds the
 * members of fields.def, and hashes the prompt in blocks of a growing size.
 * Only offsets are kept, so the body may be reallocated between calls.
 * A top-level value that is not an object is refused with BAD_JSON. */
#ifndef SLUICE_SCAN_H
#define SLUICE_SCAN_H

#include "sluice/err.h"
#include "sluice/facts.h"

#define SL_SCAN_MAX_DEPTH 128

struct sl_scan; /* owned by the caller; reused by sl_scan_reset */

struct sl_scan *sl_scan_new(void);
void sl_scan_free(struct sl_scan *scan);
/* Ready for another body; keeps its memory unless it has grown very large. */
void sl_scan_reset(struct sl_scan *scan, enum sl_api api);

/* Reads body[from .. from+len), where body holds everything so far and `from`
 * is the sum of all earlier lengths. 0, or a negative sl_err after which only
 * sl_scan_offset, _reset and _free are valid. */
SL_MUST_CHECK int sl_scan_feed(struct sl_scan *scan, const char *body, size_t from, size_t len);
/* After the last byte: the facts, valid until reset; or a negative sl_err. */
SL_MUST_CHECK int sl_scan_finish(struct sl_scan *scan, const char *body,
                                 struct sl_facts *out_facts);
/* Byte offset of the error that feed or finish returned. */
size_t sl_scan_offset(const struct sl_scan *scan);
/* For DUPLICATE_FIELD and BAD_FIELD the member's name; else "". Static. */
const char *sl_scan_field(const struct sl_scan *scan);

/* Which string-skipping loop runs: "scalar", "sse2", "avx2", "neon".
 * use() selects one for tests and benchmarks; false if this CPU lacks it. */
const char *sl_scan_simd_name(void);
bool sl_scan_simd_use(const char *name);

#endif

/* token.h: the continue token of a list: at which resource version it is
 * read, and behind which object it goes on. Opaque to clients, and written as
 * the real one is: base64 (URL alphabet, no padding) of a small JSON. */
#ifndef SLUICE_BENCH_KUBE_TOKEN_H
#define SLUICE_BENCH_KUBE_TOKEN_H

#include "sluice/base.h"

#define SL_KAPI_TOKEN_BYTES 1024

/* rv -1: as the objects are by then. `behind` is a key in the list's own
 * namespace (or with it, if the list has none). */
void sl_kapi_token_write(char out[SL_KAPI_TOKEN_BYTES], int64_t rv, const char *behind);
SL_MUST_CHECK bool sl_kapi_token_read(const char *token, int64_t *out_rv,
                                      char out_behind[SL_KAPI_TOKEN_BYTES]);

#endif

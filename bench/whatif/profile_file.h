/* profile_file.h: an engine profile of one's own, from a file.
 *
 *   # comment
 *   name                my-model-on-my-gpu
 *   o_ms                2
 *   lin                 1:9.1 32:10.2 64:10.4 128:11 256:14 ...
 *   b_ms_per_token2     1.9e-6
 *   d0_ms               1.2
 *   d1_ms_per_token     1.5e-4
 *   kv_bytes_per_token  131072
 *   kv_capacity_tokens  180000
 *   chunk_tokens        2048
 *   max_seqs            256
 *
 * All must be there; lin has SL_LIN_POINTS points, ascending. */
#ifndef SLUICE_WHATIF_PROFILE_FILE_H
#define SLUICE_WHATIF_PROFILE_FILE_H

#include "sluice/route.h"

/* 0, or negative with one line in err ("mine.profile:3: ..."). The name is
 * owned by the profile; free it with profile_file_fini. */
SL_MUST_CHECK int profile_file_read(const char *path, char *err, size_t err_size,
                                    struct sl_profile *out_profile);
void profile_file_fini(struct sl_profile *p);

#endif

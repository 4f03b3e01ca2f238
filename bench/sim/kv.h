/* kv.h: the KV cache of one simulated engine: a pool of fixed-size blocks.
 *
 * As in vLLM's BlockPool: block 0 is the null block and never given out. A
 * block is *held* (refs > 0) or *free*. A free block keeps its contents, and
 * can be found by their hash, until it is handed out again; free blocks are
 * handed out in the order in which they became free, never used ones first.
 * Contents are named by a hash chained over all tokens before them, so equal
 * hashes mean equal prefixes.
 *
 * Pure: no clock, no I/O. Who calls with a block that it does not hold has a
 * bug, which is asserted. */
#ifndef SLUICE_SIM_KV_H
#define SLUICE_SIM_KV_H

#include "sluice/base.h"

#define SL_SIM_NO_BLOCK 0u

struct sl_sim_kv;

/* n_blocks includes the null block, as vLLM's num_gpu_blocks does; at least
 * 2. Memory is touched only as blocks come into use. */
struct sl_sim_kv *sl_sim_kv_new(uint32_t n_blocks);
void sl_sim_kv_free(struct sl_sim_kv *kv);

/* Blocks that can be handed out now, and those that are held. */
uint32_t sl_sim_kv_available(const struct sl_sim_kv *kv);
uint32_t sl_sim_kv_held(const struct sl_sim_kv *kv);
/* Blocks that were never used: nothing is lost when they are. */
uint32_t sl_sim_kv_unused(const struct sl_sim_kv *kv);
/* vllm:kv_cache_usage_perc: held share, 0 to 1; cached but free is not used. */
double sl_sim_kv_usage(const struct sl_sim_kv *kv);

/* The hash of a block of tokens behind `parent` (0 or a salt for the first). */
uint64_t sl_sim_kv_chain(uint64_t parent, const uint32_t *tokens, uint32_t n);

/* The block with these contents, or SL_SIM_NO_BLOCK. Not held by this. */
uint32_t sl_sim_kv_find(const struct sl_sim_kv *kv, uint64_t hash);
bool sl_sim_kv_is_free(const struct sl_sim_kv *kv, uint32_t block);
/* Holds a block once more. */
void sl_sim_kv_ref(struct sl_sim_kv *kv, uint32_t block);
/* Lets go of it; the last holder's makes it free, its contents still there. */
void sl_sim_kv_unref(struct sl_sim_kv *kv, uint32_t block);
/* A block to write into, held once, its former contents forgotten;
 * SL_SIM_NO_BLOCK if all are held. */
uint32_t sl_sim_kv_alloc(struct sl_sim_kv *kv);
/* The held block is full and computed: others may find it. If another block
 * has the same contents already, that one stays the one to be found. */
void sl_sim_kv_publish(struct sl_sim_kv *kv, uint32_t block, uint64_t hash);
/* Forgets all contents (a restart, reset_prefix_cache); held blocks stay held. */
void sl_sim_kv_forget(struct sl_sim_kv *kv);

#endif

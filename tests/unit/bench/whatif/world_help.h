/* world_help.h: workloads made row by row, and a fleet whose step times are
 * round numbers. For tests only.
 *
 * The step equation with the profile below, in microseconds: 1000, and 7.8125
 * a token, and 2^-20 ms for each c * (h + c/2) of a prefill chunk of c tokens
 * behind h, and, if anybody decodes, 2000 and 1000/1024 a token of context. */
#ifndef TESTS_WORLD_HELP_H
#define TESTS_WORLD_HELP_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "bench/whatif/engine.h"
#include "bench/whatif/world.h"

#define MS 1000u

static const struct sl_profile round_profile = {
	.name = "round",
	.o_ms = 1,
	.lin_tokens = { 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024 },
	.lin_ms = { 0x1p-7, 0x1p-6, 0x1p-5, 0x1p-4, 0x1p-3, 0x1p-2, 0x1p-1, 1, 2, 4, 8 },
	.b_ms_per_token2 = 0x1p-20,
	.d0_ms = 2,
	.d1_ms_per_token = 0x1p-10,
	.kv_bytes_per_token = 100000,
	.kv_capacity_tokens = 16384,
	.chunk_tokens = 1024,
	.max_seqs = 64,
};

/* ---- time by the equation ------------------------------------------------- */

/* A prefill chunk of c tokens behind h, alone in its step. */
static inline uint64_t chunk_us(double c, double h)
{
	return (uint64_t)(1000 + c * 7.8125 + c * (h + c / 2) * 1000 * 0x1p-20);
}

/* A prompt behind `cached` tokens, alone, in chunks of 1024. */
static inline uint64_t prefill_us(uint32_t tokens, uint32_t cached)
{
	uint64_t sum_us = 0;

	for (uint32_t at = cached, c; at < tokens; at += c) {
		c = tokens - at < 1024 ? tokens - at : 1024;
		sum_us += chunk_us(c, at);
	}
	return sum_us;
}

/* A step in which n sequences with so much context in total decode. */
static inline uint64_t decode_us(double n, double context)
{
	return (uint64_t)(1000 + n * 7.8125 + 2000 + context * 1000 / 1024);
}

/* The steps of one sequence, alone, after its first token. */
static inline uint64_t decodes_us(uint32_t prompt, uint32_t output)
{
	uint64_t sum_us = 0;

	for (uint32_t i = 1; i < output; i++)
		sum_us += decode_us(1, prompt + i);
	return sum_us;
}

/* ---- workloads ------------------------------------------------------------ */

struct row {
	int64_t at_us;
	uint32_t input, output;
	uint64_t family; /* equal ones begin alike; 0: like no other */
	uint32_t shared; /* tokens that the family has in common; all if 0 */
};

static inline void rows_trace(const struct row *rows, size_t n, struct sl_trace *out_trace)
{
	struct sl_trace t = { .format = SL_TRACE_SYNTHETIC };

	for (size_t i = 0; i < n; i++) {
		uint64_t *ids;
		struct sl_trace_row *row = sl_trace_add(&t, rows[i].input, &ids);
		uint32_t shared = rows[i].shared ? rows[i].shared : rows[i].input;

		row->at_us = rows[i].at_us;
		row->output_tokens = rows[i].output;
		for (uint32_t k = 0; k < row->n_blocks; k++) {
			bool own = !rows[i].family || k * SL_TRACE_BLOCK_TOKENS >= shared;

			ids[k] = own ? 1000000 + i : rows[i].family;
		}
	}
	*out_trace = t;
}

static inline void rows_workload(const struct row *rows, size_t n, struct workload *out)
{
	struct workload_options opt = { .seed = 1 };
	struct sl_trace trace;

	rows_trace(rows, n, &trace);
	workload_init(out, &trace, &opt);
	sl_trace_fini(&trace);
}

/* ---- fleets --------------------------------------------------------------- */

/* NICs of 1 GB/s: a token's KV takes 100 us. The latency is 2 ms. */
static inline void round_fleet(struct fleet *f, uint32_t n_prefill, uint32_t n_decode,
                               uint32_t n_both)
{
	struct fleet_engine e = { .profile = &round_profile, .slow = 1, .kv_factor = 1 };

	fleet_init(f);
	f->transfer_bytes_per_ms = 1e6;
	e.role = SL_ROLE_PREFILL;
	fleet_add(f, e, n_prefill);
	e.role = SL_ROLE_DECODE;
	fleet_add(f, e, n_decode);
	e.role = SL_ROLE_BOTH;
	fleet_add(f, e, n_both);
}

#endif

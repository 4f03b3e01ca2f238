/* sim.h: what the engines of one simulator process share, and who owns whom.
 *
 *   the process (server.c)
 *    +- engines, each with its KV cache, batch, hand-offs, counters, faults
 *    |   +- connections of its clients
 *    |       +- at most one generation (gen): an inference request under way
 *    |           +- choices: one sequence each, perhaps being fetched (pull)
 *    +- connections of the admin listener
 *    +- the GPU exporter, if there is one, with its GPUs and connections
 *    +- the net's graveyard: what was closed in this turn of the loop
 *
 * One thread, one event base.
 *
 * A file names only those of the floors below it, which tell it things by
 * tables of functions that it gave them:
 *
 *   server            the process: options, signals, wiring
 *   api, admin        paths to operations
 *   engine_life       an engine's clients: listening, dying, stopping, healing
 *   dialect*, pages   what an engine answers besides inference
 *   exporter          the page of the engines' GPUs
 *   gen_start         an inference request's checks and its beginning
 *   gen_step          what the engine's steps do to it
 *   gen_say           what it sends
 *   gen               the generation itself
 *   pull, peer        fetching KV blocks; being asked for them
 *   engine            an engine's core: its steps and their time
 *   conn, ask         HTTP: a client's connection; a question to another process
 *   the rest          pure: no socket, no clock */
#ifndef SLUICE_SIM_SIM_H
#define SLUICE_SIM_SIM_H

#include "bench/sim/conn.h"
#include "bench/sim/fast.h"
#include "bench/sim/options.h"
#include "bench/sim/page.h"

struct sl_sim_engine;
struct sl_sim_exporter;
struct sl_sim_word;

struct sl_sim {
	struct sl_sim_net net;
	struct sl_sim_options opt;
	struct sl_sim_engine *engines;    /* owned; opt.count */
	struct sl_sim_exporter *exporter; /* borrowed; NULL: none */
	struct sl_rng rng;
	char fingerprint[40];
	bool stopping;
	struct sl_sim_fast fast[2];          /* --fast: completion, chat */
	struct sl_sim_template templates[2]; /* of the dialect's pages */
	struct sl_sim_buf scratch;           /* the page that is being made */
	uint64_t rest_shape;       /* metrics_page.c's: which series the second template has */
	struct sl_sim_buf filler;  /* what makes pages larger; borrowed by answers */
	struct sl_sim_word *words; /* peer.c's, to other processes: nobody waits for an answer */
};

#endif

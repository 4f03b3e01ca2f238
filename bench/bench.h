/* bench.h: the subcommands of sluice-bench. Each takes its own argv (argv[0]
 * is the subcommand) and returns an exit status. */
#ifndef SLUICE_BENCH_H
#define SLUICE_BENCH_H

int sl_bench_engine(int argc, char **argv);     /* bench/sim: simulated engines */
int sl_bench_kubernetes(int argc, char **argv); /* bench/kube: a stand-in API server */
int sl_bench_replay(int argc, char **argv);     /* bench/load: replay a trace */
int sl_bench_whatif(int argc, char **argv);     /* bench/whatif: simulate a fleet */

#endif

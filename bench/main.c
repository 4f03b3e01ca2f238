/* main.c: sluice-bench, the load and simulation side of Sluice. */
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *text;
} commands[] = {
	{ "engine", sl_bench_engine, "simulated engines that imitate vLLM on the wire" },
	{ "kubernetes", sl_bench_kubernetes, "a stand-in for a Kubernetes API server" },
	{ "replay", sl_bench_replay, "send a request trace and measure the answers" },
	{ "whatif", sl_bench_whatif, "simulate what a fleet would do with a trace" },
};

static void usage(FILE *out)
{
	fprintf(out, "usage: sluice-bench COMMAND [OPTION...]\n\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].text);
	fprintf(out, "\nsluice-bench COMMAND --help lists its options.\n");
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		usage(stderr);
		return 2;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(argv[1], "--version")) {
		puts("sluice-bench " SLUICE_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(argv[1], commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	fprintf(stderr, "sluice-bench: no command '%s'\n", argv[1]);
	usage(stderr);
	return 2;
}

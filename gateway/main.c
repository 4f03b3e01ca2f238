/* main.c: sluice, the gateway. */
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "gateway/config/config.h"
#include "gateway/control/control.h"

#define DEFAULT_PATH "/etc/sluice/sluice.conf"

static void usage(FILE *out)
{
	fputs("usage: sluice [-c FILE] [-t | -T]\n\n"
	      "  -c FILE  configuration, default " DEFAULT_PATH "\n"
	      "  -t       check the configuration and exit\n"
	      "  -T       print the effective configuration and exit\n"
	      "  -v       print the version and exit\n"
	      "  -h       print this and exit\n\n"
	      "Runs in the foreground. SIGHUP reloads, SIGTERM ends gracefully.\n",
	      out);
}

static int check(struct sl_config *config, const char *path, char mode)
{
	if (mode == 'T')
		sl_config_dump(config, stdout);
	else
		fprintf(stderr, "%s: ok\n", path);
	sl_config_unref(config);
	return 0;
}

/* Long forms of the options, for people's habits. */
static int long_option(const char *word)
{
	if (!strcmp(word, "--help")) {
		usage(stdout);
		return 0;
	}
	if (!strcmp(word, "--version")) {
		puts("sluice " SLUICE_VERSION);
		return 0;
	}
	return -1;
}

int main(int argc, char **argv)
{
	const char *path = DEFAULT_PATH;
	struct sl_config_errors errors;
	struct sl_config *config;
	char mode = 0;
	int option;

	if (argc == 2 && long_option(argv[1]) == 0)
		return 0;
	while ((option = getopt(argc, argv, "c:tTvh")) != -1) {
		if (option == 'c') {
			path = optarg;
		} else if (option == 't' || option == 'T') {
			mode = (char)option;
		} else if (option == 'v') {
			puts("sluice " SLUICE_VERSION);
			return 0;
		} else {
			usage(option == 'h' ? stdout : stderr);
			return option == 'h' ? 0 : 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr, "sluice: unexpected argument '%s'\n", argv[optind]);
		usage(stderr);
		return 2;
	}
	config = sl_config_load(path, &errors);
	if (!config)
		fputs(errors.text, stderr);
	sl_config_errors_fini(&errors);
	if (!config)
		return 1;
	/* A worker's heap breathes with every turn; giving each breath back to the
	 * kernel cost one mprotect for every second request. */
	mallopt(M_TRIM_THRESHOLD, 8 << 20);
	mallopt(M_MMAP_THRESHOLD, 4 << 20);
	return mode ? check(config, path, mode) : sl_control_run(path, config);
}

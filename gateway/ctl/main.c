/* main.c: sluicectl: looks at a running gateway and tells it to reload. */
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "gateway/ctl/ctl.h"

#define DEFAULT_ADDR "127.0.0.1:9900"
#define DEFAULT_WATCH_S 2

enum { EXIT_USAGE = 2 };

struct options {
	const char *addr; /* borrowed from argv or the environment */
	bool json;
	double watch_s; /* 0: once */
};

static const char usage_text[] =
        "usage: sluicectl [-a ADDR] COMMAND\n"
        "\n"
        "  status            endpoints and models, as a table\n"
        "    --json          as the gateway said it\n"
        "    --watch [SEC]   again every SEC seconds (2)\n"
        "  reload            have the configuration read again\n"
        "  metrics           the Prometheus page\n"
        "  version           of sluicectl and of the gateway\n"
        "  help\n"
        "\n"
        "ADDR is the gateway's admin address, HOST:PORT. Without -a it is taken from\n"
        "SLUICE_ADMIN, and without that it is " DEFAULT_ADDR ". NO_COLOR turns colours off.\n"
        "Exits with 1 if the gateway cannot be reached or refuses, with 2 if the\n"
        "command line is wrong.\n";

static int complain(const char *text)
{
	fprintf(stderr, "sluicectl: %s\n", text);
	return EXIT_FAILURE;
}

static int ask(const struct options *opt, const char *method, const char *path,
               struct ctl_answer *out_answer)
{
	char error[512];

	if (ctl_request(opt->addr, method, path, error, sizeof(error), out_answer) == 0)
		return 0;
	complain(error);
	return -1;
}

static int complain_status(const struct options *opt, const char *path,
                           const struct ctl_answer *answer)
{
	char text[512];

	snprintf(text, sizeof(text), "%s: %s gives status %d", opt->addr, path, answer->status);
	return complain(text);
}

/* ---- status ---------------------------------------------------------- */

static struct ctl_view view_of_stdout(void)
{
	const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
	struct ctl_view view = { 0 };
	struct winsize size;

	if (!isatty(STDOUT_FILENO))
		return view;
	view.colours = !(no_color && *no_color) && term && strcmp(term, "dumb") != 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		view.width = size.ws_col;
	return view;
}

static int show_status(const struct options *opt, FILE *out)
{
	const struct ctl_view view = view_of_stdout();
	struct ctl_answer answer;
	int result = EXIT_SUCCESS;

	if (ask(opt, "GET", "/fleet", &answer) != 0)
		return EXIT_FAILURE;
	if (answer.status != 200)
		result = complain_status(opt, "/fleet", &answer);
	else if (opt->json)
		fwrite(answer.body, 1, answer.len, out);
	else if (ctl_status_write(out, opt->addr, answer.body, answer.len, &view) != 0)
		result = complain("what answered is not a sluice gateway");
	ctl_answer_fini(&answer);
	return result;
}

/* Overwrites the screen from its top, line by line: nothing flickers. */
static void repaint(const char *text)
{
	fputs("\033[H", stdout);
	for (; *text; text++)
		fputs(*text == '\n' ? "\033[K\n" : (const char[]){ *text, '\0' }, stdout);
	fputs("\033[J", stdout);
}

static void watch_once(const struct options *opt, bool screen)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		abort();
	show_status(opt, out);
	if (fclose(out) != 0)
		abort();
	/* Nothing after a complaint: what was seen last stays. */
	if (*text && screen)
		repaint(text);
	else if (*text)
		puts(text);
	fflush(stdout);
	free(text);
}

/* Until it is interrupted, or nobody reads any more. */
static int watch(const struct options *opt)
{
	bool screen = isatty(STDOUT_FILENO) && !opt->json;
	struct timespec pause = { .tv_sec = (time_t)opt->watch_s };

	pause.tv_nsec = (long)((opt->watch_s - (double)pause.tv_sec) * 1e9);
	if (screen)
		fputs("\033[H\033[J", stdout);
	while (!ferror(stdout)) {
		watch_once(opt, screen);
		nanosleep(&pause, NULL);
	}
	return EXIT_FAILURE;
}

static int run_status(const struct options *opt)
{
	return opt->watch_s > 0 ? watch(opt) : show_status(opt, stdout);
}

/* ---- the other commands ---------------------------------------------- */

/* The gateway's words on stdout, or, if it refused, on stderr. */
static int pass_on(const struct options *opt, const char *method, const char *path,
                   const char *if_silent)
{
	struct ctl_answer answer;
	bool ok;

	if (ask(opt, method, path, &answer) != 0)
		return EXIT_FAILURE;
	ok = answer.status / 100 == 2;
	if (answer.len)
		fwrite(answer.body, 1, answer.len, ok ? stdout : stderr);
	if (answer.len && answer.body[answer.len - 1] != '\n')
		fputc('\n', ok ? stdout : stderr);
	if (!answer.len && ok)
		puts(if_silent);
	if (!answer.len && !ok)
		complain_status(opt, path, &answer);
	ctl_answer_fini(&answer);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_reload(const struct options *opt)
{
	return pass_on(opt, "POST", "/reload", "reloaded");
}

static int run_metrics(const struct options *opt)
{
	return pass_on(opt, "GET", "/metrics", "");
}

static int run_version(const struct options *opt)
{
	char version[64] = "?";
	struct ctl_answer answer;
	int known;

	printf("sluicectl %s\n", SLUICE_VERSION);
	fflush(stdout);
	if (ask(opt, "GET", "/fleet", &answer) != 0)
		return EXIT_FAILURE;
	known = ctl_fleet_version(answer.body, answer.len, version, sizeof(version));
	ctl_answer_fini(&answer);
	if (known != 0)
		return complain("what answered is not a sluice gateway");
	printf("sluice    %s at %s\n", version, opt->addr);
	return EXIT_SUCCESS;
}

static int run_help(const struct options *opt)
{
	(void)opt;
	fputs(usage_text, stdout);
	return EXIT_SUCCESS;
}

static const struct command {
	const char *name;
	int (*run)(const struct options *opt);
	bool takes_options; /* --json, --watch */
} commands[] = {
	{ "status", run_status, true },    { "reload", run_reload, false },
	{ "metrics", run_metrics, false }, { "version", run_version, false },
	{ "help", run_help, false },       { "--version", run_version, false },
	{ "--help", run_help, false },     { "-h", run_help, false },
};

/* ---- the command line ------------------------------------------------ */

static int usage_error(const char *what, const char *word)
{
	fprintf(stderr, "sluicectl: %s%s%s\nTry 'sluicectl help'.\n", what, word ? " " : "",
	        word ? word : "");
	return EXIT_USAGE;
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < SL_COUNT(commands); i++)
		if (strcmp(name, commands[i].name) == 0)
			return &commands[i];
	return NULL;
}

static bool parse_seconds(const char *text, double *out_seconds)
{
	char *end;
	double seconds = strtod(text, &end);

	if (end == text || *end || !(seconds >= 0.1 && seconds <= 86400))
		return false;
	*out_seconds = seconds;
	return true;
}

/* --json and --watch [SEC]; returns how many words it took, 0 if none. */
static int take_option(char **words, struct options *opt)
{
	if (strcmp(words[0], "--json") == 0) {
		opt->json = true;
		return 1;
	}
	if (strcmp(words[0], "--watch") != 0)
		return 0;
	opt->watch_s = DEFAULT_WATCH_S;
	return words[1] && parse_seconds(words[1], &opt->watch_s) ? 2 : 1;
}

int main(int argc, char **argv)
{
	const char *from_env = getenv("SLUICE_ADMIN");
	struct options opt = { .addr = from_env && *from_env ? from_env : DEFAULT_ADDR };
	const struct command *command = NULL;

	for (int i = 1; i < argc;) {
		int taken;

		if (strcmp(argv[i], "-a") == 0) {
			if (!argv[i + 1])
				return usage_error("-a needs an address", NULL);
			opt.addr = argv[i + 1];
			i += 2;
			continue;
		}
		if (!command) {
			command = find_command(argv[i]);
			if (!command)
				return usage_error("no such command:", argv[i]);
			i++;
			continue;
		}
		taken = command->takes_options ? take_option(argv + i, &opt) : 0;
		if (!taken)
			return usage_error("what is this:", argv[i]);
		i += taken;
	}
	if (!command) {
		fputs(usage_text, stderr);
		return EXIT_USAGE;
	}
	signal(SIGPIPE, SIG_IGN); /* a closed pager is noticed by writing */
	return command->run(&opt);
}

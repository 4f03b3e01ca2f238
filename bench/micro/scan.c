/* scan.c: how fast a request body is scanned and hashed, one core.
 *
 *   micro-scan [--json FILE]   a table of GB/s: instruction set x text x size
 *   micro-scan --loop COUNT    scans one short chat body COUNT times and is
 *                              silent: for callgrind and perf stat
 *
 * A body is a chat completion with one long message; it is fed in DATA frames
 * of 16 KiB, as HTTP/2 brings it. Escapes come at random distances with the
 * stated mean, since a regular pattern flatters the branch predictor. The best
 * of several rounds counts: the others measure the machine's other work. The
 * "scalar" rows skip byte by byte, but hash as SSE2 does. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "sluice/scan.h"

#define FRAME 16384u
#define ROUNDS 7
#define ROUND_NS 15000000

enum text { TEXT_PLAIN, TEXT_80, TEXT_30, TEXT_CJK, TEXT_COUNT };
static const char *const text_names[] = { "no escapes", "escape/80", "escape/30", "CJK" };
static const size_t sizes[] = { 1024, 8192, 65536, 524288 };

struct row {
	const char *simd;
	const char *text;
	size_t bytes;
	double gb_per_s;
};

static const char head[] =
        "{\"model\":\"meta-llama/Llama-3.1-8B-Instruct\",\"messages\":[{\"role\":\"system\","
        "\"content\":\"You are a helpful assistant.\"},{\"role\":\"user\",\"content\":\"";
static const char tail[] =
        "\"}],\"temperature\":0.7,\"top_p\":0.95,\"max_tokens\":256,\"stream\":true,"
        "\"stream_options\":{\"include_usage\":true}}";

static size_t write_char(char *out, enum text text, struct sl_rng *rng)
{
	static const unsigned mean[TEXT_COUNT] = { 0, 80, 30, 0 };
	uint64_t random = sl_rng_next(rng) >> 20;

	if (text == TEXT_CJK) {
		out[0] = (char)(0xe4 + random % 5);
		out[1] = (char)(0x80 + (random >> 8) % 64);
		out[2] = (char)(0x80 + (random >> 16) % 64);
		return 3;
	}
	if (mean[text] && random % mean[text] == 0) {
		out[0] = '\\';
		out[1] = "nnn\"t"[(random >> 10) % 5];
		return 2;
	}
	out[0] = (char)('a' + random % 26);
	return 1;
}

/* Owned by the caller; as close to `bytes` as the characters allow. */
static char *make_body(enum text text, size_t bytes, size_t *out_len)
{
	struct sl_rng rng = { 88172645463325252u };
	char *body = malloc(bytes + sizeof(head) + sizeof(tail));
	size_t len = sizeof(head) - 1;

	if (!body)
		abort();
	memcpy(body, head, len);
	while (len + sizeof(tail) + 2 < bytes)
		len += write_char(body + len, text, &rng);
	memcpy(body + len, tail, sizeof(tail) - 1);
	*out_len = len + sizeof(tail) - 1;
	return body;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t scan_once(struct sl_scan *scan, const char *body, size_t len)
{
	struct sl_facts facts;

	sl_scan_reset(scan, SL_API_CHAT);
	for (size_t at = 0; at < len; at += FRAME)
		if (sl_scan_feed(scan, body, at, len - at < FRAME ? len - at : FRAME))
			abort();
	if (sl_scan_finish(scan, body, &facts))
		abort();
	return facts.n_blocks ? facts.blocks[facts.n_blocks - 1].hash : facts.prompt_bytes;
}

static double measure(struct sl_scan *scan, const char *body, size_t len)
{
	double best = 0;
	volatile uint64_t sink = 0;

	for (int round = 0; round < ROUNDS; round++) {
		uint64_t start = now_ns();
		uint64_t elapsed = 0;
		uint64_t bytes = 0;

		while (elapsed < ROUND_NS) {
			for (size_t done = 0; done < 262144; done += len) {
				sink += scan_once(scan, body, len);
				bytes += len;
			}
			elapsed = now_ns() - start;
		}
		if ((double)bytes / (double)elapsed > best)
			best = (double)bytes / (double)elapsed;
	}
	(void)sink;
	return best;
}

static size_t run_table(struct sl_scan *scan, struct row *rows)
{
	static const char *const simds[] = { "scalar", "sse2", "avx2", "neon" };
	size_t n = 0;

	for (size_t v = 0; v < SL_COUNT(simds); v++) {
		if (!sl_scan_simd_use(simds[v]))
			continue;
		for (int text = 0; text < TEXT_COUNT; text++) {
			printf("%-7s %-11s", simds[v], text_names[text]);
			for (size_t k = 0; k < SL_COUNT(sizes); k++) {
				size_t len;
				char *body = make_body((enum text)text, sizes[k], &len);
				double rate = measure(scan, body, len);

				rows[n++] = (struct row){ simds[v], text_names[text], len, rate };
				printf(" %8.2f", rate);
				fflush(stdout);
				free(body);
			}
			printf("\n");
		}
	}
	return n;
}

static int write_json(const char *path, const struct row *rows, size_t n)
{
	FILE *out = fopen(path, "w");

	if (!out) {
		perror(path);
		return 1;
	}
	fprintf(out, "[\n");
	for (size_t i = 0; i < n; i++)
		fprintf(out,
		        "  {\"simd\": \"%s\", \"text\": \"%s\", \"bytes\": %zu, "
		        "\"gb_per_s\": %.3f}%s\n",
		        rows[i].simd, rows[i].text, rows[i].bytes, rows[i].gb_per_s,
		        i + 1 < n ? "," : "");
	fprintf(out, "]\n");
	return fclose(out) != 0;
}

static void run_loop(struct sl_scan *scan, long count)
{
	size_t len;
	char *body = make_body(TEXT_80, 1024, &len);

	while (count-- > 0)
		scan_once(scan, body, len);
	free(body);
}

int main(int argc, char **argv)
{
	struct row rows[4 * TEXT_COUNT * SL_COUNT(sizes)];
	struct sl_scan *scan = sl_scan_new();
	int status = 0;
	size_t n;

	if (argc == 3 && !strcmp(argv[1], "--loop")) {
		run_loop(scan, strtol(argv[2], NULL, 10));
	} else if (argc == 1 || (argc == 3 && !strcmp(argv[1], "--json"))) {
		printf("scan + hash, GB/s          1K       8K      64K     512K\n");
		n = run_table(scan, rows);
		status = argc == 3 ? write_json(argv[2], rows, n) : 0;
	} else {
		fprintf(stderr, "usage: micro-scan [--json FILE | --loop COUNT]\n");
		status = 2;
	}
	sl_scan_free(scan);
	return status;
}

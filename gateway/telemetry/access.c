/* access.c: the access log: a JSON object a line, gathered, then written.
 *
 * A writer belongs to one thread. Its buffer always has room for one more
 * line, because every string in a line is cut to a bound first; a full buffer
 * leaves with one write(2) on a descriptor opened for appending, so lines of
 * several threads never mix. It refuses to wait or to grow: what the system
 * does not take is dropped and said once in the gateway's log. */
#include "gateway/telemetry/access.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "gateway/telemetry/log.h"
#include "gateway/telemetry/prompt_hash.h"
#include "gateway/telemetry/stamp.h"

#define BUFFER_BYTES 65536
#define STRING_MAX 512 /* bytes of one string in a line, before quoting */
#define PATH_MAX_LOGGED 2048
/* 12 strings, one long, at six bytes a byte, and the keys and numbers. */
#define LINE_MAX_BYTES                                                                             \
	(6 * (11 * STRING_MAX + PATH_MAX_LOGGED) + PROMPT_HASH_MOST * PROMPT_HASH_DIGITS + 2048)
_Static_assert(LINE_MAX_BYTES < BUFFER_BYTES, "a line must fit into the buffer");

struct sl_access_log {
	char *path; /* owned; NULL for a standard stream or when off */
	int fd;     /* -1: nowhere */
	bool on;
	bool lost; /* a write failed, and it was said */
	bool hashes_prompts;
	struct prompt_key prompt_key;
	size_t used;
	char buf[BUFFER_BYTES];
};

/* ---- JSON ------------------------------------------------------------ */

/* Length of the well-formed UTF-8 sequence at s, 0 if there is none
 * (Unicode 15, table 3-7). */
static size_t utf8_len(const unsigned char *s, size_t len)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t n;

	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (len < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++)
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	return n;
}

static size_t quote_ascii(char *out, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";
	static const char shorts[] = "\"\"\\\\\bb\ff\nn\rr\tt";

	for (size_t i = 0; i < sizeof(shorts) - 1; i += 2) {
		if ((unsigned char)shorts[i] == c) {
			out[0] = '\\';
			out[1] = shorts[i + 1];
			return 2;
		}
	}
	if (c >= 0x20 && c != 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	memcpy(out, "\\u00", 4);
	out[4] = hex[c >> 4];
	out[5] = hex[c & 15];
	return 6;
}

size_t sl_json_quote(char *out, struct sl_span s)
{
	const unsigned char *in = (const unsigned char *)s.ptr;
	size_t n = 0;

	out[n++] = '"';
	for (size_t i = 0; i < s.len;) {
		size_t step;

		if (in[i] < 0x80) {
			n += quote_ascii(out + n, in[i++]);
			continue;
		}
		step = utf8_len(in + i, s.len - i);
		if (step) {
			memcpy(out + n, in + i, step);
			n += step;
			i += step;
		} else {
			memcpy(out + n, "\xef\xbf\xbd", 3);
			n += 3;
			i++;
		}
	}
	out[n++] = '"';
	return n;
}

/* ---- one line -------------------------------------------------------- */

static void put(struct sl_access_log *log, const char *bytes, size_t len)
{
	memcpy(log->buf + log->used, bytes, len);
	log->used += len;
}

static void put_key(struct sl_access_log *log, const char *key)
{
	put(log, ",\"", 2);
	put(log, key, strlen(key));
	put(log, "\":", 2);
}

static void put_span(struct sl_access_log *log, const char *key, struct sl_span value, size_t most)
{
	if (!value.ptr)
		return;
	if (value.len > most)
		value.len = most;
	put_key(log, key);
	log->used += sl_json_quote(log->buf + log->used, value);
}

static void put_str(struct sl_access_log *log, const char *key, const char *value)
{
	put_span(log, key, sl_span_str(value), STRING_MAX);
}

static void put_digits(struct sl_access_log *log, uint64_t value, unsigned least)
{
	char text[20];
	size_t at = sizeof(text);

	while (value || sizeof(text) - at < least) {
		text[--at] = (char)('0' + value % 10);
		value /= 10;
	}
	put(log, text + at, sizeof(text) - at);
}

static void put_int(struct sl_access_log *log, const char *key, int64_t value)
{
	if (value < 0)
		return;
	put_key(log, key);
	put_digits(log, (uint64_t)value, 1);
}

/* Milliseconds or tokens with three decimals: no locale, no exponent. */
static void put_fixed(struct sl_access_log *log, const char *key, double value)
{
	uint64_t thousandths;

	if (!(value >= 0 && value < 1e15))
		return;
	thousandths = (uint64_t)llround(value * 1000);
	put_key(log, key);
	put_digits(log, thousandths / 1000, 1);
	if (thousandths % 1000) {
		put(log, ".", 1);
		put_digits(log, thousandths % 1000, 3);
	}
}

static void put_stamp(struct sl_access_log *log, uint64_t wall_us)
{
	put(log, "{\"time\":\"", 9);
	stamp_write(log->buf + log->used, wall_us);
	log->used += STAMP_LEN;
	put(log, "\"", 1);
}

static void put_request(struct sl_access_log *log, const struct sl_access *a)
{
	put_span(log, "request_id", a->request_id, STRING_MAX);
	put_span(log, "client", a->client, STRING_MAX);
	put_str(log, "protocol", a->protocol);
	put_span(log, "method", a->method, STRING_MAX);
	put_span(log, "path", a->path, PATH_MAX_LOGGED);
	put_span(log, "model", a->model, STRING_MAX);
	put_key(log, "stream");
	put(log, a->stream ? "true" : "false", a->stream ? 4 : 5);
}

static void put_decision(struct sl_access_log *log, const struct sl_access *a)
{
	put_str(log, "placement", a->placement);
	put_str(log, "prefill", a->prefill);
	put_str(log, "decode", a->decode);
	put_str(log, "why", a->why);
}

static void put_outcome(struct sl_access_log *log, const struct sl_access *a)
{
	put_int(log, "status", a->status);
	if (a->err)
		put_str(log, "error", sl_err_info(a->err)->code);
	put_str(log, "end", a->end);
	put_int(log, "attempts", a->attempts);
	put_fixed(log, "ttft_ms", a->ttft_ms);
	put_fixed(log, "duration_ms", a->duration_ms);
	put_fixed(log, "prefill_ms", a->prefill_ms);
	put_fixed(log, "predicted_ttft_ms", a->predicted_ttft_ms);
	put_fixed(log, "waited_ms", a->waited_ms);
	put_int(log, "body_bytes", a->body_bytes);
	put_int(log, "sent_bytes", a->sent_bytes);
	put_int(log, "prompt_tokens", a->prompt_tokens);
	put_int(log, "completion_tokens", a->completion_tokens);
	put_int(log, "cached_tokens", a->cached_tokens);
	put_fixed(log, "predicted_cached_tokens", a->predicted_cached_tokens);
}

static void put_prompt(struct sl_access_log *log, const struct sl_access *a)
{
	if (!log->hashes_prompts || a->prompt_bytes == 0)
		return;
	put_int(log, "prompt_bytes", (int64_t)a->prompt_bytes);
	put_key(log, "prompt_blocks");
	put(log, "\"", 1);
	log->used +=
	        prompt_hash_write(&log->prompt_key, a->blocks, a->n_blocks, log->buf + log->used);
	put(log, "\"", 1);
}

void sl_access_log_add(struct sl_access_log *log, const struct sl_access *a)
{
	if (!log->on)
		return;
	if (log->used > sizeof(log->buf) - LINE_MAX_BYTES)
		sl_access_log_flush(log);
	put_stamp(log, a->wall_us);
	put_request(log, a);
	put_decision(log, a);
	put_outcome(log, a);
	put_prompt(log, a);
	put(log, "}\n", 2);
	assert(log->used <= sizeof(log->buf));
}

/* ---- where lines go -------------------------------------------------- */

static void open_path(struct sl_access_log *log)
{
	int fd = open(log->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);

	if (fd < 0) {
		sl_error("access log %s: %s", log->path, strerror(errno));
		return; /* a former descriptor stays in use */
	}
	if (log->fd >= 0)
		close(log->fd);
	log->fd = fd;
	log->lost = false;
}

struct sl_access_log *sl_access_log_new(const char *dest)
{
	struct sl_access_log *log = calloc(1, sizeof(*log));

	if (!log)
		abort();
	log->fd = -1;
	log->on = strcmp(dest, "off") != 0;
	if (!log->on)
		return log;
	if (strcmp(dest, "stdout") == 0) {
		log->fd = STDOUT_FILENO;
	} else if (strcmp(dest, "stderr") == 0) {
		log->fd = STDERR_FILENO;
	} else {
		log->path = strdup(dest);
		if (!log->path)
			abort();
		open_path(log);
	}
	return log;
}

void sl_access_log_prompt_key(struct sl_access_log *log, struct sl_span secret)
{
	log->hashes_prompts = secret.len > 0;
	log->prompt_key = prompt_key_of(secret);
}

void sl_access_log_free(struct sl_access_log *log)
{
	if (!log)
		return;
	sl_access_log_flush(log);
	if (log->path && log->fd >= 0)
		close(log->fd);
	free(log->path);
	free(log);
}

bool sl_access_log_on(const struct sl_access_log *log)
{
	return log->on;
}

static void say_lost(struct sl_access_log *log, size_t bytes)
{
	if (!log->lost)
		sl_error("access log: %zu bytes lost: %s", bytes,
		         log->fd < 0 ? "not open" : strerror(errno));
	log->lost = true;
}

void sl_access_log_flush(struct sl_access_log *log)
{
	size_t done = 0;

	while (done < log->used) {
		ssize_t n = log->fd < 0 ? -1 : write(log->fd, log->buf + done, log->used - done);

		if (n < 0 && log->fd >= 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			say_lost(log, log->used - done);
			break;
		}
		done += (size_t)n;
	}
	log->used = 0;
}

void sl_access_log_reopen(struct sl_access_log *log)
{
	sl_access_log_flush(log);
	if (log->path)
		open_path(log);
}

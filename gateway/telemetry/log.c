/* log.c: lines on stderr, each with one write(2) so that threads do not mix.
 *
 * A line is at most LINE_MAX_BYTES long; what is longer ends in "...". Control
 * bytes become '?', so that nothing a client sent can forge a line or drive a
 * terminal. It refuses to allocate, buffer or rotate: a supervisor reads
 * stderr. */
#include "gateway/telemetry/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/telemetry/stamp.h"

#define LINE_MAX_BYTES 4096

static const char *const level_names[] = {
	[SL_LOG_DEBUG] = "debug",
	[SL_LOG_INFO] = "info",
	[SL_LOG_WARN] = "warn",
	[SL_LOG_ERROR] = "error",
};

static _Atomic int lowest_level = SL_LOG_INFO;

void sl_log_set_level(enum sl_log_level level)
{
	atomic_store_explicit(&lowest_level, (int)level, memory_order_relaxed);
}

bool sl_log_level_parse(const char *name, enum sl_log_level *out_level)
{
	for (size_t i = 0; i < SL_COUNT(level_names); i++) {
		if (strcmp(name, level_names[i]) == 0) {
			*out_level = (enum sl_log_level)i;
			return true;
		}
	}
	return false;
}

static size_t put_prefix(char *line, size_t size, enum sl_log_level level)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	stamp_write(line, (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	return STAMP_LEN +
	       (size_t)snprintf(line + STAMP_LEN, size - STAMP_LEN, " %-5s ", level_names[level]);
}

static void write_all(const char *bytes, size_t len)
{
	while (len) {
		ssize_t n = write(STDERR_FILENO, bytes, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return; /* nowhere left to complain to */
		bytes += n;
		len -= (size_t)n;
	}
}

void sl_log(enum sl_log_level level, const char *fmt, ...)
{
	char line[LINE_MAX_BYTES];
	int saved_errno = errno;
	size_t room, start, len;
	va_list args;
	int n;

	if ((int)level < atomic_load_explicit(&lowest_level, memory_order_relaxed))
		return;
	start = put_prefix(line, sizeof(line), level);
	room = sizeof(line) - start - 1; /* the newline's byte is set aside */
	va_start(args, fmt);
	errno = saved_errno; /* for %m */
	n = vsnprintf(line + start, room, fmt, args);
	va_end(args);
	len = n < 0 ? 0 : (size_t)n;
	if (len >= room) {
		len = room - 1;
		memcpy(line + start + len - 3, "...", 3);
	}
	for (size_t i = start; i < start + len; i++)
		if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f)
			line[i] = '?';
	line[start + len] = '\n';
	write_all(line, start + len + 1);
	errno = saved_errno;
}

/* source.c: files in, bounded. Only regular files: a FIFO or a device named
 * in a configuration must not hang or flood the daemon. */
#include "gateway/config/source.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct conf_source *conf_source_new(struct conf_arena *a, const char *path, const char *text,
                                    size_t len)
{
	struct conf_source *source = conf_alloc(a, sizeof(*source));

	source->path = conf_strndup(a, path, strlen(path));
	source->text = conf_strndup(a, text, len);
	source->len = (uint32_t)len;
	return source;
}

static const char *read_all(int fd, struct conf_source *source, size_t budget)
{
	size_t used = 0;
	ssize_t n;

	/* /proc files say size 0, so the end is where read says it is. */
	while ((n = read(fd, source->text + used, budget + 1 - used)) > 0) {
		used += (size_t)n;
		if (used > budget)
			return "is too large";
	}
	if (n < 0)
		return strerror(errno);
	source->len = (uint32_t)used;
	return NULL;
}

static const char *read_fd(int fd, struct conf_arena *a, struct conf_source *source, size_t budget)
{
	struct stat st;
	size_t expected;

	if (fstat(fd, &st) != 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "not a regular file";
	expected = st.st_size > 0 ? (size_t)st.st_size : 4095;
	if (st.st_size > 0 && expected > budget)
		return "is too large";
	if (expected < budget)
		budget = expected;
	source->device = st.st_dev;
	source->inode = st.st_ino;
	source->text = conf_alloc(a, budget + 1);
	return read_all(fd, source, budget);
}

struct conf_source *conf_source_read(struct conf_arena *a, const char *path, size_t budget,
                                     const char **out_problem)
{
	struct conf_source *source = conf_alloc(a, sizeof(*source));
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	const char *problem;

	source->path = conf_strndup(a, path, strlen(path));
	if (fd < 0) {
		*out_problem = strerror(errno);
		return NULL;
	}
	problem = read_fd(fd, a, source, budget);
	close(fd);
	if (problem) {
		*out_problem = problem;
		return NULL;
	}
	return source;
}

char *conf_source_beside(struct conf_arena *a, const struct conf_source *source, const char *path)
{
	const char *slash = source ? strrchr(source->path, '/') : NULL;

	if (path[0] == '/' || !slash)
		return conf_strndup(a, path, strlen(path));
	return conf_sprintf(a, "%.*s/%s", (int)(slash - source->path), source->path, path);
}

char *conf_source_resolve(struct conf_arena *a, const struct conf_source *source, const char *path)
{
	char *beside = conf_source_beside(a, source, path);
	char *here, *joined;

	if (beside[0] == '/')
		return beside;
	here = getcwd(NULL, 0);
	joined = conf_sprintf(a, "%s/%s", here ? here : ".", beside);
	free(here);
	return joined;
}

static uint32_t line_start(const struct conf_place *place)
{
	uint32_t at = place->offset;

	while (at > 0 && place->source->text[at - 1] != '\n')
		at--;
	return at;
}

uint32_t conf_place_column(const struct conf_place *place)
{
	uint32_t column = 1;

	for (uint32_t at = line_start(place); at < place->offset; at++)
		column += ((unsigned char)place->source->text[at] & 0xc0) != 0x80;
	return column;
}

void conf_place_blot(const struct conf_place *place)
{
	if (place->source)
		memset(place->source->text + place->offset, '*', place->len);
}

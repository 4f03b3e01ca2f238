/* said.h: what a function writes to standard error. For tests only. */
#ifndef TESTS_SAID_H
#define TESTS_SAID_H

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
	FILE *file;
	int fd, real; /* which one, and a copy of what it was */
	char text[8192];
} said;

/* From now on what goes to this descriptor is kept. */
static inline void said_begin(int fd)
{
	fflush(NULL);
	said.file = tmpfile();
	said.fd = fd;
	said.real = dup(fd);
	dup2(fileno(said.file), fd);
}

/* It goes where it went before; all that was said. */
static inline const char *said_end(void)
{
	size_t n;

	fflush(NULL);
	dup2(said.real, said.fd);
	close(said.real);
	rewind(said.file);
	n = fread(said.text, 1, sizeof(said.text) - 1, said.file);
	said.text[n] = '\0';
	fclose(said.file);
	return said.text;
}

#endif

/* file.c: engines from files in Prometheus's file_sd form: one, or all that match
 * a pattern, in order.
 *
 * Read when their folder says that something changed, and every `refresh` for
 * what it cannot say. Each file's last good content stays while the file is bad
 * or cannot be read. Of a pattern, a file that is gone takes its engines along,
 * unless the folder is gone as well. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/discovery/folder.h"
#include "gateway/discovery/hosts.h"
#include "gateway/discovery/source.h"

/* How often files are read when nothing tells that they changed. */
#define UNWATCHED_US UINT64_C(5000000)

struct file {
	struct file *next;
	char *path;                /* owned */
	struct sl_server_set *set; /* ref, the last good one; NULL: none yet */
};

struct file_source {
	struct sl_source *source; /* borrowed */
	struct sl_folder *folder; /* owned */
	struct sl_hosts *hosts;   /* owned */
	struct file *files;       /* owned, in order */
	char *folder_path;        /* owned */
	struct sl_task read_task;
	struct sl_timer refresh_timer;
	char trouble[768]; /* of the files; "" : none */
	bool good;         /* the last reading found some file good */
	bool known;        /* some reading did */
};

/* ---- one file -------------------------------------------------------- */

static void note_trouble(struct file_source *f, const char *path, const char *reason)
{
	if (!*f->trouble)
		snprintf(f->trouble, sizeof(f->trouble), "%.300s: %s", path, reason);
}

/* NULL, or why not. *out_text ends with a zero. */
static const char *read_text(int fd, char **out_text)
{
	struct stat st;
	size_t size, len = 0;
	ssize_t n;
	char *text;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!S_ISREG(st.st_mode))
		return "is not a file";
	if (st.st_size > (off_t)SL_FILE_SD_MAX_BYTES)
		return "is larger than 8 MiB";
	size = (size_t)st.st_size;
	text = malloc(size + 1);
	if (!text)
		return strerror(errno);
	while (len < size && (n = read(fd, text + len, size - len)) > 0)
		len += (size_t)n;
	text[len] = '\0';
	*out_text = text;
	if (len < size || memchr(text, '\0', len)) {
		free(text);
		return len < size ? "cannot be read to its end" : "holds a zero byte";
	}
	return NULL;
}

static const char *load(const char *path, char **out_text)
{
	/* Something that is no file must not make us wait. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *problem;

	if (fd < 0)
		return strerror(errno);
	problem = read_text(fd, out_text);
	close(fd);
	return problem;
}

static bool parse(struct file_source *f, struct file *file, const char *text)
{
	struct sl_server_set *set = sl_server_set_new();
	char error[400];

	if (!sl_file_sd_parse(text, set, error, sizeof(error))) {
		note_trouble(f, file->path, error);
		sl_server_set_unref(set);
		return false;
	}
	sl_server_set_unref(file->set);
	file->set = set;
	return true;
}

static void read_file(struct file_source *f, struct file *file)
{
	char *text = NULL;
	const char *problem = load(file->path, &text);

	if (problem) {
		note_trouble(f, file->path, problem);
		return;
	}
	f->good |= parse(f, file, text);
	free(text);
}

/* ---- which files ----------------------------------------------------- */

static void file_free(struct file *file)
{
	sl_server_set_unref(file->set);
	free(file->path);
	free(file);
}

static struct file *take_file(struct file **list, const char *path)
{
	struct file **at = list;
	struct file *file;

	while (*at && strcmp((*at)->path, path) != 0)
		at = &(*at)->next;
	file = *at;
	if (file) {
		*at = file->next;
		file->next = NULL;
		return file;
	}
	file = calloc(1, sizeof(*file));
	if (!file || !(file->path = strdup(path)))
		abort();
	return file;
}

/* Puts the files in this order; those that are not named are forgotten. */
static void set_files(struct file_source *f, char *const *paths, size_t n)
{
	struct file *before = f->files, **tail = &f->files;

	f->files = NULL;
	for (size_t i = 0; i < n; i++) {
		*tail = take_file(&before, paths[i]);
		tail = &(*tail)->next;
	}
	while (before) {
		struct file *next = before->next;

		file_free(before);
		before = next;
	}
}

static bool is_pattern(const char *path)
{
	return strpbrk(path, "*?[") != NULL;
}

/* False: the folder cannot be read, which says nothing about its files. */
static bool match_files(struct file_source *f)
{
	char *path = f->source->conf.target.name;
	glob_t found;
	int rc;

	if (!is_pattern(path)) {
		set_files(f, &path, 1);
		return true;
	}
	if (access(f->folder_path, R_OK | X_OK) < 0) {
		note_trouble(f, f->folder_path, strerror(errno));
		return false;
	}
	rc = glob(path, GLOB_ERR, NULL, &found);
	if (rc == 0 || rc == GLOB_NOMATCH)
		set_files(f, found.gl_pathv, rc == 0 ? found.gl_pathc : 0);
	else
		note_trouble(f, f->folder_path, "cannot be read");
	f->good |= rc == GLOB_NOMATCH; /* that there is none is an answer */
	globfree(&found);              /* also of what was found before it failed */
	return rc == 0 || rc == GLOB_NOMATCH;
}

/* ---- all of it ------------------------------------------------------- */

static struct sl_server_set *merge(const struct file_source *f)
{
	struct sl_server_set *all = sl_server_set_new();

	for (const struct file *file = f->files; file; file = file->next)
		for (uint32_t i = 0; file->set && i < file->set->n && all->n < SL_MAX_ENDPOINTS;
		     i++)
			sl_server_set_copy(all, &file->set->servers[i]);
	sl_server_set_unique(all);
	return all;
}

/* Also when a name has got another address. */
static void hand_over(void *ctx)
{
	struct file_source *f = ctx;
	struct sl_server_set *all = merge(f);
	struct sl_server_set *set = sl_hosts_resolve(f->hosts, all);

	sl_server_set_unref(all);
	if (f->good || (f->known && !sl_server_set_equal(set, f->source->set)))
		sl_source_found(f->source, set);
	else
		sl_server_set_unref(set);
	sl_source_trouble(f->source, *f->trouble ? f->trouble : sl_hosts_trouble(f->hosts));
}

static void read_all(void *arg)
{
	struct file_source *f = arg;
	uint64_t rest = f->source->conf.refresh_us;

	/* Watched first: what changes while it is read is read again. */
	if (!sl_folder_watch(f->folder) && rest > UNWATCHED_US)
		rest = UNWATCHED_US;
	f->trouble[0] = '\0';
	f->good = false;
	if (match_files(f))
		for (struct file *file = f->files; file; file = file->next)
			read_file(f, file);
	f->known |= f->good;
	hand_over(f);
	sl_timer_arm(f->source->loop, &f->refresh_timer, rest);
}

static void *file_open(struct sl_source *s)
{
	struct file_source *f = calloc(1, sizeof(*f));

	if (!f || !(f->folder_path = strdup(s->conf.target.name)))
		abort();
	/* The path is absolute: there is a slash. */
	*(strrchr(f->folder_path, '/') + (strrchr(f->folder_path, '/') == f->folder_path)) = '\0';
	f->source = s;
	f->folder = sl_folder_open(s->loop, f->folder_path, read_all, f);
	f->hosts = sl_hosts_new(s->loop, s->resolver, s->conf.refresh_us, hand_over, f);
	f->read_task = (struct sl_task){ .fn = read_all, .arg = f };
	f->refresh_timer = (struct sl_timer){ .fn = read_all, .arg = f };
	sl_loop_later(s->loop, &f->read_task);
	return f;
}

static void file_close(void *state)
{
	struct file_source *f = state;

	sl_loop_undefer(f->source->loop, &f->read_task);
	sl_timer_disarm(f->source->loop, &f->refresh_timer);
	sl_folder_close(f->folder);
	sl_hosts_free(f->hosts);
	set_files(f, NULL, 0);
	free(f->folder_path);
	free(f);
}

const struct sl_source_driver sl_file_driver = { file_open, file_close };

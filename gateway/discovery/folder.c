/* folder.c: see folder.h. The folder is watched, not the files: a file that is
 * renamed over another is another file. */
#include "gateway/discovery/folder.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Whoever creates a file also writes it, and then closes it. */
#define SETTLE_US 50000u
#define WATCHED                                                                                    \
	(IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE_SELF |   \
	 IN_MOVE_SELF | IN_ONLYDIR)

struct sl_folder {
	struct sl_loop *loop;
	char *path; /* owned */
	void (*fn)(void *ctx);
	void *ctx;
	int fd;    /* -1: no inotify to be had */
	int watch; /* -1: not watched */
	struct event event;
	struct sl_timer settle_timer;
};

static void on_settled(void *arg)
{
	struct sl_folder *f = arg;

	f->fn(f->ctx);
}

/* The kernel ends a watch with its folder; one that was moved away is ended here,
 * since its name now is another's. */
static void note(struct sl_folder *f, const struct inotify_event *event)
{
	if (event->wd != f->watch)
		return;
	if (event->mask & IN_MOVE_SELF)
		(void)inotify_rm_watch(f->fd, f->watch);
	if (event->mask & (IN_MOVE_SELF | IN_IGNORED))
		f->watch = -1;
}

static void on_events(evutil_socket_t fd, short what, void *arg)
{
	struct sl_folder *f = arg;
	_Alignas(struct inotify_event) char buf[4096];
	ssize_t n;

	(void)what;
	sl_loop_refresh(f->loop);
	while ((n = read(fd, buf, sizeof(buf))) > 0) {
		for (ssize_t at = 0; at < n;) {
			const struct inotify_event *event = (const void *)(buf + at);

			note(f, event);
			at += (ssize_t)(sizeof(*event) + event->len);
		}
	}
	if (!sl_timer_armed(&f->settle_timer))
		sl_timer_arm(f->loop, &f->settle_timer, SETTLE_US);
}

static bool open_inotify(struct sl_folder *f)
{
	f->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (f->fd < 0)
		return false;
	event_assign(&f->event, f->loop->base, f->fd, EV_READ | EV_PERSIST, on_events, f);
	event_add(&f->event, NULL);
	return true;
}

bool sl_folder_watch(struct sl_folder *f)
{
	if (f->fd < 0 && !open_inotify(f))
		return false;
	if (f->watch < 0)
		f->watch = inotify_add_watch(f->fd, f->path, WATCHED);
	return f->watch >= 0;
}

struct sl_folder *sl_folder_open(struct sl_loop *loop, const char *path, void (*fn)(void *ctx),
                                 void *ctx)
{
	struct sl_folder *f = calloc(1, sizeof(*f));

	if (!f || !(f->path = strdup(path)))
		abort();
	f->loop = loop;
	f->fn = fn;
	f->ctx = ctx;
	f->fd = f->watch = -1;
	f->settle_timer = (struct sl_timer){ .fn = on_settled, .arg = f };
	return f;
}

void sl_folder_close(struct sl_folder *f)
{
	sl_timer_disarm(f->loop, &f->settle_timer);
	if (f->fd >= 0) {
		event_del(&f->event);
		close(f->fd);
	}
	free(f->path);
	free(f);
}

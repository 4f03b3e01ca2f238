/* listener.c: see listener.h. */
#include "bench/sim/listener.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPT_MAX 64 /* in one turn of the loop */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	const struct sl_sim_listener *l = arg;
	int on = 1;

	(void)what;
	for (int i = 0; i < ACCEPT_MAX; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (client < 0)
			return;
		(void)setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		l->accepted(client, l->arg);
	}
}

int sl_sim_listener_open(struct sl_sim_listener *l, struct event_base *base,
                         const struct sl_sim_address *address, sl_sim_accepted_fn accepted,
                         void *arg)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(address->port) };
	int on = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (inet_pton(AF_INET, address->host, &sa.sin_addr) != 1 ||
	    bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) < 0 || listen(fd, 2048) < 0) {
		close(fd);
		return -1;
	}
	l->fd = fd;
	l->accepted = accepted;
	l->arg = arg;
	event_assign(&l->event, base, fd, EV_READ | EV_PERSIST, on_readable, l);
	event_add(&l->event, NULL);
	return 0;
}

void sl_sim_listener_close(struct sl_sim_listener *l)
{
	if (l->fd < 0)
		return;
	event_del(&l->event);
	close(l->fd);
	l->fd = -1;
}

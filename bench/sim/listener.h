/* listener.h: a TCP port that takes clients, or does not. */
#ifndef SLUICE_SIM_LISTENER_H
#define SLUICE_SIM_LISTENER_H

#include <event2/event.h>
#include <event2/event_struct.h>

#include "bench/sim/options.h"

/* Takes the socket. */
typedef void (*sl_sim_accepted_fn)(int fd, void *arg);

struct sl_sim_listener {
	int fd; /* -1: closed; so at first */
	struct event event;
	sl_sim_accepted_fn accepted;
	void *arg;
};

/* 0, or -1 with errno set. */
SL_MUST_CHECK int sl_sim_listener_open(struct sl_sim_listener *l, struct event_base *base,
                                       const struct sl_sim_address *address,
                                       sl_sim_accepted_fn accepted, void *arg);
void sl_sim_listener_close(struct sl_sim_listener *l);

#endif

/* event_memory.h: where libevent's small things lie.
 *
 * For each number of a descriptor that a loop ever watched libevent keeps a few
 * bytes until the loop ends. Taken from the heap in the middle of a storm, between
 * what requests need, each of them would keep a page from being given back when
 * the storm is over (9,000 requests at once: 37 MB). So they lie together,
 * in a region of their own. */
#ifndef SLUICE_NET_EVENT_MEMORY_H
#define SLUICE_NET_EVENT_MEMORY_H

/* Once, before libevent is used for anything; again does nothing. */
void sl_event_memory_install(void);

#endif

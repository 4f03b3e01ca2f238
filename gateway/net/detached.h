/* detached.h: a thread for one question that may block, which nobody waits for. */
#ifndef SLUICE_NET_DETACHED_H
#define SLUICE_NET_DETACHED_H

#include "sluice/base.h"

/* It gets no signals: those are the control thread's. False: no thread can be
 * had, and run was not called. */
bool sl_detached_start(void *(*run)(void *arg), void *arg);

#endif

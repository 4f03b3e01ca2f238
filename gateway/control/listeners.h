/* listeners.h: the sockets that clients connect to, across reloads.
 *
 * One SO_REUSEPORT socket per worker and address. prepare() opens what is new
 * and reads certificates, so that a bad configuration changes nothing;
 * commit() hands the result to the workers, who close what is gone. */
#ifndef SLUICE_CONTROL_LISTENERS_H
#define SLUICE_CONTROL_LISTENERS_H

#include "gateway/control/thread.h"

struct sl_listeners;

struct sl_listeners *sl_listeners_new(uint32_t workers);
void sl_listeners_free(struct sl_listeners *l);
/* 0, or -1 with a sentence. Followed by commit or abandon. */
SL_MUST_CHECK int sl_listeners_prepare(struct sl_listeners *l, const struct sl_config *config,
                                       char *error, size_t error_size);
void sl_listeners_commit(struct sl_listeners *l, struct sl_threads *threads);
void sl_listeners_abandon(struct sl_listeners *l);

#endif

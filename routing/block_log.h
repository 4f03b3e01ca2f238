/* block_log.h: the prompts that were dispatched here, for other gateways.
 *
 * Bounded: when it is full it begins again from nothing, because the newest
 * prompts are what others will be asked next. */
#ifndef SLUICE_ROUTING_BLOCK_LOG_H
#define SLUICE_ROUTING_BLOCK_LOG_H

#include "sluice/route.h"

void block_log_add(struct sl_block_log *log, uint32_t ep, const struct sl_block *blocks, uint32_t n,
                   double tokens_per_byte);

#endif

/* sluice.h: the production router as a balancer, as it is. */
#ifndef SLUICE_WHATIF_SLUICE_H
#define SLUICE_WHATIF_SLUICE_H

#include "bench/whatif/balancer.h"

/* kind: a struct sl_router_options to use, or NULL for the defaults. */
extern const struct balancer_ops sluice_balancer_ops;

#endif

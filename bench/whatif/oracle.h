/* oracle.h: a balancer that looks into the simulated engines, as a bound for
 * what any gateway could reach. */
#ifndef SLUICE_WHATIF_ORACLE_H
#define SLUICE_WHATIF_ORACLE_H

#include "bench/whatif/balancer.h"

extern const struct balancer_ops oracle_balancer_ops;

#endif

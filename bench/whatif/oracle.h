/* oracle.h: a balancer that knows everything: the bound to compare with. */
#ifndef SLUICE_WHATIF_ORACLE_H
#define SLUICE_WHATIF_ORACLE_H

#include "bench/whatif/balancer.h"

extern const struct balancer_ops oracle_balancer_ops;

#endif

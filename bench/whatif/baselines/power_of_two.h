/* power_of_two.h: the pick of power_of_two.c, which SGLang uses for decode. */
#ifndef SLUICE_WHATIF_BASELINES_POWER_OF_TWO_H
#define SLUICE_WHATIF_BASELINES_POWER_OF_TWO_H

#include "bench/whatif/baseline.h"

uint32_t baseline_pick_of_two(const struct baseline_ask *ask);

#endif

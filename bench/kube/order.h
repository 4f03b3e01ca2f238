/* order.h: an object's keys in the order of the real API server: those of
 * built-in kinds as their Go structs have them, maps and custom resources
 * by the alphabet; and the few members that it adds to what it is given. */
#ifndef SLUICE_BENCH_KUBE_ORDER_H
#define SLUICE_BENCH_KUBE_ORDER_H

#include <cjson/cJSON.h>

#include "bench/kube/resource.h"

void sl_kapi_order(cJSON *object, const struct sl_kapi_resource *resource);

#endif

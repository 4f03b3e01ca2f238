/* wards.h: which engines are judged together: those of a pool, in a domain, of
 * which only a share may be ejected at a time. Control thread only.
 *
 * Wards are kept until exit: an endpoint may live longer than its pool. */
#ifndef SLUICE_CONTROL_WARDS_H
#define SLUICE_CONTROL_WARDS_H

#include "gateway/upstream/endpoint.h"

struct ward;
struct sl_wards {
	struct ward *list; /* owned */
};

void sl_wards_fini(struct sl_wards *wards);
/* The endpoint is in its domain already, and in no ward. */
void sl_wards_join(struct sl_wards *wards, struct sl_endpoint *ep, const struct sl_pool_conf *pool);
void sl_wards_leave(struct sl_endpoint *ep);

#endif

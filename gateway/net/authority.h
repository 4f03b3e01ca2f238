/* authority.h: "HOST:PORT" of a URL, cut in two. */
#ifndef SLUICE_NET_AUTHORITY_H
#define SLUICE_NET_AUTHORITY_H

#include "sluice/base.h"

/* "10.0.0.1:80", "[::1]:80", "name:80", or without a port: 0. The host has no
 * brackets, and is not looked at. False if it is no such thing, or out_host of
 * `size` bytes is too small. */
SL_MUST_CHECK bool sl_authority_split(struct sl_span text, char *out_host, size_t size,
                                      uint16_t *out_port);

#endif

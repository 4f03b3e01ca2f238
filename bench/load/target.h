/* target.h: where requests go: an http:// URL, resolved once. TLS is refused
 * rather than pretended: put the load on the plain listener. */
#ifndef SLUICE_LOAD_TARGET_H
#define SLUICE_LOAD_TARGET_H

#include <sys/socket.h>

#include "sluice/err.h"

struct sl_target {
	char host[288];      /* as the Host field wants it: name:port, [::1]:port */
	char base_path[256]; /* "" or "/x", no slash at the end */
	char name[256];      /* for the resolver */
	char port[6];
	struct sockaddr_storage addr;
	socklen_t addr_len; /* 0 before _resolve */
};

/* http://HOST[:PORT][/BASE]. 0, or BAD_FIELD with one line in err. */
SL_MUST_CHECK int sl_target_parse(const char *url, char *err, size_t err_size,
                                  struct sl_target *out_target);
/* Finds the address; blocks. Of several, the first that accepts a connection
 * (localhost may be ::1 or 127.0.0.1). 0, or UPSTREAM_CONNECT with one line. */
SL_MUST_CHECK int sl_target_resolve(struct sl_target *t, char *err, size_t err_size);

#endif

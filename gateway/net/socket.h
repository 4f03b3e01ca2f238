/* socket.h: the few socket calls the gateway makes. All sockets are
 * non-blocking, close-on-exec and TCP_NODELAY. */
#ifndef SLUICE_NET_SOCKET_H
#define SLUICE_NET_SOCKET_H

#include <sys/socket.h>

#include "sluice/base.h"

struct sl_sockaddr {
	struct sockaddr_storage ss;
	socklen_t len;
};

/* Resolves a numeric address or a name (blocking: at start and reload only, and
 * never what can be asked of discovery).
 * host "" means all addresses. 0, or a getaddrinfo code for gai_strerror. */
SL_MUST_CHECK int sl_sockaddr_resolve(const char *host, uint16_t port,
                                      struct sl_sockaddr *out_addr);
/* The same of an address that must be numeric: never blocks. */
SL_MUST_CHECK int sl_sockaddr_numeric(const char *host, uint16_t port,
                                      struct sl_sockaddr *out_addr);
/* Another port of the same host. */
void sl_sockaddr_set_port(struct sl_sockaddr *addr, uint16_t port);
bool sl_sockaddr_eq(const struct sl_sockaddr *a, const struct sl_sockaddr *b);
/* "10.0.0.1:8000" or "[::1]:8000"; returns its length. buf of 64 is enough. */
size_t sl_sockaddr_format(const struct sockaddr *sa, char *buf, size_t size);
/* A listening socket, or -1 with errno. reuse_port: one of several. */
SL_MUST_CHECK int sl_socket_listen(const struct sl_sockaddr *addr, bool reuse_port);
/* The next accepted connection and its address, or -1 with errno. */
SL_MUST_CHECK int sl_socket_accept(int listen_fd, struct sl_sockaddr *out_peer);
/* Starts to connect; the socket, or -1 with errno. */
SL_MUST_CHECK int sl_socket_connect(const struct sl_sockaddr *addr);
/* The result of a connect that became writable: 0 or an errno. */
int sl_socket_error(int fd);
/* Bytes that were sent and that the peer's kernel has not acknowledged. */
size_t sl_socket_unacknowledged(int fd);
/* close() will send a reset instead of a clean end. */
void sl_socket_set_reset(int fd);

#endif

/* tls.h: TLS 1.2 and 1.3 on both sides. The only user of OpenSSL. */
#ifndef SLUICE_NET_TLS_H
#define SLUICE_NET_TLS_H

#include "sluice/base.h"

struct sl_tls_context; /* reference-counted, thread-safe once made */
struct sl_tls;         /* one connection's */

enum sl_tls_alpn {
	SL_ALPN_H2 = 1,
	SL_ALPN_H1 = 2,
};

/* A server's context; alpn: bits of sl_tls_alpn that may be chosen. NULL on
 * failure with a sentence in error. */
struct sl_tls_context *sl_tls_server_context(const char *certificate, const char *key,
                                             unsigned alpn, char *error, size_t error_size);
/* A client's; ca "" means the system's store. */
struct sl_tls_context *sl_tls_client_context(const char *ca, bool verify, unsigned alpn,
                                             char *error, size_t error_size);
struct sl_tls_context *sl_tls_context_ref(struct sl_tls_context *c);
void sl_tls_context_unref(struct sl_tls_context *c);

/* server_name: SNI and the name to verify; NULL on the server's side. */
struct sl_tls *sl_tls_new(struct sl_tls_context *c, int fd, const char *server_name);
void sl_tls_free(struct sl_tls *t);

enum sl_tls_result {
	SL_TLS_OK,
	SL_TLS_WANT_READ,
	SL_TLS_WANT_WRITE,
	SL_TLS_EOF,   /* the peer said close_notify */
	SL_TLS_ERROR, /* anything else: the connection is dead */
};
enum sl_tls_result sl_tls_handshake(struct sl_tls *t);
enum sl_tls_result sl_tls_read(struct sl_tls *t, char *buf, size_t size, size_t *out_len);
enum sl_tls_result sl_tls_write(struct sl_tls *t, const char *buf, size_t len, size_t *out_len);
/* Decrypted bytes that wait inside: no readiness event will announce them. */
bool sl_tls_pending(const struct sl_tls *t);
/* What ALPN chose, 0 if nothing. */
unsigned sl_tls_alpn(const struct sl_tls *t);
/* Says close_notify, without waiting for an answer. */
void sl_tls_shutdown(struct sl_tls *t);

#endif

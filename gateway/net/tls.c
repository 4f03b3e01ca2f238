/* tls.c: see tls.h. */
#include "gateway/net/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* RFC 8446 §5.1 */
#define RECORD_HEAD 5u
#define RECORD_MAX (RECORD_HEAD + 16384u)
#define RECORD_HANDSHAKE 22u

struct sl_tls_context {
	SSL_CTX *ctx; /* owned */
	atomic_uint refs;
};

struct sl_tls {
	SSL *ssl;     /* owned; a server's: NULL before the client's first record */
	SSL_CTX *ctx; /* ref, until then */
	int fd;
};

/* Both protocols in wire form, h2 first; a mask picks a part of it. */
static const unsigned char alpn_h2[] = "\x02h2";
static const unsigned char alpn_h1[] = "\x08http/1.1";

static unsigned alpn_wire(unsigned alpn, unsigned char *out)
{
	unsigned n = 0;

	if (alpn & SL_ALPN_H2) {
		memcpy(out + n, alpn_h2, sizeof(alpn_h2) - 1);
		n += (unsigned)sizeof(alpn_h2) - 1;
	}
	if (alpn & SL_ALPN_H1) {
		memcpy(out + n, alpn_h1, sizeof(alpn_h1) - 1);
		n += (unsigned)sizeof(alpn_h1) - 1;
	}
	return n;
}

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
	unsigned char ours[16];
	unsigned n = alpn_wire((unsigned)(uintptr_t)arg, ours);
	unsigned char *chosen;

	(void)ssl;
	if (SSL_select_next_proto(&chosen, out_len, ours, n, in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	/* `chosen` points into `in` or `ours`; the latter dies with this frame. */
	*out = chosen >= ours && chosen < ours + sizeof(ours)
	               ? (*chosen == 'h' && *out_len == 2 ? alpn_h2 + 1 : alpn_h1 + 1)
	               : chosen;
	return SSL_TLSEXT_ERR_OK;
}

static void say(char *error, size_t size, const char *what, const char *path)
{
	unsigned long code = ERR_get_error();
	char reason[160] = "";

	if (code)
		ERR_error_string_n(code, reason, sizeof(reason));
	snprintf(error, size, "%s %s: %s", what, path, reason);
	ERR_clear_error();
}

static struct sl_tls_context *new_context(const SSL_METHOD *method)
{
	struct sl_tls_context *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	atomic_init(&c->refs, 1);
	c->ctx = SSL_CTX_new(method);
	if (!c->ctx)
		abort();
	SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(c->ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
	                                    SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
	                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
	                                 SSL_MODE_RELEASE_BUFFERS);
	/* AEAD with forward secrecy only: also what RFC 9113 asks of TLS 1.2. */
	SSL_CTX_set_cipher_list(c->ctx, "ECDHE+AESGCM:ECDHE+CHACHA20");
	return c;
}

struct sl_tls_context *sl_tls_server_context(const char *certificate, const char *key,
                                             unsigned alpn, char *error, size_t error_size)
{
	struct sl_tls_context *c = new_context(TLS_server_method());

	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(c->ctx, certificate) != 1)
		say(error, error_size, "certificate", certificate);
	else if (SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM) != 1)
		say(error, error_size, "key", key);
	else if (SSL_CTX_check_private_key(c->ctx) != 1)
		say(error, error_size, "the key does not belong to the certificate:", key);
	else {
		/* By value: a handshake keeps the SSL_CTX alive, but not c. */
		SSL_CTX_set_alpn_select_cb(c->ctx, on_alpn, (void *)(uintptr_t)alpn);
		SSL_CTX_set_session_id_context(c->ctx, (const unsigned char *)"sluice", 6);
		return c;
	}
	sl_tls_context_unref(c);
	return NULL;
}

struct sl_tls_context *sl_tls_client_context(const char *ca, bool verify, unsigned alpn,
                                             char *error, size_t error_size)
{
	struct sl_tls_context *c = new_context(TLS_client_method());
	unsigned char wire[16];
	unsigned n = alpn_wire(alpn, wire);

	ERR_clear_error();
	if (*ca ? SSL_CTX_load_verify_locations(c->ctx, ca, NULL) != 1
	        : SSL_CTX_set_default_verify_paths(c->ctx) != 1) {
		say(error, error_size, "certificate authorities", ca);
		sl_tls_context_unref(c);
		return NULL;
	}
	SSL_CTX_set_verify(c->ctx, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_alpn_protos(c->ctx, wire, n);
	return c;
}

struct sl_tls_context *sl_tls_context_ref(struct sl_tls_context *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void sl_tls_context_unref(struct sl_tls_context *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) != 1)
		return;
	SSL_CTX_free(c->ctx);
	free(c);
}

static void make_ssl(struct sl_tls *t)
{
	t->ssl = SSL_new(t->ctx);
	if (!t->ssl || SSL_set_fd(t->ssl, t->fd) != 1)
		abort();
	SSL_CTX_free(t->ctx);
	t->ctx = NULL;
}

struct sl_tls *sl_tls_new(struct sl_tls_context *c, int fd, const char *server_name)
{
	struct sl_tls *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	t->fd = fd;
	t->ctx = c->ctx;
	SSL_CTX_up_ref(t->ctx);
	if (!server_name)
		return t;
	make_ssl(t);
	SSL_set_connect_state(t->ssl);
	/* An address has no SNI, and is verified as an address. */
	if (!X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), server_name)) {
		SSL_set_tlsext_host_name(t->ssl, server_name);
		SSL_set1_host(t->ssl, server_name);
	}
	return t;
}

void sl_tls_free(struct sl_tls *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	SSL_CTX_free(t->ctx);
	free(t);
}

/* ---- a client's first record ------------------------------------------ */

/* Fewer bytes are not announced as readable. */
static void set_low_mark(int fd, size_t bytes)
{
	int mark = (int)bytes;

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark));
}

/* What must be there before OpenSSL can do anything with it; 0: whatever is. */
static size_t first_record_bytes(int fd)
{
	unsigned char head[RECORD_HEAD];
	ssize_t n = recv(fd, head, sizeof(head), MSG_PEEK);
	size_t all;

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 1 : 0;
	if (n == 0 || head[0] != RECORD_HANDSHAKE)
		return 0;
	if (n < (ssize_t)RECORD_HEAD)
		return RECORD_HEAD;
	all = RECORD_HEAD + (size_t)(head[3] << 8 | head[4]);
	return all > RECORD_MAX ? 0 : all;
}

static bool is_at_end(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLRDHUP };

	return poll(&p, 1, 0) > 0;
}

/* OpenSSL takes 50 KB for a handshake, however little of it has come. So it is
 * given a connection when the client's first record is complete, which nearly
 * always is at once; until then the kernel keeps the bytes. */
static bool first_record_is_here(int fd)
{
	size_t needed = first_record_bytes(fd);
	int there = 0;

	if (needed == 1)
		return false;
	if (needed && ioctl(fd, FIONREAD, &there) == 0 && (size_t)there < needed &&
	    !is_at_end(fd)) {
		set_low_mark(fd, needed);
		return false;
	}
	set_low_mark(fd, 1);
	return true;
}

static enum sl_tls_result result_of(struct sl_tls *t, int rc)
{
	enum sl_tls_result result;

	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		result = SL_TLS_WANT_READ;
		break;
	case SSL_ERROR_WANT_WRITE:
		result = SL_TLS_WANT_WRITE;
		break;
	case SSL_ERROR_ZERO_RETURN:
		result = SL_TLS_EOF;
		break;
	default:
		result = SL_TLS_ERROR;
	}
	ERR_clear_error();
	return result;
}

enum sl_tls_result sl_tls_handshake(struct sl_tls *t)
{
	int rc;

	if (!t->ssl) {
		if (!first_record_is_here(t->fd))
			return SL_TLS_WANT_READ;
		make_ssl(t);
		SSL_set_accept_state(t->ssl);
	}
	rc = SSL_do_handshake(t->ssl);
	return rc == 1 ? SL_TLS_OK : result_of(t, rc);
}

enum sl_tls_result sl_tls_read(struct sl_tls *t, char *buf, size_t size, size_t *out_len)
{
	return SSL_read_ex(t->ssl, buf, size, out_len) == 1 ? SL_TLS_OK : result_of(t, 0);
}

enum sl_tls_result sl_tls_write(struct sl_tls *t, const char *buf, size_t len, size_t *out_len)
{
	return SSL_write_ex(t->ssl, buf, len, out_len) == 1 ? SL_TLS_OK : result_of(t, 0);
}

bool sl_tls_pending(const struct sl_tls *t)
{
	return SSL_pending(t->ssl) > 0;
}

unsigned sl_tls_alpn(const struct sl_tls *t)
{
	const unsigned char *name;
	unsigned len;

	SSL_get0_alpn_selected(t->ssl, &name, &len);
	if (len == 2)
		return SL_ALPN_H2;
	return len == 8 ? SL_ALPN_H1 : 0;
}

void sl_tls_shutdown(struct sl_tls *t)
{
	ERR_clear_error();
	SSL_shutdown(t->ssl);
	ERR_clear_error();
}

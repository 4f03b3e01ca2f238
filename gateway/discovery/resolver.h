/* resolver.h: names, asked for on threads of their own.
 *
 * Name servers may be silent for seconds; the control thread, which keeps
 * engines' health and answers operators, must not wait for them. */
#ifndef SLUICE_DISCOVERY_RESOLVER_H
#define SLUICE_DISCOVERY_RESOLVER_H

#include "gateway/discovery/lookup.h"
#include "gateway/net/loop.h"

struct sl_resolver;
struct sl_question;

/* The places are borrowed until it returns. The question is over. */
typedef void (*sl_answer_fn)(void *ctx, const struct sl_places *places);

struct sl_resolver *sl_resolver_new(struct sl_loop *loop);
/* Every question must be over or dropped. Threads that still wait end by themselves. */
void sl_resolver_free(struct sl_resolver *r);
/* Who is asked from now on: "ADDRESS:PORT" each; none: /etc/resolv.conf. */
void sl_resolver_set_servers(struct sl_resolver *r, char *const *servers, uint32_t n);
/* How long a question may take, in line and asked; 60 s. Then it has no answer. */
void sl_resolver_set_patience(struct sl_resolver *r, uint64_t patience_us);
/* fn is called once, in a later turn. */
struct sl_question *sl_resolver_ask(struct sl_resolver *r, enum sl_lookup_kind kind,
                                    const char *name, sl_answer_fn fn, void *ctx);
/* fn will not be called. */
void sl_question_drop(struct sl_question *q);

#endif

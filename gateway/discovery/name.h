/* name.h: a name that is followed: asked for again when its time is over, what
 * it meant last kept while nobody can say.
 *
 * That there is no such name, or that it has no addresses, is believed when it was
 * said SL_NAME_GONE times in a row; that a name server fails or is silent says
 * nothing about engines. */
#ifndef SLUICE_DISCOVERY_NAME_H
#define SLUICE_DISCOVERY_NAME_H

#include "gateway/discovery/resolver.h"

#define SL_NAME_GONE 3u

struct sl_name {
	struct sl_resolver *resolver; /* borrowed */
	struct sl_loop *loop;         /* borrowed */
	enum sl_lookup_kind kind;
	char *text; /* owned */
	uint64_t refresh_us;
	void (*fn)(void *ctx); /* something was said; must not free the name */
	void *ctx;
	struct sl_question *question; /* NULL: none under way */
	struct sl_timer timer;
	/* For whoever follows it. */
	struct sl_places places;
	bool known;                 /* places are what is true, or was */
	bool fresh;                 /* the last answer was complete */
	uint32_t denials, failures; /* in a row */
};

struct sl_name *sl_name_new(struct sl_resolver *resolver, struct sl_loop *loop,
                            enum sl_lookup_kind kind, const char *text, uint64_t refresh_us,
                            void (*fn)(void *ctx), void *ctx);
void sl_name_free(struct sl_name *n);
/* Why it is not known better; NULL: all is well. */
const char *sl_name_trouble(const struct sl_name *n);

#endif

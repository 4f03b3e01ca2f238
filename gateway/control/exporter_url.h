/* exporter_url.h: where an engine's exporter is: the configuration's pattern,
 * {host} and {node} filled in, and its address. */
#ifndef SLUICE_CONTROL_EXPORTER_URL_H
#define SLUICE_CONTROL_EXPORTER_URL_H

#include "gateway/control/engine.h"

#define SL_EXPORTER_URL_MAX 1024

struct sl_exporter_url {
	char text[SL_EXPORTER_URL_MAX];
	char name[SL_ENDPOINT_NAME_MAX]; /* "10.0.0.1:9400" */
	const char *path;                /* in text; or static */
	struct sl_sockaddr addr;
	bool usable; /* there is an address */
};

/* False if the engine lacks what the pattern asks for (no node is known). */
bool sl_exporter_url_text(const char *pattern, const struct sl_engine *m,
                          char out[SL_EXPORTER_URL_MAX]);
/* Fills in the rest from the text. Never blocks for a {host} or a {node}; the
 * name of a host in the pattern itself is resolved, as a server's is. */
void sl_exporter_url_resolve(struct sl_exporter_url *url, const struct sl_engine *m);

#endif

/* exporter_url.h: where an engine's exporter is: the configuration's pattern,
 * {host} and {node} filled in. */
#ifndef SLUICE_CONTROL_EXPORTER_URL_H
#define SLUICE_CONTROL_EXPORTER_URL_H

#include "gateway/control/engine.h"

#define SL_EXPORTER_URL_MAX 1024
#define SL_EXPORTER_HOST_MAX 256

struct sl_exporter_url {
	char text[SL_EXPORTER_URL_MAX];
	char host[SL_EXPORTER_HOST_MAX];
	uint16_t port;
	char name[SL_ENDPOINT_NAME_MAX]; /* "10.0.0.1:9400" */
	const char *path;                /* in text; or static */
};

/* False if the engine lacks what the pattern asks for (no node is known). */
bool sl_exporter_url_text(const char *pattern, const struct sl_engine *m,
                          char out[SL_EXPORTER_URL_MAX]);
/* Fills in the rest from the text. False: there is no host with a port. */
bool sl_exporter_url_split(struct sl_exporter_url *url);

#endif

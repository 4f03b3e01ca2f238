/* process.h: the standard process_* families of Prometheus. */
#ifndef SLUICE_TELEMETRY_PROCESS_H
#define SLUICE_TELEMETRY_PROCESS_H

#include <stdio.h>

/* Prometheus text: sluice_build_info and what /proc/self says. A figure that
 * cannot be read is left out. */
void process_metrics_write(FILE *out);
/* Memory in RAM, or negative. */
double process_resident_bytes(void);
/* Rows for docs/metrics.md. */
void process_metrics_document(FILE *out);

#endif

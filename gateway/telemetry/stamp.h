/* stamp.h: the one form in which times are written: 2026-01-02T03:04:05.678Z. */
#ifndef SLUICE_TELEMETRY_STAMP_H
#define SLUICE_TELEMETRY_STAMP_H

#include "sluice/base.h"

#define STAMP_LEN 24

/* Writes exactly STAMP_LEN bytes, no NUL, for years 1970 to 9999. */
void stamp_write(char *out, uint64_t wall_us);

#endif

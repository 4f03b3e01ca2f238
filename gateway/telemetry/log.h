/* log.h: the gateway's own log: one line an event, on stderr, for people.
 *   2026-01-02T03:04:05.678Z info  message
 * Leaf modules return codes; the layer that decides what happens next logs
 * once. Never prompts, never secrets. Thread-safe: one write per line. */
#ifndef SLUICE_TELEMETRY_LOG_H
#define SLUICE_TELEMETRY_LOG_H

#include "sluice/base.h"

enum sl_log_level { SL_LOG_DEBUG, SL_LOG_INFO, SL_LOG_WARN, SL_LOG_ERROR };
void sl_log_set_level(enum sl_log_level level);
bool sl_log_level_parse(const char *name, enum sl_log_level *out_level);
void sl_log(enum sl_log_level level, const char *fmt, ...) SL_PRINTF(2, 3);
#define sl_debug(...) sl_log(SL_LOG_DEBUG, __VA_ARGS__)
#define sl_info(...) sl_log(SL_LOG_INFO, __VA_ARGS__)
#define sl_warn(...) sl_log(SL_LOG_WARN, __VA_ARGS__)
#define sl_error(...) sl_log(SL_LOG_ERROR, __VA_ARGS__)

#endif

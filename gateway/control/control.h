/* control.h: the control thread: signals, configuration, probes, admin. */
#ifndef SLUICE_CONTROL_CONTROL_H
#define SLUICE_CONTROL_CONTROL_H

#include "sluice/config.h"

/* Runs the gateway with this configuration (taken) until it is told to stop.
 * path is read again on reload. Returns an exit status. */
int sl_control_run(const char *path, struct sl_config *config_take);

#endif

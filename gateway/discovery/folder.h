/* folder.h: a folder in which something may have changed: a file written, renamed
 * over another, removed, or a symlink turned (as Kubernetes updates a ConfigMap).
 *
 * What happened is not told, only that it is time to look; and it is told a
 * moment later, once for all that happens together. What changes behind a
 * symlink that stays the same is not seen. */
#ifndef SLUICE_DISCOVERY_FOLDER_H
#define SLUICE_DISCOVERY_FOLDER_H

#include "gateway/net/loop.h"

struct sl_folder;

struct sl_folder *sl_folder_open(struct sl_loop *loop, const char *path, void (*fn)(void *ctx),
                                 void *ctx);
void sl_folder_close(struct sl_folder *f);
/* Whether it is watched; tries again if it is not, as when it did not exist or was
 * replaced. False, with errno: nothing will be told. */
bool sl_folder_watch(struct sl_folder *f);

#endif

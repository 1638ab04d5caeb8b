/* SPDX-License-Identifier: Apache-2.0 */
/* Recovery makes a journal, as the last run left it, ready for writing. */
#ifndef STOCKD_PERSISTENCE_RECOVERY_H
#define STOCKD_PERSISTENCE_RECOVERY_H

#include "persistence/replay_files.h"

/*
 * Settles the last segments, replays, cuts off the tail (F10). Options as for replay_files; say
 * (may be NULL) gets a line for everything cut off. Afterwards all that the result reports is on
 * disk, the rest of the end's segment is zero, and at most one segment follows it, which is empty.
 * 0, or -errno as replay_files; then nothing was changed, unless cutting off itself failed.
 */
int journal_recover(const struct replay_options *options,
                    void (*say)(void *context, int level, const char *line),
                    struct replay_result *result, struct error *why);

#endif

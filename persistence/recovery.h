/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between a journal as it was left and one that can be written again. */
#ifndef STOCKD_PERSISTENCE_RECOVERY_H
#define STOCKD_PERSISTENCE_RECOVERY_H

#include "persistence/follower.h"

/*
 * Settles, follows, cuts off the tail (F10). Options as for journal_follow; say (may be NULL) gets
 * a line for each thing that was cut off. Afterwards all that the result tells of is on disk, the
 * rest of the end's segment is zero, and at most one segment follows it, which is empty. 0, or
 * -errno as journal_follow; then nothing was changed, unless cutting off itself failed.
 */
int journal_recover(const struct follow_options *options,
                    void (*say)(void *context, const char *line), struct follow_result *result,
                    struct reason *reason);

#endif

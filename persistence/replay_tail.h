/* SPDX-License-Identifier: Apache-2.0 */
/* What lies beyond the end of the chain: a torn tail, or damage (F8, F14 to F16). */
#ifndef STOCKD_PERSISTENCE_REPLAY_TAIL_H
#define STOCKD_PERSISTENCE_REPLAY_TAIL_H

#include "persistence/replay_walk.h"

/* Fills in the tail of walk->result, after the walk along the chain has filled in the rest. 0;
 * -EILSEQ and why: something durable is gone; -ENOTSUP; or the -errno of a failed read. */
int replay_judge_tail(struct replay_walk *walk);

#endif

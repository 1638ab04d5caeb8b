/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog: when a reply is older than SLOW_MS, it reports what the worker waits for. It looks
 * a few times a second while anything waits, reports at most once in TELL_EVERY_MS, and once more
 * when the wait is over.
 */
#ifndef STOCKD_PROTOCOL_WORKER_WATCH_H
#define STOCKD_PROTOCOL_WORKER_WATCH_H

#include "protocol/worker_state.h"

/* Reports what this worker waits for if a reply is late. */
void worker_watch(struct worker *worker);
/* Milliseconds until its next look; UINT64_MAX: nothing waits. */
uint64_t worker_watch_sleep_ms(const struct worker *worker);

#endif

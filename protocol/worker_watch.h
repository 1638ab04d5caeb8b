/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The watchdog: when a reply is older than SLOW_MS, it tells what the worker waits for. It looks a
 * few times a second as long as anything waits, and tells at most once in TELL_EVERY_MS, and once
 * more when that is over.
 */
#ifndef STOCKD_PROTOCOL_WORKER_WATCH_H
#define STOCKD_PROTOCOL_WORKER_WATCH_H

#include "protocol/worker_state.h"

/* Tells what this worker waits for if a reply is late. */
void worker_watch(struct worker *worker);
/* Milliseconds until it is to look again; UINT64_MAX: nothing waits. */
uint64_t worker_watch_sleep_ms(const struct worker *worker);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Once the engine serves, it can do what it needs for that, and nothing else: it executes no
 * program, makes no process, gains no right, makes no memory executable, and opens no socket but
 * Unix and internet ones. So a fault in it is worth less to somebody who exploits it.
 *
 * A refused system call fails with EPERM, and the first of each kind is one line of the log. It
 * does not end the process: the refusal already takes from an intruder what he wanted, whereas a
 * new version of a library that makes an unlisted call would end the engine of every shop. Only a
 * call by the convention of another architecture ends it, because nothing innocent makes one.
 *
 * The requests of io_uring are no system calls; protocol/uring.c restricts those.
 */
#ifndef STOCKD_TOOLS_STOCKD_CONFINEMENT_H
#define STOCKD_TOOLS_STOCKD_CONFINEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tools/stockd/options.h"

/* Early: it gains no rights by executing something. With secrets that are worth more than its data,
 * it leaves no core, and no other process of its user may read its memory, unless the options say
 * so. */
void confine_first(const struct options *options);

/* Confines all threads that there are, and those that they start, if the options want it. False:
 * one line in why. */
bool confine(const struct options *options, char *why, size_t size);

/* How many calls the filter has refused, of those that have a name. Any thread. */
uint64_t confinement_refused(void);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A program that hangs tells what it waits for before CTest ends it without a word.
 *
 * STOCKD_TEST_LIMIT is the number of seconds that CTest gives it, STOCKD_TEST_PATIENCE how many
 * times longer than usual a wait may take on this machine.
 */
#ifndef STOCKD_TESTS_SUPPORT_WATCHDOG_H
#define STOCKD_TESTS_SUPPORT_WATCHDOG_H

#include <stdint.h>

/*
 * From now on the program ends with exit code 1 and a line that names what it waited for last, a
 * little before its limit; with no limit, never. tell may be NULL. It prints what else is known,
 * and is called from another thread while all others go on.
 */
void watchdog_start(void (*tell)(void *context), void *context);

/* Names what the program waits for from here on. The text must live for ever. Any thread. */
void watchdog_waits_for(const char *what);

/* That many milliseconds of a usual machine, on this one. */
uint64_t patient_ms(uint64_t ms);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a program that hangs say what it waits for, before CTest ends it without a word.
 *
 * STOCKD_TEST_LIMIT is the number of seconds that CTest gives it, STOCKD_TEST_PATIENCE how many
 * times longer than usual a wait may take on this machine.
 */
#ifndef STOCKD_TESTS_SUPPORT_WATCHDOG_H
#define STOCKD_TESTS_SUPPORT_WATCHDOG_H

#include <stdint.h>

/*
 * From now on the program ends a little before its limit, with exit code 1 and a line that names
 * what it last waited for; without a limit, never. tell may be NULL. It prints what else is known,
 * and is called from another thread while all others continue.
 */
void watchdog_start(void (*tell)(void *context), void *context);

/* Names what the program waits for from here on. The text must live forever. Any thread. */
void watchdog_waits_for(const char *what);

/* That many milliseconds on a usual machine, scaled to this one. */
uint64_t patient_ms(uint64_t ms);

#endif

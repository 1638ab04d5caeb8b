/* SPDX-License-Identifier: Apache-2.0 */
/* Why something did not work, in one line for people; goes along with a -errno for the program. */
#ifndef STOCKD_PERSISTENCE_ERROR_H
#define STOCKD_PERSISTENCE_ERROR_H

struct error {
    char text[512]; /* empty when there is nothing to say; cut short rather than overrun */
};

/* Writes the line and returns the error, so that a function can end with it. */
int error_set(struct error *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, and the system's own words for the error behind it: "cannot open x: No such file". */
int error_system(struct error *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

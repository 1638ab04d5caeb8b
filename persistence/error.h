/* SPDX-License-Identifier: Apache-2.0 */
/* Why something failed, in one line for people; accompanies the -errno for the program. */
#ifndef STOCKD_PERSISTENCE_ERROR_H
#define STOCKD_PERSISTENCE_ERROR_H

struct error {
    char text[512]; /* empty if there is nothing to report; truncated if too long */
};

/* Writes the line and returns the error, so that a function can end with it. */
int error_set(struct error *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, followed by the system's text for the error: "cannot open x: No such file". */
int error_system(struct error *why, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

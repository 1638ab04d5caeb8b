/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/reason.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "persistence/file.h"

int reason_set(struct reason *reason, int error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
    return error;
}

int reason_system(struct reason *reason, int error, const char *format, ...)
{
    assert(error < 0);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason->text, sizeof reason->text, format, arguments);
    va_end(arguments);
    size_t length = strlen(reason->text);
    char words[128];
    const char *why = error == FILE_NOT_REGULAR ? "it is not a regular file"
                                                : strerror_r(-error, words, sizeof words);
    snprintf(reason->text + length, sizeof reason->text - length, ": %s", why);
    return error;
}

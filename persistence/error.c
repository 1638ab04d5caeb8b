/* SPDX-License-Identifier: Apache-2.0 */
#include "persistence/error.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "persistence/file.h"

int error_set(struct error *why, int error, const char *format, ...)
{
    assert(error != 0);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    return error;
}

int error_system(struct error *why, int error, const char *format, ...)
{
    assert(error < 0);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why->text, sizeof why->text, format, arguments);
    va_end(arguments);
    size_t length = strlen(why->text);
    char words[128];
    const char *system_says =
        error == FILE_NOT_REGULAR ? "not a regular file" : strerror_r(-error, words, sizeof words);
    snprintf(why->text + length, sizeof why->text - length, ": %s", system_says);
    return error;
}

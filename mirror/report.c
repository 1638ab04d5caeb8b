/* SPDX-License-Identifier: Apache-2.0 */
#include "mirror/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

#include "mirror/clock.h"

enum { LINE_MAX_LENGTH = 512 };

static void log_line(const struct report *report, int level, const char *separator,
                     const char *text)
{
    char line[LINE_MAX_LENGTH];
    snprintf(line, sizeof line, "mirror: Redis %s%s%s", report->address, separator, text);
    if (report->say)
        report->say(report->context, level, line);
}

void report_error(struct report *report, const char *format, ...)
{
    char text[MIRROR_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    metrics_error(report->metrics, text, wall_ms());
    if (strcmp(text, report->last) == 0)
        return;
    snprintf(report->last, sizeof report->last, "%s", text);
    log_line(report, LOG_WARNING, ": ", text);
}

void report_recovery(struct report *report, const char *format, ...)
{
    char text[MIRROR_ERROR_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_line(report, LOG_INFO, "", text);
    report->last[0] = '\0';
}

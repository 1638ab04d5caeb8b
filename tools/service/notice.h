/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Notices: the lines of a service's log, for its operators, on standard error.
 *
 *   text    stockd: warning: the table of items is 80 % full (…)
 *   json    {"time":"2026-03-01T09:30:00.123Z","level":"warning","program":"stockd",
 *            "area":"tables","message":"the table of items is 80 % full (…)","used":800000}
 *
 * Each is one line and one write, so that those of several threads do not mix. Control characters,
 * and bytes that are no UTF-8, are shown as \xNN: nobody can forge a line. If systemd's journal
 * takes the lines, they begin with its priority, as in <4>, which it takes off.
 *
 * Levels are those of syslog.h: LOG_ERR, LOG_WARNING and LOG_INFO.
 */
#ifndef STOCKD_TOOLS_SERVICE_NOTICE_H
#define STOCKD_TOOLS_SERVICE_NOTICE_H

#include <stdbool.h>
#include <stdint.h>
#include <syslog.h>

/* What else a line says, to programs: shown in JSON only, beside the message. */
struct notice_field {
    const char *name; /* NULL ends a list of fields */
    const char *text; /* NULL: it is a number */
    uint64_t number;
};

/* Before there are threads. The name outlives all notices. */
void notice_begin(const char *program);

/* "text" or "json"; and the least important level that is shown: "error", "warning" or "info".
 * False: it is another word, and nothing has changed. Before there are threads. */
bool notice_set_format(const char *word);
bool notice_set_level(const char *word);

/* area: which part of the program says it. A message may begin with "AREA: ", for people; it is not
 * shown twice. Any thread. */
void notice(int level, const char *area, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void notice_with(int level, const char *area, const struct notice_field *fields, const char *format,
                 ...) __attribute__((format(printf, 4, 5)));

/* Of texts that are put together, until NULL. Safe in a signal's handler. */
void notice_in_signal(int level, const char *area, const struct notice_field *fields,
                      const char *const *pieces);

#endif

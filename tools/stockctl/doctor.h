/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor.h - `doctor`: checks of a set-up, each with what to do about it.
 *
 * Each check_ function looks at one thing and reports findings; it changes nothing that stays.
 */
#ifndef STOCKCTL_DOCTOR_H
#define STOCKCTL_DOCTOR_H

#include <sys/types.h>

#include "tools/stockctl/ctl.h"

enum verdict {
    VERDICT_WELL,
    VERDICT_SKIPPED, /* it could not be seen */
    VERDICT_WARNING, /* it works, but not as it should */
    VERDICT_BAD,     /* it must be mended */
    VERDICTS,
};

struct finding {
    enum verdict verdict;
    const char *check; /* what was looked at; static */
    char *found;       /* owned, as is the next */
    char *advice;      /* what to do; NULL: nothing */
};

/* Where things are. Owned; NULL: unknown, or there is none. */
struct setup {
    char *data;
    char *durability;
    char *tokens;
    char *tls_cert, *tls_key;
    uint64_t workers; /* 0: as many as the engine starts by default */
};

struct doctor {
    struct ctl *ctl;
    struct setup setup;
    pid_t engine; /* the process that has the data directory; 0: none, or it cannot be seen */
    struct finding *finding;
    size_t count, capacity;
};

/* Reports what was found. advice may be NULL; otherwise it is a text of one line. */
void doctor_found(struct doctor *doctor, enum verdict verdict, const char *check,
                  const char *advice, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- doctor_setup.c ---- */

/* Takes from a config file of stockd what the options did not say. */
int setup_read_config(struct setup *setup, const struct ctl *ctl, const char *path);
void setup_free(struct setup *setup);

/* ---- doctor_engine.c ---- */

/* Also learns from the engine where its data is. */
void check_engine(struct doctor *doctor);
/* The process whose number is in the data directory's lock, if it lives. */
void find_engine_process(struct doctor *doctor);

/* ---- doctor_system.c ---- */

void check_kernel(struct doctor *doctor);
void check_limits(struct doctor *doctor);
void check_memory(struct doctor *doctor);

/* The clock is looked at twice, to see whether it is set meanwhile. */
struct clock_look {
    int64_t wall_ahead_ns; /* of the steady clock */
};

struct clock_look clock_look(void);
void check_clock(struct doctor *doctor, struct clock_look before);

/* ---- doctor_ring.c ---- */

void check_rings(struct doctor *doctor);

/* ---- doctor_data.c ---- */

void check_data(struct doctor *doctor);

/* ---- doctor_files.c ---- */

void check_tokens(struct doctor *doctor);
void check_certificate(struct doctor *doctor);

#endif

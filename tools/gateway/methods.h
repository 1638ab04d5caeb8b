/* SPDX-License-Identifier: Apache-2.0 */
/* The table of methods.def in memory: methods, their parameters in order, and what these are. */
#ifndef GATEWAY_METHODS_H
#define GATEWAY_METHODS_H

#include <stdbool.h>
#include <stddef.h>

/* What JSON a kind takes. */
enum form {
    FORM_TEXT,
    FORM_INTEGER, /* a whole number that an int64_t holds */
    FORM_FLAG,
    FORM_REAL,
    FORM_LIST,
    FORM_TYPES, /* true, or a list */
    FORM_ROWS,
    FORM_ANY,
};

enum {
    PARAMETERS_MAX = 6,
    OPTIONS_MAX = 16,
    RESULT_MAX = 16,
    FIELDS_MAX = 4,
};

struct parameter;

struct kind {
    const char *name;
    enum form form;
    const char *schema;              /* as JSON; NULL: it follows from the fields */
    const char *fields;              /* of a row, as in methods.def */
    const struct parameter *columns; /* the same, FORM_ROWS only */
    unsigned column_count;
};

struct parameter {
    char name[24];
    char alias[24]; /* a second name, or "" */
    const struct kind *kind;
    const char *about;
    bool optional;
};

/* Which of the connections to the engine carry it, so that what waits holds up only its like. */
enum lane {
    LANE_QUESTION, /* answered at once */
    LANE_CHANGE,   /* waits for the disk */
    LANE_SLOW,     /* may take long, and whole pages */
    LANE_STREAM,   /* a stream of its own */
    LANES = LANE_STREAM,
};

/* Whether it may be sent again when a connection was lost before the answer. */
enum repeats {
    REPEATS_SAFE, /* always: a question, or its id says that it is the same */
    REPEATS_STEP, /* with an `op`, or without lines */
    REPEATS_OP,   /* with an `op` */
};

struct method {
    const char *name;
    enum lane lane;
    enum repeats repeats;
    const char *summary;
    const char *parameter_names, *option_names, *result_names; /* as in methods.def */
    struct parameter parameters[PARAMETERS_MAX];
    struct parameter options[OPTIONS_MAX];
    struct parameter result[RESULT_MAX];
    unsigned parameter_count, option_count, result_count;
};

/* Reads the table; call it before any thread starts. The table is read only from then on. A table
 * that cannot be read ends the program. */
void methods_read(void);

const struct method *gateway_methods(unsigned *count);
const struct method *gateway_method(const char *name, size_t len);
const struct kind *gateway_kinds(unsigned *count);

/* The parameter or option of that name, or of that second name; NULL: there is none. */
const struct parameter *method_parameter(const struct method *method, const char *name);

#endif

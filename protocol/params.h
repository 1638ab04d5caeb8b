/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters of a request, taken one after another by name and form.
 *
 * The first bad parameter is noted in a message that names it, and nothing is taken after it: a
 * handler takes all its parameters and checks once whether they are good. What is taken is borrowed
 * from the request's bytes.
 */
#ifndef STOCKD_PROTOCOL_PARAMS_H
#define STOCKD_PROTOCOL_PARAMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/error.h"
#include "engine/base/text.h"
#include "protocol/wire.h"

/* Why a request was refused before it was tried. */
struct refusal {
    enum code code;    /* CODE_OK: nothing is wrong */
    const char *param; /* which parameter; static, or NULL */
    const char *right; /* which right is missing; static, or NULL */
    uint32_t retry_ms; /* after how long to try again; 0: it does not say */
    char message[256];
};

struct log;

/* Sets all but right and retry_ms, which it clears. */
void refuse(struct refusal *refusal, enum code code, const char *param, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

enum { PARAMS_LEVELS = 3 };

struct scope;

struct params {
    struct wire wire;
    struct refusal *refusal;
    const struct scope *scope; /* what the client may name; NULL: anything */
    const struct log *log;     /* of a question, which may wait for it; else NULL */
    uint64_t min_lsn;          /* where that must have come; 0: it need not wait */
    uint32_t level;            /* 0: positional, 1: inside a list, 2: inside a tuple of the list */
    uint32_t left[PARAMS_LEVELS]; /* values not taken yet, per level */
    uint32_t taken;               /* positional ones taken so far */
    uint32_t index;               /* of the next value in the list, from 0 */
    const char *list;             /* the list's name */
};

/* wire stands at the params array. */
void params_begin(struct params *params, struct wire wire, struct refusal *refusal);

static inline bool params_good(const struct params *params)
{
    return params->refusal->code == CODE_OK;
}

/* Each takes the next value; name is static. A zero value if anything is or was wrong. */
struct text param_id(struct params *params, const char *name);
struct text param_sku(struct params *params, const char *name);
struct text param_code(struct params *params, const char *name); /* of neither of the next two */
struct text param_words(struct params *params, const char *name, uint32_t max); /* UTF-8 */
uint64_t param_lsn(struct params *params, const char *name);                    /* any uint64_t */
int32_t param_date(struct params *params, const char *name); /* days since 1970-01-01 */
int64_t param_number(struct params *params, const char *name, int64_t min, int64_t max);

/* A code that the client has no right to is refused. */
struct text param_own_channel(struct params *params, const char *name, struct text code);
struct text param_own_place(struct params *params, const char *name, struct text code);
struct text param_own_source(struct params *params, const char *name, struct text code);

/* The code of a channel, or of a location, which the client must have a right to. */
static inline struct text param_channel(struct params *params, const char *name)
{
    struct text code = param_code(params, name);
    return params->scope ? param_own_channel(params, name, code) : code;
}

static inline struct text param_place(struct params *params, const char *name)
{
    struct text code = param_code(params, name);
    return params->scope ? param_own_place(params, name, code) : code;
}

/* The code of a location or of a group of them, of all of which likewise. */
static inline struct text param_source(struct params *params, const char *name)
{
    struct text code = param_code(params, name);
    return params->scope ? param_own_source(params, name, code) : code;
}

/* Enters a list of at most max values (more is too_large; what: "lines in an order"). Take its
 * values, then params_up. Returns how many there are; 0 if it is not a list, and nothing was
 * entered. */
uint32_t param_list(struct params *params, const char *name, uint32_t max, const char *what);

/* Enters the list's next value, itself a list of min to max values that looks like form: "[sku,
 * qty]". Take them, then params_up. */
uint32_t param_tuple(struct params *params, uint32_t min, uint32_t max, const char *form);

void params_up(struct params *params);

/* The kind of the next value, without taking it; WIRE_NONE at the end. */
enum wire_kind params_peek(const struct params *params);
/* Takes a nil if that comes next. */
bool params_skip_nil(struct params *params);

/* ---- options: the map that may come last ---- */

enum option_kind {
    OPTION_ID,
    OPTION_CODE,
    OPTION_CHANNEL,
    OPTION_PLACE,
    OPTION_WORDS, /* UTF-8 of at most max bytes */
    OPTION_NUMBER,
    OPTION_LSN, /* any uint64_t */
    OPTION_FLAG,
    OPTION_REAL,    /* min to max */
    OPTION_CODES,   /* a list of at most max codes, into a struct option_codes */
    OPTION_PLACES,  /* likewise, of locations */
    OPTION_SOURCES, /* likewise, of locations and groups of them */
    OPTION_TYPES,   /* true, or a list of at most max words, into a struct option_types */
    OPTION_ROWS,    /* a list of at most max values that `row` takes, into a struct option_rows */
};

struct option_codes {
    struct text *at; /* room for max */
    uint32_t count;
};

struct option_types {
    struct text *at; /* room for max */
    uint32_t count;
    bool all; /* true was given */
};

struct option_rows {
    void *at; /* room for max */
    uint32_t count;
};

struct option {
    const char *name;
    enum option_kind kind;
    size_t value; /* offset of struct text, int64_t, uint64_t, bool, double, or option_codes */
    size_t given; /* offset of a bool that is set if the option is present; 0: none */
    int64_t min, max;
    /* Of OPTION_ROWS: takes the next value as element i of rows; and what they are, in plural. */
    void (*row)(struct params *params, void *rows, uint32_t i);
    const char *what;
};

/* A row of an option table, for members of struct GIVEN, which its file defines. */
#define OPTION(form, option, field, flag, ...)                                                     \
    {                                                                                              \
        .name = option, .kind = form, .value = offsetof(struct GIVEN, field),                      \
        .given = offsetof(struct GIVEN, flag), __VA_ARGS__                                         \
    }

/* The length of an option table. */
#define COUNT_OF(array) (sizeof(array) / sizeof *(array))

/* Takes the options, if any, into *into; a nil, for all of them or for one, counts as absent.
 * Nothing may come after them. A question (params->log) has the option min_lsn, too: while the log
 * is not there, the refusal is CODE_DEFERRED. */
void params_options(struct params *params, const struct option *options, unsigned count,
                    void *into);

/* The option min_lsn of a question of the form [id, {...}], before anything is taken; 0: none. */
uint64_t params_min_lsn(const struct params *params);

#endif

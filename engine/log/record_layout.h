/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records of any type, field by field: for code that shows them, or looks for ids or times in them.
 * Generated from record.def, so a new record or field needs no line here.
 */
#ifndef STOCKD_ENGINE_LOG_RECORD_LAYOUT_H
#define STOCKD_ENGINE_LOG_RECORD_LAYOUT_H

#include "engine/log/record.h"

/* What a field means to a reader. */
enum record_shown {
    SHOWN_NOT,
    SHOWN_WHEN,     /* when the change was made, as clients saw it; at most one in a record */
    SHOWN_NAME,     /* a text that other records refer to by this record's index */
    SHOWN_ID,       /* of the operation or the reservation */
    SHOWN_OP,       /* of a step; empty: none */
    SHOWN_REF,      /* of a movement; a return's is its reservation's id */
    SHOWN_OPTIONAL, /* a text; not shown if empty */
    SHOWN_NUMBER,
    SHOWN_LIMIT, /* a number; not shown if negative */
    SHOWN_FLAG,
    SHOWN_DEGREES, /* not shown if NaN */
    SHOWN_SOURCING,
    SHOWN_CHANNEL, /* by its index */
    SHOWN_ITEM,
    SHOWN_PLACE,    /* a location, by its index */
    SHOWN_CALENDAR, /* by its index + 1; not shown if 0 */
    SHOWN_ETA,      /* a time; not shown if 0 */
    SHOWN_FROM,     /* a location, by its index + 1; not shown if 0 */
    SHOWN_SELLER,   /* a channel, likewise */
    SHOWN_POOL,
    SHOWN_TEXTS,
    SHOWN_DRAWS,
    SHOWN_DRAWN,
    SHOWN_REJECTS,
    SHOWN_REASON,
    SHOWN_SENDS, /* transfers, which have ids of their own */
    SHOWN_SENT,
    SHOWN_CHANGES,
    SHOWN_SOLD,
    SHOWN_STEPS,
    SHOWN_ITEMS,
    SHOWN_MINUTES,
    SHOWN_WEEK,
    SHOWN_DATES,
    SHOWN_EXTRA,
    SHOWN_SUPPLY,
    SHOWN_MOVES,
    SHOWN_LEVELS,
    SHOWN_REFUSED,
};

/* What the flags of a record's head mean. */
enum record_flags {
    FLAGS_BITS,
    FLAGS_KIND,   /* enum movement_kind */
    FLAGS_STATE,  /* enum entry_state */
    FLAGS_SUPPLY, /* enum supply_state, from then on */
};

/* A record of any type, decoded. */
union record_fields {
    struct record_head head;
#define X(tag) struct tag##_fields tag##_;
    RECORD_TAGS(X)
#undef X
};

struct record_field {
    const char *name;
    enum record_shown shown;
    uint16_t at;       /* in union record_fields: a number, a struct text, a pointer or a reader */
    uint16_t count_at; /* lists: of the number of elements */
    uint8_t bytes;     /* of the number, or of the number of elements */
    bool is_signed;
};

struct record_layout {
    const char *name; /* "movement" */
    enum record_flags flags;
    bool (*decode)(const struct record_head *record, union record_fields *fields);
    const struct record_field *fields;
    unsigned field_count;
};

/* NULL: unknown type. */
const struct record_layout *record_layout(unsigned type);

/* The value of an integer field. */
int64_t record_number(const union record_fields *fields, const struct record_field *field);
/* The value of a text field. */
struct text record_text_of(const union record_fields *fields, const struct record_field *field);
/* How many elements a list has. */
uint32_t record_count_of(const union record_fields *fields, const struct record_field *field);

/* When the record's change was made: by the record, as clients and history see it; otherwise by its
 * batch. */
uint64_t record_time_ms(const struct record_head *record, uint64_t batch_ms);

enum { RECORD_IDS = 2 + SENDS_MAX };

/* The ids by which a history query for an id finds this record. Returns how many; -1:
 * unreadable. */
int record_ids(const struct record_head *record, struct text ids[RECORD_IDS]);

#endif

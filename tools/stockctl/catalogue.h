/* SPDX-License-Identifier: Apache-2.0 */
/*
 * catalogue.h - locations, channels, items, calendars and stockings as files: what `export` and
 * `import` share.
 */
#ifndef STOCKCTL_CATALOGUE_H
#define STOCKCTL_CATALOGUE_H

#include "tools/stockctl/ctl.h"
#include "tools/stockctl/hours.h"

enum field_form {
    FIELD_TEXT,  /* UTF-8, at most `most` bytes; an empty cell empties it, or keeps it if `least` */
    FIELD_CODES, /* a,b,c: codes of locations or groups; an empty cell empties it */
    FIELD_RULE,  /* a sourcing rule */
    FIELD_PROMISE, /* what a channel promises */
    FIELD_NUMBER,
    FIELD_REAL,
    FIELD_BOOL, /* yes or no */
    /* As in hours.h; an empty cell empties it, but for a week, which `never` empties. */
    FIELD_WEEK,
    FIELD_DISPATCH,
    FIELD_EXTRA,
    FIELD_DATES,
};

/* Whether fields of that form hold hours, and which. */
bool field_hours(enum field_form form, enum hours_form *hours);

/* An option of the method that sets a record, and the column of the same name. */
struct field {
    const char *name; /* NULL ends a list */
    enum field_form form;
    int64_t least; /* of a number; of a text, 1: it cannot be empty */
    int64_t most;  /* of a number, of a text in bytes, of a list in codes */
};

#define CATALOGUE_FIELDS_MAX 16
#define CATALOGUE_KEYS_MAX 2

struct catalogue_kind {
    const char *name;     /* "places": in the command, and of the list in JSON */
    const char *key;      /* the first column, and the key of a record */
    const char *location; /* the second column: with the first one the key; or NULL */
    const char *list;     /* the method that lists them */
    const char *set;      /* the method that sets one */
    bool paged;           /* the key is an SKU; its list comes in pages, and in no order */
    const char *checks;   /* the field whose codes must be known locations or groups, or NULL */
    struct field field[CATALOGUE_FIELDS_MAX];
};

extern const struct catalogue_kind catalogue_items;
extern const struct catalogue_kind catalogue_channels;
extern const struct catalogue_kind catalogue_places;
extern const struct catalogue_kind catalogue_calendars;
extern const struct catalogue_kind catalogue_stocking;

static inline size_t catalogue_keys(const struct catalogue_kind *kind)
{
    return kind->location != NULL ? 2 : 1;
}

/* Which stockings; NULL: of all items, at all locations. */
struct stocking_filter {
    const char *sku;
    const char *location;
};

/*
 * Each record: its key, and a map with its fields, valid during the callback. Returns an exit code;
 * filter is NULL unless they are stockings, and lsn may be NULL.
 */
int catalogue_each(struct ctl *ctl, const struct catalogue_kind *kind,
                   const struct stocking_filter *filter, uint64_t *lsn, listing_fn *each,
                   void *context);

/* export_catalogue.c, import_catalogue.c */
int catalogue_export(struct ctl *ctl, const struct catalogue_kind *kind);
int catalogue_import(struct ctl *ctl, const struct args *args, const struct catalogue_kind *kind);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* hours.c - opening hours, dispatch times and dates: parsed, packed, and written out again. */
#include "tools/stockctl/hours.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DAY_MINUTES 1440
#define DATE_LEN 10 /* YYYY-MM-DD */

static const char *const days[] = { "mon", "tue", "wed", "thu", "fri", "sat", "sun" };

/* "mon-fri 09:00-18:30", or a part of that. */
struct entry {
    const char *date; /* of DATE_LEN characters; NULL: weekdays instead */
    int first, last;  /* weekdays, 0 is Monday; the last may be before the first */
    int from, to;     /* minutes of the day; a dispatch has only `from` */
};

/* ---- parsing ---------------------------------------------------------------------------------
 */

static void skip_spaces(const char **at)
{
    *at += strspn(*at, " ");
}

static int number_of(const char *digits, size_t count)
{
    int number = 0;

    for (size_t i = 0; i < count; i++)
        number = number * 10 + (digits[i] - '0');
    return number;
}

/* A number of one or two digits. */
static bool take_number(const char **at, int most, int *number)
{
    size_t digits = strspn(*at, "0123456789");

    if (digits < 1 || digits > 2)
        return false;
    *number = number_of(*at, digits);
    *at += digits;
    return *number <= most;
}

/* "9", "09:00", "24:00": minutes of the day. */
static bool take_time(const char **at, int *minutes)
{
    int hour;
    int minute = 0;

    if (!take_number(at, 24, &hour))
        return false;
    if (**at == ':') {
        (*at)++;
        if (strspn(*at, "0123456789") != 2 || !take_number(at, 59, &minute))
            return false;
    }
    *minutes = hour * 60 + minute;
    return *minutes <= DAY_MINUTES;
}

static bool take_day(const char **at, int *day)
{
    for (*day = 0; *day < 7; (*day)++)
        if (strncasecmp(*at, days[*day], 3) == 0) {
            *at += 3;
            return true;
        }
    return false;
}

static int days_in_month(int year, int month)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return lengths[month - 1] + (month == 2 && leap);
}

/* A date that exists. */
static bool take_date(const char **at, struct entry *entry)
{
    static const char form[] = "dddd-dd-dd";

    for (size_t i = 0; i < DATE_LEN; i++) {
        char c = (*at)[i];
        if (form[i] == 'd' ? !isdigit((unsigned char)c) : c != form[i])
            return false;
    }
    entry->date = *at;
    *at += DATE_LEN;
    int month = number_of(entry->date + 5, 2);
    int day = number_of(entry->date + 8, 2);
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= days_in_month(number_of(entry->date, 4), month);
}

static const char *take_weekdays(const char **at, struct entry *entry)
{
    if (!take_day(at, &entry->first))
        return "has a day other than mon, tue, wed, thu, fri, sat or sun";
    entry->last = entry->first;
    if (**at == '-') {
        (*at)++;
        if (!take_day(at, &entry->last))
            return "has a range of days that is not like mon-fri";
    }
    return NULL;
}

static const char *take_span(const char **at, struct entry *entry)
{
    static const char problem[] = "has hours that are not like 09:00-18:30";

    if (!take_time(at, &entry->from) || **at != '-')
        return problem;
    (*at)++;
    if (!take_time(at, &entry->to))
        return problem;
    return entry->from < entry->to ? NULL : "has hours that end before they begin";
}

static const char *take_moment(const char **at, struct entry *entry)
{
    if (!take_time(at, &entry->from) || entry->from == DAY_MINUTES)
        return "has a time that is not like 16:00";
    return NULL;
}

/* Takes one entry and the comma behind it. NULL, or what is wrong. */
static const char *take_entry(enum hours_form form, const char **at, struct entry *entry)
{
    const char *problem = NULL;

    *entry = (struct entry){ 0 };
    skip_spaces(at);
    if (form == HOURS_WEEK || form == HOURS_DISPATCH)
        problem = take_weekdays(at, entry);
    else if (!take_date(at, entry))
        problem = "has a date that is not like 2026-12-24, or does not exist";
    skip_spaces(at);
    if (problem == NULL && form == HOURS_DISPATCH)
        problem = take_moment(at, entry);
    else if (problem == NULL && form != HOURS_DATES)
        problem = take_span(at, entry);
    if (problem != NULL)
        return problem;
    skip_spaces(at);
    if (**at == ',')
        (*at)++;
    else if (**at != '\0')
        return "has more than entries with commas between them";
    return NULL;
}

/* A week that is not set is open all the time: so one without hours must be said in a word. */
static bool is_empty(enum hours_form form, const char *text)
{
    return form == HOURS_WEEK ? strcmp(text, "never") == 0 : text[0] == '\0';
}

const char *hours_check(enum hours_form form, const char *text)
{
    const char *problem = NULL;
    struct entry entry;

    if (is_empty(form, text))
        return NULL;
    if (text[strspn(text, " ")] == '\0')
        return form == HOURS_WEEK ? "is empty; write never if it is" : "is empty";
    while (problem == NULL && *text != '\0')
        problem = take_entry(form, &text, &entry);
    return problem;
}

/* ---- packing ---------------------------------------------------------------------------------
 */

static size_t days_of(const struct entry *entry)
{
    return entry->date != NULL ? 1 : (size_t)((entry->last - entry->first + 7) % 7 + 1);
}

static void pack_entry(enum hours_form form, const struct entry *entry, stockd_pack *pack)
{
    for (size_t i = 0; i < days_of(entry); i++) {
        if (form == HOURS_DATES) {
            stockd_pack_str_n(pack, entry->date, DATE_LEN);
            continue;
        }
        stockd_pack_array(pack, form == HOURS_DISPATCH ? 2 : 3);
        if (entry->date != NULL)
            stockd_pack_str_n(pack, entry->date, DATE_LEN);
        else
            stockd_pack_i64(pack, (entry->first + (int)i) % 7 + 1);
        stockd_pack_i64(pack, entry->from);
        if (form != HOURS_DISPATCH)
            stockd_pack_i64(pack, entry->to);
    }
}

void hours_pack(enum hours_form form, const char *text, stockd_pack *pack)
{
    size_t count = 0;
    struct entry entry;
    const char *end = is_empty(form, text) ? "" : text;

    for (const char *at = end; *at != '\0' && take_entry(form, &at, &entry) == NULL;)
        count += days_of(&entry);
    stockd_pack_array(pack, count);
    for (const char *at = end; *at != '\0' && take_entry(form, &at, &entry) == NULL;)
        pack_entry(form, &entry, pack);
}

/* ---- as text ---------------------------------------------------------------------------------
 */

/* Row [weekday or date, from, to?]; false if it is no such row. */
static bool read_row(enum hours_form form, stockd_value row, struct entry *entry)
{
    stockd_value cell[3] = { 0 };
    int64_t number[3] = { 0 };
    size_t len = 0;
    bool dated = form == HOURS_EXTRA;

    *entry = (struct entry){ 0 };
    for (size_t i = 0; i < (form == HOURS_DISPATCH ? 2 : 3); i++)
        if (!stockd_array_at(row, i, &cell[i]) ||
            !(i == 0 && dated ? stockd_value_str(cell[0], &entry->date, &len)
                              : stockd_value_i64(cell[i], &number[i])))
            return false;
    entry->first = entry->last = (int)number[0] - 1;
    entry->from = (int)number[1];
    entry->to = (int)number[2];
    return dated ? len == DATE_LEN : number[0] >= 1 && number[0] <= 7;
}

static bool same_hours(const struct entry *a, const struct entry *b)
{
    return a->from == b->from && a->to == b->to;
}

/* Lets the entry go on for the days that follow with the same hours, and takes theirs away. */
static void join_days(struct entry *entry, size_t count)
{
    for (size_t i = 1; i < count; i++)
        if (entry[i].first == entry->last + 1 && same_hours(entry, &entry[i])) {
            entry->last++;
            entry[i].first = -1;
        }
}

static const char *day_name(int day)
{
    return days[(unsigned)day % 7];
}

static void put_entry(FILE *out, enum hours_form form, const struct entry *entry)
{
    if (entry->date != NULL)
        fprintf(out, "%.*s", DATE_LEN, entry->date);
    else if (entry->first == entry->last)
        fputs(day_name(entry->first), out);
    else
        fprintf(out, "%s-%s", day_name(entry->first), day_name(entry->last));
    fprintf(out, " %02d:%02d", entry->from / 60, entry->from % 60);
    if (form != HOURS_DISPATCH)
        fprintf(out, "-%02d:%02d", entry->to / 60, entry->to % 60);
}

static void put_dates(FILE *out, stockd_value list)
{
    stockd_iter it = stockd_iterate(list);
    stockd_value date;
    const char *bytes;
    size_t len;
    const char *before = "";

    while (stockd_next(&it, NULL, &date))
        if (stockd_value_str(date, &bytes, &len)) {
            fprintf(out, "%s%.*s", before, (int)len, bytes);
            before = ",";
        }
}

/* The engine's list is sorted by day. */
static void put_hours(FILE *out, enum hours_form form, stockd_value list)
{
    size_t count = 0;
    struct entry *entries = must_alloc(stockd_value_count(list) + 1, sizeof(*entries));
    stockd_iter it = stockd_iterate(list);
    stockd_value row;
    const char *before = "";

    while (stockd_next(&it, NULL, &row))
        count += read_row(form, row, &entries[count]);
    for (size_t i = 0; i < count; i++) {
        if (entries[i].date == NULL && entries[i].first < 0)
            continue;
        if (entries[i].date == NULL)
            join_days(&entries[i], count - i);
        fputs(before, out);
        put_entry(out, form, &entries[i]);
        before = ",";
    }
    free(entries);
}

char *hours_text(enum hours_form form, stockd_value list)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out == NULL) {
        fputs("stockctl: out of memory\n", stderr);
        exit(CTL_USAGE);
    }
    if (form == HOURS_DATES)
        put_dates(out, list);
    else
        put_hours(out, form, list);
    if (form == HOURS_WEEK && ftell(out) == 0)
        fputs("never", out);
    fclose(out);
    return text;
}

bool hours_key(const char *key, enum hours_form *form)
{
    static const struct {
        const char *key;
        enum hours_form form;
    } keys[] = { { "week", HOURS_WEEK },
                 { "dispatch", HOURS_DISPATCH },
                 { "extra", HOURS_EXTRA },
                 { "closed", HOURS_DATES } };

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (strcmp(key, keys[i].key) == 0) {
            *form = keys[i].form;
            return true;
        }
    return false;
}

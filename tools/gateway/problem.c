/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/problem.h"

#include <string.h>

#include "tools/gateway/print.h"

static const struct {
    const char *code;
    unsigned status;
} statuses[] = {
    { "bad_request", 400 },
    { "unauthorized", 401 },
    { "forbidden", 403 },
    { "not_found", 404 },
    { "unknown_method", 404 },
    { "unknown_sku", 404 },
    { "unknown_location", 404 },
    { "unknown_channel", 404 },
    { "unknown_reservation", 404 },
    { "method_not_allowed", 405 },
    { "conflict", 409 },
    { "wrong_state", 409 },
    { "stale", 409 },
    { "expired_id", 409 },
    { "too_large", 413 },
    { "insufficient_stock", 422 },
    { "limit", 422 },
    { "overloaded", 429 },
    { "engine_away", 503 },
    { "not_primary", 503 },
    { "read_only", 503 },
    { "unreadable", 503 },
};

static const struct {
    unsigned status;
    const char *phrase;
} phrases[] = {
    { 400, "Bad Request" },         { 401, "Unauthorized" },
    { 403, "Forbidden" },           { 404, "Not Found" },
    { 405, "Method Not Allowed" },  { 409, "Conflict" },
    { 413, "Content Too Large" },   { 422, "Unprocessable Content" },
    { 429, "Too Many Requests" },   { 500, "Internal Server Error" },
    { 503, "Service Unavailable" },
};

enum { STATUSES = sizeof statuses / sizeof *statuses, PHRASES = sizeof phrases / sizeof *phrases };

unsigned problem_status(const char *code)
{
    for (size_t i = 0; i < STATUSES; i++)
        if (strcmp(statuses[i].code, code) == 0)
            return statuses[i].status;
    return strncmp(code, "unknown_", strlen("unknown_")) == 0 ? 404 : 500;
}

const char *problem_code(unsigned index, unsigned *status)
{
    if (index >= STATUSES)
        return NULL;
    *status = statuses[index].status;
    return statuses[index].code;
}

const char *status_phrase(unsigned status)
{
    for (size_t i = 0; i < PHRASES; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "OK";
}

static void add_member(struct bytes *out, const char *name, const char *value)
{
    bytes_add_string(out, ",\"");
    bytes_add_string(out, name);
    bytes_add_string(out, "\":");
    print_string(out, value, strlen(value));
}

void problem_write(struct bytes *out, const char *code, const char *detail, stockd_value details)
{
    unsigned status = problem_status(code);
    bytes_add_string(out, "{\"status\":");
    bytes_add_unsigned(out, status);
    add_member(out, "title", status_phrase(status));
    add_member(out, "code", code);
    add_member(out, "detail", detail);
    bytes_add_string(out, ",\"details\":{");
    (void)print_pairs(out, details, NULL);
    bytes_add_string(out, "}}");
}

unsigned problem_retry_after(const char *code, stockd_value details)
{
    enum { LONGEST = 3600 };
    uint64_t ms;
    unsigned status = problem_status(code);
    if (status != 429 && status != 503)
        return 0;
    if (!stockd_map_u64(details, "retry_after_ms", &ms) || ms == 0)
        return 1;
    return ms > LONGEST * 1000 ? LONGEST : (unsigned)((ms + 999) / 1000);
}

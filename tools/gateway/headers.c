/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/headers.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

/* Those that a request may have once. */
static const char *const single[] = {
    MHD_HTTP_HEADER_HOST,           MHD_HTTP_HEADER_AUTHORIZATION,     "Idempotency-Key",
    MHD_HTTP_HEADER_CONTENT_LENGTH, MHD_HTTP_HEADER_TRANSFER_ENCODING,
};

enum { SINGLE = sizeof single / sizeof *single };

struct reading {
    struct complaint *why;
    const char *end; /* of the value before; NULL: none */
    bool layout;     /* where the library keeps them says more than it tells */
    unsigned counts[SINGLE];
    bool clear;
};

static bool refuse(struct reading *reading, const char *name, const char *what)
{
    complain(reading->why, name, "%s%s%s", name, *name ? " " : "", what);
    return reading->clear = false;
}

static bool is_token(const char *name)
{
    static const char letters[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "!#$%&'*+-.^_`|~";
    return *name && name[strspn(name, letters)] == '\0';
}

static bool is_text(const char *value)
{
    for (; *value; value++)
        if (((unsigned char)*value < ' ' && *value != '\t') || *value == 0x7f)
            return false;
    return true;
}

/* This version of libmicrohttpd hands out names and values where they came, with a NUL in the place
 * of a colon and of each byte of a line's end. The next three functions go by that to see what it
 * takes and does not tell. Later versions refuse more by themselves. */
static const char lenient_version[] = "0.9.75";

/* It adds a second line of a header to a copy of the name: `Content: 5`, ` -Length` would be a
 * Content-Length. */
static bool is_of_one_line(const char *name, const char *value)
{
    const char *at = name + strlen(name) + 1;
    if ((uintptr_t)value < (uintptr_t)at)
        return false;
    at += strspn(at, " \t");
    return at == value;
}

/* After a value come one or two NULs, of the line's end, and then the next name. A NUL that was
 * sent hides what follows it. */
static bool ends_before(const char *end, const char *name)
{
    return name == end + 1 || (name == end + 2 && end[1] == '\0');
}

/* A line that begins with a colon ends the head for it: the headers after that would be the next
 * request. Between the last value and the real end there are the ends of two lines only. */
static bool ends_head(const char *end, struct MHD_Connection *connection, const char *verb)
{
    enum { TWO_ENDS = 4 };
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    uintptr_t gap = (uintptr_t)verb + info->header_size - (uintptr_t)end;
    if (gap > TWO_ENDS)
        return false;
    for (uintptr_t i = 0; i < gap; i++)
        if (end[i] != '\0')
            return false;
    return true;
}

static bool read_header(struct reading *reading, const char *name, const char *value)
{
    if (!is_token(name))
        return refuse(reading, "", "a header's name has a blank, a control byte or a delimiter");
    if (reading->layout && !is_of_one_line(name, value))
        return refuse(reading, "", "a header goes on in a second line");
    if (!is_text(value) || (reading->layout && reading->end && !ends_before(reading->end, name)))
        return refuse(reading, "", "a header has a control byte");
    reading->end = value + strlen(value);
    for (unsigned i = 0; i < SINGLE; i++)
        if (strcasecmp(name, single[i]) == 0 && ++reading->counts[i] > 1)
            return refuse(reading, single[i], "is there twice");
    return true;
}

static enum MHD_Result on_header(void *context, enum MHD_ValueKind kind, const char *name,
                                 const char *value)
{
    (void)kind;
    return read_header(context, name, value ? value : "") ? MHD_YES : MHD_NO;
}

static bool has(struct MHD_Connection *connection, const char *name)
{
    return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name) != NULL;
}

bool headers_endless(struct MHD_Connection *connection)
{
    const char *encoding =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_TRANSFER_ENCODING);
    return encoding && strcasecmp(encoding, "chunked") != 0;
}

bool headers_clear(struct MHD_Connection *connection, const char *verb, const char *version,
                   struct complaint *why)
{
    struct reading reading = { .why = why,
                               .layout = strcmp(MHD_get_version(), lenient_version) == 0,
                               .clear = true };
    MHD_get_connection_values(connection, MHD_HEADER_KIND, on_header, &reading);
    if (!reading.clear)
        return false;
    if (reading.layout && reading.end && !ends_head(reading.end, connection, verb))
        return refuse(&reading, "", "a header has a control byte or no name");
    if (strcmp(version, MHD_HTTP_VERSION_1_0) != 0 && !has(connection, MHD_HTTP_HEADER_HOST))
        return refuse(&reading, MHD_HTTP_HEADER_HOST, "is missing");
    if (!has(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING))
        return true;
    if (has(connection, MHD_HTTP_HEADER_CONTENT_LENGTH))
        return refuse(&reading, MHD_HTTP_HEADER_CONTENT_LENGTH,
                      "is there beside Transfer-Encoding");
    if (headers_endless(connection) || strcmp(version, MHD_HTTP_VERSION_1_0) == 0)
        return refuse(&reading, MHD_HTTP_HEADER_TRANSFER_ENCODING,
                      "must be chunked, in a request of HTTP/1.1");
    return true;
}

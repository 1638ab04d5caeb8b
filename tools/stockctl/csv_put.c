/* SPDX-License-Identifier: Apache-2.0 */
/* csv_put.c - a field of CSV, in quotes if it needs them. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <csv.h>

static void put(FILE *out, const char *text, size_t len)
{
    bool quote = len == 0 || text[0] == ' ' || text[0] == '\t' || text[len - 1] == ' ' ||
                 text[len - 1] == '\t';

    for (size_t i = 0; i < len && !quote; i++)
        quote = strchr(",\"\r\n", text[i]) != NULL; /* a NUL is found, too */
    if (quote)
        csv_fwrite(out, text, len);
    else
        fwrite(text, 1, len, out);
}

/* What is written in memory goes to standard output later. */
static bool is_for_terminal(FILE *out)
{
    int fd = fileno(out);

    return (fd < 0 || fd == STDOUT_FILENO) && isatty(STDOUT_FILENO) == 1;
}

void csv_put(FILE *out, const char *text, size_t len)
{
    if (!is_for_terminal(out)) {
        put(out, text, len);
        return;
    }
    char *clean = text_clean(text, len);
    put(out, clean, strlen(clean));
    free(clean);
}

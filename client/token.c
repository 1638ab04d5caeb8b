/* SPDX-License-Identifier: Apache-2.0 */
/* The token that `hello` carries: an option, a file, or the environment. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/internal.h"

/* The first line of the file, without blanks around it. */
static int read_file(stockd_client *client, const char *path)
{
    char *line = client->file_token;
    FILE *file = fopen(path, "re");

    if (!file)
        return stk_fail(client, STOCKD_E_ARGUMENT, "token file %s: %s", path, strerror(errno));
    setvbuf(file, NULL, _IONBF, 0); /* a buffer would keep a copy */
    bool good = fgets(line, sizeof client->file_token, file) != NULL;
    bool failed = ferror(file) != 0;
    fclose(file);
    if (failed)
        return stk_fail(client, STOCKD_E_ARGUMENT, "token file %s: it cannot be read", path);
    size_t from = good ? strspn(line, " \t") : 0;
    size_t len = good ? strcspn(line + from, " \t\r\n") : 0;
    if (len == 0 || from + len + 1 >= sizeof client->file_token)
        return stk_fail(client, STOCKD_E_ARGUMENT, "token file %s: its first line is no token",
                        path);
    memmove(line, line + from, len);
    line[len] = '\0';
    return STOCKD_OK;
}

int stk_find_token(stockd_client *client, const char **token)
{
    *token = client->token;
    if (client->token || !client->token_file)
        return STOCKD_OK;
    *token = client->file_token;
    return read_file(client, client->token_file);
}

const char *stk_token_of_environment(void)
{
    const char *token = getenv("STOCKD_TOKEN");

    return token && *token ? token : NULL;
}

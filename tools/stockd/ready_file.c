/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/ready_file.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "protocol/server.h"
#include "tools/stockd/options.h"

struct temporary {
    char path[VALUE_MAX + 32];
};

static struct temporary beside(const char *path)
{
    struct temporary temporary;
    snprintf(temporary.path, sizeof temporary.path, "%s.%ld", path, (long)getpid());
    return temporary;
}

int ready_file_prepare(const char *path, const struct server *server, const char *http)
{
    struct temporary temporary = beside(path);
    FILE *file = fopen(temporary.path, "we");
    if (!file)
        return errno;
    const char *address;
    for (unsigned i = 0; (address = server_address(server, i)); i++)
        fprintf(file, "%s\n", address);
    if (http)
        fprintf(file, "%s\n", http);
    bool bad = ferror(file);
    if (fclose(file) == 0 && !bad)
        return 0;
    unlink(temporary.path);
    return EIO;
}

int ready_file_show(const char *path)
{
    struct temporary temporary = beside(path);
    if (rename(temporary.path, path) == 0)
        return 0;
    int error = errno;
    unlink(temporary.path);
    return error;
}

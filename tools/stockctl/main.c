/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - stockctl: one command of the command line. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/commands.h"

static int no_command(void)
{
    command_help(stderr);
    return CTL_USAGE;
}

int main(int argc, char **argv)
{
    struct ctl ctl = { .server = getenv("STOCKD_SERVER"), .name = ctl_default_name() };
    size_t used;
    int code;

    if (ctl.server == NULL || ctl.server[0] == '\0')
        ctl.server = CTL_DEFAULT_SERVER;
    setlocale(LC_CTYPE, "C.UTF-8"); /* for character widths; without it each counts as one */
    if (command_options(&ctl, (size_t)argc - 1, argv + 1, &used, &code))
        code = used + 1 < (size_t)argc ? command_run(&ctl, (size_t)argc - 1 - used, argv + 1 + used)
                                       : no_command();
    stockd_close(ctl.client);
    free(ctl.name);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "stockctl: cannot write the output: %s\n", strerror(errno));
        return CTL_USAGE;
    }
    return code;
}

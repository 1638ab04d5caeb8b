/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - stockctl: one command of the command line, or a shell. */
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/stockctl/commands.h"
#include "tools/stockctl/shell/shell.h"

/* Without a command: on a terminal a shell; else commands from a pipe or a file. What is neither,
 * as /dev/null under cron, is more likely a command that was forgotten. */
static int run_shell(struct ctl *ctl)
{
    struct stat status;

    if (isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1)
        return shell_interactive(ctl);
    if (isatty(STDIN_FILENO) == 1 ||
        (fstat(STDIN_FILENO, &status) == 0 &&
         (S_ISFIFO(status.st_mode) || S_ISREG(status.st_mode) || S_ISSOCK(status.st_mode))))
        return shell_batch(ctl);
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
                                       : run_shell(&ctl);
    stockd_close(ctl.client);
    free(ctl.name);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "stockctl: cannot write the output: %s\n", strerror(errno));
        return CTL_USAGE;
    }
    return code;
}

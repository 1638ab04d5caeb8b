/* SPDX-License-Identifier: Apache-2.0 */
/* stockctl.c - the command line of a running stockd, for people and scripts. */
#include "tools/stockctl/ctl.h"

#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *title;
    const struct command *commands;
} groups[] = {
    { "The engine", server_commands },       { "Catalogue", catalogue_commands },
    { "Places and time", place_commands },   { "Stock", stock_commands },
    { "On its way", supply_commands },       { "The past", history_commands },
    { "Figures", report_commands },          { "What changes", feed_commands },
    { "Before an order", where_commands },   { "Reservations", order_commands },
    { "What is to do", orders_commands },    { "Files and trials", bulk_commands },
    { "The Redis mirror", mirror_commands }, { "Who may do what", token_commands },
};

#define GROUPS (sizeof(groups) / sizeof(groups[0]))

static void print_help(FILE *out)
{
    fputs("Usage: stockctl [-s HOST:PORT|tls://HOST:PORT|unix:PATH] [--json] COMMAND ...\n\n"
          "Talks to a running stockd, the real-time stock engine.\n",
          out);
    for (size_t g = 0; g < GROUPS; g++) {
        fprintf(out, "\n%s:\n", groups[g].title);
        for (const struct command *command = groups[g].commands; command->name != NULL; command++)
            fprintf(out, "  %-16s %s\n", command->name, command->summary);
    }
    fputs("\nOptions, before or after the command:\n"
          "  -s, --server ADDRESS  HOST:PORT, tls://HOST:PORT or unix:PATH; without it the\n"
          "                        environment's STOCKD_SERVER, else " CTL_DEFAULT_SERVER "\n"
          "  --cacert FILE         who may vouch for an engine at tls://; without it the\n"
          "                        system's authorities\n"
          "  --cert FILE, --key FILE  a certificate to show the engine, and its key\n"
          "  --as NAME             the caller's name, for the history; without it USER@stockctl\n"
          "  --token-file FILE     its first line is the access token; without it the\n"
          "                        environment's STOCKD_TOKEN, if the engine has tokens\n"
          "  --json                print the engine's result, or its error, as JSON\n"
          "  -h, --help            this text; after a command its options and an example\n"
          "  --version             print the version\n\n"
          "Exit status: 0 done, 1 refused by the engine, 2 usage or a bad file,\n"
          "3 the engine cannot be reached.\n",
          out);
}

static void print_version(void)
{
    puts("stockctl " STOCKD_CLIENT_VERSION);
}

static void print_options(const struct command *command)
{
    char left[48];

    if (command->options == NULL)
        return;
    fputs("\nOptions:\n", stdout);
    for (size_t i = 0; command->options[i].name != NULL; i++) {
        const struct option *option = &command->options[i];
        const char letter[] = { '-', command_letter(command, i), ',', ' ', '\0' };
        if (option->help == NULL)
            continue;
        snprintf(left, sizeof(left), "%s--%s%s%s", letter[1] != '\0' ? letter : "", option->name,
                 option->value != NULL ? " " : "", option->value != NULL ? option->value : "");
        printf("  %-24s %s\n", left, option->help);
    }
}

static void print_command_help(const struct command *command)
{
    printf("Usage: stockctl %s%s%s\n\n%s\n", command->name, command->usage[0] != '\0' ? " " : "",
           command->usage, command->summary);
    if (command->details != NULL)
        printf("\n%s\n", command->details);
    print_options(command);
    printf("\nExample:\n  %s\n", command->example);
}

/* How many of the words name the command: one, two, or 0 if they do not. */
static size_t words_matching(const struct command *command, int argc, char *const *argv)
{
    size_t first = strcspn(command->name, " ");

    if (strlen(argv[0]) != first || memcmp(argv[0], command->name, first) != 0)
        return 0;
    if (command->name[first] == '\0')
        return 1;
    return argc > 1 && strcmp(argv[1], command->name + first + 1) == 0 ? 2 : 0;
}

/* "item set" goes before "item". */
static const struct command *find_command(int argc, char *const *argv, size_t *words)
{
    const struct command *found = NULL;

    *words = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        for (const struct command *command = groups[g].commands; command->name != NULL; command++) {
            size_t matching = words_matching(command, argc, argv);
            if (matching <= *words)
                continue;
            found = command;
            *words = matching;
        }
    }
    return found;
}

/* For "location" or "import" alone: the commands that begin with it. Returns how many. */
static size_t print_family(FILE *out, const char *word)
{
    size_t len = strlen(word);
    size_t count = 0;

    for (size_t g = 0; g < GROUPS; g++)
        for (const struct command *command = groups[g].commands; command->name != NULL; command++)
            if (strncmp(command->name, word, len) == 0 && command->name[len] == ' ')
                fprintf(out, "%sstockctl %s %s\n", count++ == 0 ? "Usage: " : "       ",
                        command->name, command->usage);
    return count;
}

static void say_unknown(const char *word)
{
    struct nearest nearest = { .typed = word };

    for (size_t g = 0; g < GROUPS; g++)
        for (const struct command *command = groups[g].commands; command->name != NULL; command++)
            nearest_try(&nearest, command->name, strcspn(command->name, " "));
    fprintf(stderr, "stockctl: unknown command '%s'", word);
    if (nearest.name != NULL)
        fprintf(stderr, "; did you mean '%.*s'?", (int)nearest.len, nearest.name);
    fputs("\nTry 'stockctl --help'.\n", stderr);
}

static int unknown_command(int argc, char *const *argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            if (print_family(stdout, argv[0]) > 0)
                return CTL_DONE;
    if (print_family(stderr, argv[0]) == 0)
        say_unknown(argv[0]);
    return CTL_USAGE;
}

/* "help", "help COMMAND" */
static int run_help(int argc, char *const *argv)
{
    size_t words;

    if (argc == 1) {
        print_help(stdout);
        return CTL_DONE;
    }
    const struct command *command = find_command(argc - 1, argv + 1, &words);
    if (command != NULL)
        print_command_help(command);
    else if (print_family(stdout, argv[1]) == 0)
        say_unknown(argv[1]);
    else
        return CTL_DONE;
    return command != NULL ? CTL_DONE : CTL_USAGE;
}

static int run_command(struct ctl *ctl, int argc, char *const *argv)
{
    size_t words;
    struct args args;
    const struct command *command = find_command(argc, argv, &words);

    if (strcmp(argv[0], "help") == 0)
        return run_help(argc, argv);
    if (command == NULL)
        return unknown_command(argc, argv);
    int failed = args_parse(&args, ctl, command, (size_t)argc - words, argv + words);
    if (failed == CTL_DONE && args.help)
        print_command_help(command);
    else if (failed == CTL_DONE && args.version)
        print_version();
    else if (failed == CTL_DONE)
        failed = command->run(ctl, &args);
    args_free(&args);
    stockd_close(ctl->client);
    return failed;
}

/* Options before the command. Returns the index of the command, or -1 if nothing is left to do. */
static int global_options(struct ctl *ctl, int argc, char *const *argv, int *code)
{
    const char *problem = NULL;
    size_t at = 1;

    *code = CTL_DONE;
    for (; at < (size_t)argc && argv[at][0] == '-'; at++) {
        if (args_global(ctl, (size_t)argc, argv, &at, &problem) && problem == NULL)
            continue;
        if (strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "--help") == 0) {
            print_help(stdout);
            return -1;
        } else if (strcmp(argv[at], "--version") == 0) {
            print_version();
            return -1;
        } else {
            fprintf(stderr, "stockctl: %s%s\nTry 'stockctl --help'.\n",
                    problem != NULL ? problem : "unknown option ", problem != NULL ? "" : argv[at]);
            *code = CTL_USAGE;
            return -1;
        }
    }
    if (at >= (size_t)argc) {
        print_help(stderr);
        *code = CTL_USAGE;
        return -1;
    }
    return (int)at;
}

int main(int argc, char **argv)
{
    struct ctl ctl = { .server = getenv("STOCKD_SERVER"), .name = ctl_default_name() };
    int code;

    if (ctl.server == NULL || ctl.server[0] == '\0')
        ctl.server = CTL_DEFAULT_SERVER;
    setlocale(LC_CTYPE, "C.UTF-8"); /* for character widths; without it each counts as one */
    int at = global_options(&ctl, argc, argv, &code);
    if (at > 0)
        code = run_command(&ctl, argc - at, argv + at);
    free(ctl.name);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "stockctl: cannot write the output: %s\n", strerror(errno));
        return CTL_USAGE;
    }
    return code;
}

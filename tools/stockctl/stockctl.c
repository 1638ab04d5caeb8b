/* SPDX-License-Identifier: Apache-2.0 */
/* stockctl.c - the commands: which there are, their help, and running one. */
#include "tools/stockctl/commands.h"
#include "tools/stockctl/output.h"

#include <stdlib.h>
#include <string.h>

const struct command_group command_groups[] = {
    { "The engine", server_commands },       { "Catalogue", catalogue_commands },
    { "Places and time", place_commands },   { "Stock", stock_commands },
    { "On its way", supply_commands },       { "The past", history_commands },
    { "Figures", report_commands },          { "What changes", feed_commands },
    { "Before an order", where_commands },   { "Reservations", order_commands },
    { "What is to do", orders_commands },    { "Files and trials", bulk_commands },
    { "The Redis mirror", mirror_commands }, { "Who may do what", token_commands },
};

#define GROUPS (sizeof(command_groups) / sizeof(command_groups[0]))

const size_t command_group_count = GROUPS;

void command_help(FILE *out)
{
    fputs("Usage: stockctl [-s ADDRESS,...] [-o FORMAT] [COMMAND ...]\n\n"
          "Talks to a running stockd, the real-time stock engine. Without a command, on a\n"
          "terminal: an interactive shell; else it reads commands from standard input, one a\n"
          "line, runs them all, and exits as the first that failed.\n",
          out);
    for (size_t g = 0; g < GROUPS; g++) {
        fprintf(out, "\n%s:\n", command_groups[g].title);
        for (const struct command *command = command_groups[g].commands; command->name != NULL;
             command++)
            fprintf(out, "  %-16s %s\n", command->name, command->summary);
    }
    fputs("\nOptions, before or after the command:\n"
          "  -s, --server ADDRESS  HOST:PORT, tls://HOST:PORT or unix:PATH; of a cluster several,\n"
          "                        A,B,C: a change goes to the primary, and what was not answered\n"
          "                        is sent again with its id; without -s the environment's\n"
          "                        STOCKD_SERVER, else " CTL_DEFAULT_SERVER "\n"
          "  --cacert FILE         who may vouch for an engine at tls://; without it the\n"
          "                        system's authorities\n"
          "  --cert FILE, --key FILE  a certificate to show the engine, and its key\n"
          "  --as NAME             the caller's name, for the history; without it USER@stockctl\n"
          "  --token-file FILE     its first line is the access token; without it the\n"
          "                        environment's STOCKD_TOKEN, if the engine has tokens\n"
          "  -o, --output FORMAT   table, json, csv, or ndjson (one JSON object a line)\n"
          "  --json                the same as --output json\n"
          "  -h, --help            this text; after a command its options and an example\n"
          "  --version             print the version\n\n"
          "Exit status: 0 done, 1 refused by the engine, 2 usage or a bad file,\n"
          "3 the engine cannot be reached.\n",
          out);
}

void command_version(void)
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
    if (command->formats != NULL)
        printf("\nFormats of --output: %s.\n", command->formats);
    printf("\nExample:\n  %s\n", command->example);
}

/* How many of the words name the command: one, two, or 0 if they do not. */
static size_t words_matching(const struct command *command, size_t argc, char *const *argv)
{
    size_t first = strcspn(command->name, " ");

    if (strlen(argv[0]) != first || memcmp(argv[0], command->name, first) != 0)
        return 0;
    if (command->name[first] == '\0')
        return 1;
    return argc > 1 && strcmp(argv[1], command->name + first + 1) == 0 ? 2 : 0;
}

const struct command *command_find(size_t argc, char *const *argv, size_t *words)
{
    const struct command *found = NULL;

    *words = 0;
    for (size_t g = 0; g < GROUPS; g++) {
        for (const struct command *command = command_groups[g].commands; command->name != NULL;
             command++) {
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
        for (const struct command *command = command_groups[g].commands; command->name != NULL;
             command++)
            if (strncmp(command->name, word, len) == 0 && command->name[len] == ' ')
                fprintf(out, "%sstockctl %s %s\n", count++ == 0 ? "Usage: " : "       ",
                        command->name, command->usage);
    return count;
}

static void say_unknown(const char *word)
{
    struct nearest nearest = { .typed = word };

    for (size_t g = 0; g < GROUPS; g++)
        for (const struct command *command = command_groups[g].commands; command->name != NULL;
             command++)
            nearest_try(&nearest, command->name, strcspn(command->name, " "));
    char *clean = text_clean(word, strlen(word));

    fprintf(stderr, "stockctl: unknown command '%s'", clean);
    free(clean);
    if (nearest.name != NULL)
        fprintf(stderr, "; did you mean '%.*s'?", (int)nearest.len, nearest.name);
    fputs("\nTry 'stockctl --help'.\n", stderr);
}

static int unknown_command(size_t argc, char *const *argv)
{
    for (size_t i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            if (print_family(stdout, argv[0]) > 0)
                return CTL_DONE;
    if (print_family(stderr, argv[0]) == 0)
        say_unknown(argv[0]);
    return CTL_USAGE;
}

/* "help", "help COMMAND" */
static int run_help(size_t argc, char *const *argv)
{
    size_t words;

    if (argc == 1) {
        command_help(stdout);
        return CTL_DONE;
    }
    const struct command *command = command_find(argc - 1, argv + 1, &words);
    if (command != NULL)
        print_command_help(command);
    else if (print_family(stdout, argv[1]) == 0)
        say_unknown(argv[1]);
    else
        return CTL_DONE;
    return command != NULL ? CTL_DONE : CTL_USAGE;
}

static int no_format(const struct args *args, enum output output)
{
    return usage_error(args, "it has no %s; its formats: %s", output_name(output),
                       args->command->formats);
}

int command_run(struct ctl *ctl, size_t argc, char *const *argv)
{
    size_t words;
    struct args args;
    const struct command *command = command_find(argc, argv, &words);

    if (strcmp(argv[0], "help") == 0)
        return run_help(argc, argv);
    if (command == NULL)
        return unknown_command(argc, argv);
    int failed = args_parse(&args, ctl, command, argc - words, argv + words);
    if (failed == CTL_DONE && args.help)
        print_command_help(command);
    else if (failed == CTL_DONE && args.version)
        command_version();
    else if (failed == CTL_DONE && !output_possible(command, ctl->output))
        failed = no_format(&args, ctl->output);
    else if (failed == CTL_DONE) {
        output_begin(ctl, command);
        failed = command->apart && ctl->run_apart != NULL ? ctl->run_apart(ctl, &args)
                                                          : command->run(ctl, &args);
    }
    args_free(&args);
    return failed;
}

bool command_options(struct ctl *ctl, size_t argc, char *const *argv, size_t *used, int *code)
{
    const char *problem = NULL;
    size_t at = 0;

    *code = CTL_DONE;
    for (; at < argc && argv[at][0] == '-'; at++) {
        if (args_global(ctl, argc, argv, &at, &problem) && problem == NULL)
            continue;
        if (strcmp(argv[at], "-h") == 0 || strcmp(argv[at], "--help") == 0) {
            command_help(stdout);
        } else if (strcmp(argv[at], "--version") == 0) {
            command_version();
        } else {
            char *word = text_clean(argv[at], strlen(argv[at]));
            fprintf(stderr, "stockctl: %s%s\nTry 'stockctl --help'.\n",
                    problem != NULL ? problem : "unknown option ", problem != NULL ? "" : word);
            free(word);
            *code = CTL_USAGE;
        }
        return false;
    }
    *used = at;
    return true;
}

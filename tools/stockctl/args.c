/* SPDX-License-Identifier: Apache-2.0 */
/*
 * args.c - the command line after the command's name.
 *
 * Options may stand anywhere, as --name VALUE or --name=VALUE; "--" ends them. A word that begins
 * with a dash and a digit is a number, not an option: `adjust SKU main -3` must work.
 */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* vasprintf */
#endif
#include "tools/stockctl/ctl.h"
#include "tools/stockctl/hours.h"
#include "tools/stockctl/output.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

int usage_error(const struct args *args, const char *format, ...)
{
    va_list list;
    char *text = NULL;

    va_start(list, format);
    if (vasprintf(&text, format, list) < 0)
        text = text_format("?");
    va_end(list);
    char *clean = text_clean(text, strlen(text));
    fprintf(stderr, "stockctl: %s: %s\nTry 'stockctl %s --help'.\n", args->command->name, clean,
            args->command->name);
    free(clean);
    free(text);
    return CTL_USAGE;
}

static size_t options_of(const struct command *command)
{
    size_t count = 0;
    while (command->options != NULL && command->options[count].name != NULL)
        count++;
    return count;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && (word[1] < '0' || word[1] > '9');
}

/* The parser's position. */
struct words {
    char *const *word;
    size_t count;
    size_t at;
};

/* The value of the current option: after its '=', or the next word. */
static const char *take_value(struct words *words, const char *equals)
{
    if (equals != NULL)
        return equals + 1;
    return words->at < words->count ? words->word[words->at++] : NULL;
}

/* Whether the word is that option, alone or with a value: "--as", "--as=ann". */
static bool is_named(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 && (word[len] == '\0' || word[len] == '=');
}

static const char *take_name(struct ctl *ctl, const char *name)
{
    size_t len = name != NULL ? strlen(name) : 0;

    if (len == 0 || len > CTL_NAME_MAX || !bytes_are_utf8(name, len))
        return "--as needs a name: 1 to 128 bytes of UTF-8";
    free(ctl->name);
    ctl->name = text_format("%s", name);
    return NULL;
}

/* Options that name a file: *file is where it belongs. */
static bool file_option(struct ctl *ctl, const char *word, const char ***file)
{
    *file = is_named(word, "--cacert") ? &ctl->ca_file
            : is_named(word, "--cert") ? &ctl->cert_file
            : is_named(word, "--key")  ? &ctl->key_file
                                       : NULL;
    return *file != NULL;
}

static const char *take_output(struct ctl *ctl, const char *name)
{
    if (name != NULL && output_named(name, &ctl->output))
        return NULL;
    return "-o needs a format: table, json, csv or ndjson";
}

bool args_global(struct ctl *ctl, size_t argc, char *const *argv, size_t *at, const char **problem)
{
    struct words words = { .word = argv, .count = argc, .at = *at + 1 };
    const char *word = argv[*at];
    const char **file;

    *problem = NULL;
    if (strcmp(word, "--json") == 0) {
        ctl->output = OUTPUT_JSON;
    } else if (is_named(word, "-o") || is_named(word, "--output")) {
        *problem = take_output(ctl, take_value(&words, strchr(word, '=')));
    } else if (is_named(word, "-s") || is_named(word, "--server")) {
        ctl->server = take_value(&words, strchr(word, '='));
        if (ctl->server == NULL)
            *problem =
                "-s needs an address: HOST:PORT, tls://HOST:PORT or unix:PATH, or several: A,B,C";
    } else if (is_named(word, "--token-file")) {
        ctl->token_file = take_value(&words, strchr(word, '='));
        if (ctl->token_file == NULL || ctl->token_file[0] == '\0')
            *problem = "--token-file needs a file, whose first line is the token";
    } else if (file_option(ctl, word, &file)) {
        *file = take_value(&words, strchr(word, '='));
        if (*file == NULL)
            *problem = "--cacert, --cert and --key need a file";
    } else if (is_named(word, "--as")) {
        *problem = take_name(ctl, take_value(&words, strchr(word, '=')));
    } else {
        return false;
    }
    *at = words.at - 1;
    return true;
}

/* Options that every command has. True if the word was one. */
static bool global_option(struct args *args, struct ctl *ctl, const char *word, struct words *words,
                          int *failed)
{
    const char *problem = NULL;
    size_t at = words->at - 1;

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        args->help = true;
    } else if (strcmp(word, "--version") == 0) {
        args->version = true;
    } else if (!args_global(ctl, words->count, words->word, &at, &problem)) {
        return false;
    }
    words->at = at + 1;
    if (problem != NULL)
        *failed = usage_error(args, "%s", problem);
    return true;
}

static int no_option(const struct args *args, const char *word, size_t len)
{
    char *typed = text_format("%.*s", (int)(len > 2 ? len - 2 : 0), word + (len > 2 ? 2 : 0));
    struct nearest nearest = { .typed = typed };

    for (size_t i = 0; i < options_of(args->command); i++)
        if (args->command->options[i].help != NULL)
            nearest_try(&nearest, args->command->options[i].name,
                        strlen(args->command->options[i].name));
    int failed = nearest.name != NULL ? usage_error(args, "unknown option %.*s; did you mean --%s?",
                                                    (int)len, word, nearest.name)
                                      : usage_error(args, "unknown option %.*s", (int)len, word);
    free(typed);
    return failed;
}

char command_letter(const struct command *command, size_t option)
{
    if (command->letters == NULL || option >= strlen(command->letters))
        return '\0';
    return command->letters[option];
}

/* Whether that is how the option is called: "--delay", of which len bytes are the name with its
 * dashes, or "-d". */
static bool is_called(const char *word, size_t len, const char *name, char letter)
{
    if (len == 2)
        return letter != '\0' && word[1] == letter;
    return len > 2 && strlen(name) == len - 2 && memcmp(word + 2, name, len - 2) == 0;
}

static int command_option(struct args *args, const char *word, struct words *words)
{
    const char *equals = strchr(word, '=');
    size_t len = equals != NULL ? (size_t)(equals - word) : strlen(word);
    const struct option *options = args->command->options;

    for (size_t i = 0; i < options_of(args->command); i++) {
        const char *name = options[i].name;
        if (!is_called(word, len, name, command_letter(args->command, i)))
            continue;
        if (args->given[i] != NULL)
            return usage_error(args, "--%s was given twice", name);
        if (options[i].type == OPTION_FLAG || options[i].type == OPTION_UNFLAG) {
            if (equals != NULL)
                return usage_error(args, "--%s takes no value", name);
            args->given[i] = "";
            return CTL_DONE;
        }
        args->given[i] = take_value(words, equals);
        if (args->given[i] == NULL)
            return usage_error(args, "--%s needs a value: %s", name, options[i].value);
        return CTL_DONE;
    }
    return no_option(args, word, len);
}

static int check_count(const struct args *args)
{
    if (args->help || args->version)
        return CTL_DONE;
    if (args->count < args->command->least)
        return usage_error(args, "too few arguments: %s", args->command->usage);
    if (args->count > args->command->most)
        return usage_error(args, "too many arguments, starting at '%s': %s",
                           args->positional[args->command->most], args->command->usage);
    return CTL_DONE;
}

int args_parse(struct args *args, struct ctl *ctl, const struct command *command, size_t argc,
               char *const *argv)
{
    struct words words = { .word = argv, .count = argc };
    bool only_positional = false;
    int failed = CTL_DONE;

    *args = (struct args){ .command = command };
    args->positional = must_alloc(argc + 1, sizeof(*args->positional));
    args->given = must_alloc(options_of(command) + 1, sizeof(*args->given));
    while (words.at < words.count && failed == CTL_DONE) {
        const char *word = words.word[words.at++];
        if (only_positional || !is_option(word))
            args->positional[args->count++] = word;
        else if (strcmp(word, "--") == 0)
            only_positional = true;
        else if (!global_option(args, ctl, word, &words, &failed))
            failed = command_option(args, word, &words);
    }
    return failed != CTL_DONE ? failed : check_count(args);
}

void args_free(struct args *args)
{
    free(args->positional);
    free(args->given);
    *args = (struct args){ .command = args->command };
}

const char *args_option(const struct args *args, const char *name)
{
    for (size_t i = 0; i < options_of(args->command); i++)
        if (strcmp(args->command->options[i].name, name) == 0)
            return args->given[i];
    return NULL;
}

size_t args_option_count(const struct args *args)
{
    size_t count = 0;
    for (size_t i = 0; i < options_of(args->command); i++)
        count += args->given[i] != NULL && args->command->options[i].key != NULL;
    return count;
}

void pack_list(stockd_pack *pack, const char *text)
{
    size_t count = text[0] != '\0';
    for (const char *at = text; *at != '\0'; at++)
        count += *at == ',';
    stockd_pack_array(pack, count);
    for (; count > 0; count--) {
        size_t len = strcspn(text, ",");
        stockd_pack_str_n(pack, text, len);
        text += len + (text[len] == ',');
    }
}

static int pack_duration(const struct args *args, const struct option *option, const char *text,
                         stockd_pack *pack)
{
    int64_t ms;
    if (!parse_duration(text, &ms))
        return usage_error(args, "--%s: '%s' is not a duration like 500ms, 90s, 15m, 2h or 1d",
                           option->name, text);
    stockd_pack_i64(pack, option->type == OPTION_SECONDS ? ms / 1000 : ms);
    return CTL_DONE;
}

static int pack_number(const struct args *args, const struct option *option, const char *text,
                       stockd_pack *pack)
{
    int64_t number;
    if (!parse_int(text, &number) || (option->type == OPTION_COUNT && number < 0))
        return usage_error(args, "--%s: '%s' is not a whole number%s", option->name, text,
                           option->type == OPTION_COUNT ? " of 0 or more" : "");
    stockd_pack_i64(pack, number);
    return CTL_DONE;
}

static int pack_hours(const struct args *args, const struct option *option, const char *text,
                      stockd_pack *pack)
{
    enum hours_form form = HOURS_DATES;

    if (option->type == OPTION_WEEK)
        form = HOURS_WEEK;
    else if (option->type == OPTION_DISPATCH)
        form = HOURS_DISPATCH;
    else if (option->type == OPTION_EXTRA)
        form = HOURS_EXTRA;
    const char *problem = hours_check(form, text);
    if (problem != NULL)
        return usage_error(args, "--%s: '%s' %s", option->name, text, problem);
    hours_pack(form, text, pack);
    return CTL_DONE;
}

static int pack_option(const struct args *args, const struct option *option, const char *text,
                       stockd_pack *pack)
{
    bool yes = true;
    double real;
    int64_t ms;

    switch (option->type) {
    case OPTION_TEXT:
        stockd_pack_str(pack, text);
        return CTL_DONE;
    case OPTION_LIST:
        pack_list(pack, text);
        return CTL_DONE;
    case OPTION_WEEK:
    case OPTION_DISPATCH:
    case OPTION_EXTRA:
    case OPTION_DATES:
        return pack_hours(args, option, text, pack);
    case OPTION_INT:
    case OPTION_COUNT:
        return pack_number(args, option, text, pack);
    case OPTION_SECONDS:
    case OPTION_MILLIS:
        return pack_duration(args, option, text, pack);
    case OPTION_REAL:
        if (!parse_real(text, &real))
            return usage_error(args, "--%s: '%s' is not a number", option->name, text);
        stockd_pack_double(pack, real);
        return CTL_DONE;
    case OPTION_TIME:
        if (!parse_time(text, &ms))
            return usage_error(args, "--%s: '%s' is not a time like 2025-03-01T14:05:00 or +2h",
                               option->name, text);
        stockd_pack_i64(pack, ms);
        return CTL_DONE;
    case OPTION_BOOL:
        if (!parse_bool(text, &yes))
            return usage_error(args, "--%s: '%s' is neither yes nor no", option->name, text);
        break;
    case OPTION_FLAG:
        break;
    case OPTION_UNFLAG:
        yes = false;
        break;
    }
    stockd_pack_bool(pack, yes);
    return CTL_DONE;
}

int args_pack_options(const struct args *args, stockd_pack *pack)
{
    stockd_pack_map(pack, args_option_count(args));
    return args_pack_pairs(args, pack);
}

int args_pack_pairs(const struct args *args, stockd_pack *pack)
{
    const struct option *options = args->command->options;

    for (size_t i = 0; i < options_of(args->command); i++) {
        if (args->given[i] == NULL || options[i].key == NULL)
            continue;
        stockd_pack_str(pack, options[i].key);
        int failed = pack_option(args, &options[i], args->given[i], pack);
        if (failed != CTL_DONE)
            return failed;
    }
    return CTL_DONE;
}

int args_int(const struct args *args, const char *name, const char *text, int64_t least,
             int64_t most, int64_t *out)
{
    if (!parse_int(text, out))
        return usage_error(args, "%s: '%s' is not a whole number", name, text);
    if (*out < least || *out > most)
        return usage_error(args, "%s: %s is not between %lld and %lld", name, text,
                           (long long)least, (long long)most);
    return CTL_DONE;
}

/*
 * An SKU may itself contain ':' and '@', so the text is read from its end: the last ':' must be
 * followed by a quantity. Only a text with neither character may leave the quantity out.
 */
int args_order_line(const struct args *args, const char *text, struct order_line *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL) {
        if (strchr(text, '@') != NULL)
            return usage_error(args, "'%s' names a location but no quantity: SKU:QTY@LOCATION",
                               text);
        *out = (struct order_line){ .sku = text, .sku_len = strlen(text), .qty = 1 };
        return CTL_DONE;
    }
    char number[24];
    size_t len = strcspn(colon + 1, "@");
    if (len == 0 || len >= sizeof(number) || colon == text)
        return usage_error(args, "'%s' is not of the form SKU:QTY or SKU:QTY@LOCATION", text);
    memcpy(number, colon + 1, len);
    number[len] = '\0';

    const char *rest = colon + 1 + len;
    *out = (struct order_line){ .sku = text, .sku_len = (size_t)(colon - text) };
    out->location = *rest == '@' ? rest + 1 : NULL;
    int failed = args_int(args, text, number, 1, CTL_QUANTITY_MAX, &out->qty);
    if (failed == CTL_DONE && out->location != NULL && out->location[0] == '\0')
        return usage_error(args, "'%s' has no location after the '@'", text);
    return failed;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* complete.c - what a line of the shell may go on with. */
#include "tools/stockctl/shell/complete.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "tools/stockctl/commands.h"
#include "tools/stockctl/shell/words.h"

#define ARGUMENTS_MAX 8 /* of a command, as its usage has them */

/* A line that is being typed. */
struct line {
    struct names *names;
    const struct words *words; /* before the last one */
    const struct command *command;
    size_t command_words; /* how many of them name it */
    struct candidates *candidates;
};

static void try_text(struct line *line, const char *text)
{
    candidates_try(line->candidates, text, strlen(text));
}

static void try_name(void *context, const char *name, size_t len)
{
    candidates_try(context, name, len);
}

static void try_names(struct line *line, enum name_kind kind)
{
    names_each(line->names, kind, try_name, line->candidates);
}

/* Each of "a|b|c", if they are words to type and not names of values. */
static void try_alternatives(struct line *line, const char *text)
{
    if (strchr(text, '|') == NULL || (text[0] >= 'A' && text[0] <= 'Z'))
        return;
    while (*text != '\0') {
        size_t len = strcspn(text, "|");
        candidates_try(line->candidates, text, len);
        text += len + (text[len] == '|');
    }
}

/* What was typed counts from behind that character on. */
static bool continue_behind(struct candidates *candidates, char character)
{
    const char *at = strrchr(candidates->typed, character);

    if (at == NULL)
        return false;
    candidates->typed = at + 1;
    candidates->open = true;
    return true;
}

/* ---- files ----------------------------------------------------------------------------------- */

static void try_files(struct line *line)
{
    const char *typed = line->candidates->typed;
    const char *slash = strrchr(typed, '/');
    char *folder = slash != NULL ? text_format("%.*s", (int)(slash + 1 - typed), typed)
                                 : text_format("%s", "");
    DIR *files = opendir(folder[0] != '\0' ? folder : ".");

    for (struct dirent *file = files != NULL ? readdir(files) : NULL; file != NULL;
         file = readdir(files)) {
        if (file->d_name[0] == '.' && (slash != NULL ? slash[1] : typed[0]) != '.')
            continue;
        bool folds = file->d_type == DT_DIR;
        char *path = text_format("%s%s%s", folder, file->d_name, folds ? "/" : "");
        size_t before = line->candidates->count;
        try_text(line, path);
        if (line->candidates->count > before && folds)
            line->candidates->open = true;
        free(path);
    }
    if (files != NULL)
        closedir(files);
    free(folder);
}

/* ---- commands -------------------------------------------------------------------------------- */

/* The next word of each command that begins with the words so far, from number `first` on. */
static void try_commands(struct line *line, size_t first)
{
    const struct words *words = line->words;

    for (size_t g = 0; g < command_group_count; g++) {
        for (const struct command *command = command_groups[g].commands; command->name != NULL;
             command++) {
            const char *at = command->name;
            for (size_t i = first; i < words->count && at != NULL; i++) {
                size_t len = strcspn(at, " ");
                bool same = strlen(words->word[i]) == len && memcmp(words->word[i], at, len) == 0;
                at = same && at[len] == ' ' ? at + len + 1 : NULL;
            }
            if (at != NULL)
                candidates_try(line->candidates, at, strcspn(at, " "));
        }
    }
}

static void try_options(struct line *line)
{
    static const char *const global[] = { "--server", "--output", "--json", "--as",  "--token-file",
                                          "--cacert", "--cert",   "--key",  "--help" };
    const struct option *option = line->command != NULL ? line->command->options : NULL;

    for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++)
        try_text(line, global[i]);
    for (; option != NULL && option->name != NULL; option++) {
        char *name = text_format("--%s", option->name);
        if (option->help != NULL)
            try_text(line, name);
        free(name);
    }
}

/* ---- values ---------------------------------------------------------------------------------- */

static const struct option *option_named(const struct line *line, const char *name, size_t len)
{
    const struct option *option = line->command != NULL ? line->command->options : NULL;

    for (; option != NULL && option->name != NULL; option++)
        if (strlen(option->name) == len && memcmp(option->name, name, len) == 0)
            return option;
    return NULL;
}

/* Whether the text has that word. */
static bool has_word(const char *text, const char *word)
{
    return strstr(text, word) != NULL;
}

static void try_option_value(struct line *line, const struct option *option)
{
    static const char *const places[] = { "location", "locations", "at", "exclude" };

    if (option->value == NULL)
        return;
    if (option->type == OPTION_LIST || has_word(option->value, ",..."))
        (void)continue_behind(line->candidates, ',');
    if (strncmp(option->name, "channel", 7) == 0)
        try_names(line, NAMES_CHANNELS);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++)
        if (strcmp(option->name, places[i]) == 0 && !has_word(option->value, "TIME"))
            try_names(line, NAMES_LOCATIONS);
    if (strcmp(option->value, "SKU") == 0)
        try_names(line, NAMES_SKUS);
    else if (has_word(option->value, "FILE"))
        try_files(line);
    else
        try_alternatives(line, option->value);
}

/* The value of the option that the word is; false: it has none. */
static bool try_value_of(struct line *line, const char *word, size_t len)
{
    static const char *const files[] = { "--cacert", "--cert", "--key", "--token-file" };
    const struct option *option =
        len > 2 && word[0] == '-' ? option_named(line, word + 2, len - 2) : NULL;

    if (option != NULL && option->value != NULL) {
        try_option_value(line, option);
        return true;
    }
    if ((len == 2 && memcmp(word, "-o", 2) == 0) ||
        (len == 8 && memcmp(word, "--output", 8) == 0)) {
        try_alternatives(line, "table|json|csv|ndjson");
        return true;
    }
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        if (strlen(files[i]) != len || memcmp(word, files[i], len) != 0)
            continue;
        try_files(line);
        return true;
    }
    return (len == 2 && memcmp(word, "-s", 2) == 0) || (len == 4 && memcmp(word, "--as", 4) == 0) ||
           (len == 8 && memcmp(word, "--server", 8) == 0);
}

/* ---- arguments ------------------------------------------------------------------------------- */

/* Whether the option there takes the word behind it as its value. */
static bool takes_next(const struct line *line, const char *word)
{
    static const char *const global[] = { "-s",       "--server", "-o",    "--output",    "--as",
                                          "--cacert", "--cert",   "--key", "--token-file" };
    const struct option *options = line->command != NULL ? line->command->options : NULL;

    for (size_t i = 0; i < sizeof(global) / sizeof(global[0]); i++)
        if (strcmp(word, global[i]) == 0)
            return true;
    for (size_t i = 0; options != NULL && options[i].name != NULL; i++) {
        bool called = strlen(word) == 2 ? word[1] == command_letter(line->command, i)
                                        : strcmp(word + 2, options[i].name) == 0;
        if (called)
            return options[i].value != NULL;
    }
    return false;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0' && (word[1] < '0' || word[1] > '9');
}

/* How many arguments of the command stand before the last word. */
static size_t arguments_before(const struct line *line, size_t first)
{
    const struct words *words = line->words;
    size_t count = 0;

    for (size_t i = first + line->command_words; i < words->count; i++) {
        if (!is_option(words->word[i]))
            count++;
        else if (takes_next(line, words->word[i]))
            i++;
    }
    return count;
}

/* Word number `number` of the usage, or its last one if that may be repeated; new memory. */
static char *usage_word(const char *usage, size_t number)
{
    char *word[ARGUMENTS_MAX];
    size_t count = 0;
    const char *at = usage;

    while (*at != '\0' && *at != '-' && strncmp(at, "[-", 2) != 0 &&
           strncmp(at, "[OPTION", 7) != 0 && count < ARGUMENTS_MAX) {
        size_t len = strcspn(at, " ");
        word[count++] = text_format("%.*s", (int)len, at);
        at += len + (at[len] == ' ');
    }
    if (number >= count && count > 0 && has_word(word[count - 1], "..."))
        number = count - 1;
    for (size_t i = 0; i < count; i++)
        if (i != number)
            free(word[i]);
    return number < count ? word[number] : NULL;
}

/* An SKU may hold ':' and '@', so a location comes only behind "SKU:QTY@". */
static void try_order_line(struct line *line, const char *usage)
{
    struct candidates *candidates = line->candidates;
    const char *at = strrchr(candidates->typed, '@');
    const char *colon = at;

    while (colon != NULL && colon > candidates->typed && *colon != ':')
        colon--;
    if (has_word(usage, "LOCATION") && at != NULL && *colon == ':' && colon > candidates->typed &&
        strspn(colon + 1, "0123456789") == (size_t)(at - colon - 1)) {
        candidates->typed = at + 1;
        try_names(line, NAMES_LOCATIONS);
        return;
    }
    candidates->open = has_word(usage, "QTY") || has_word(usage, "ACCEPTED");
    try_names(line, NAMES_SKUS);
}

/* "NAME is one of:" and lines "  stock   ...": what the details list. */
static void try_details(struct line *line)
{
    const char *at = line->command->details;

    for (; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL) {
        size_t len = strncmp(at, "  ", 2) == 0 ? strcspn(at + 2, " \n") : 0;
        if (len > 0)
            candidates_try(line->candidates, at + 2, len);
    }
}

static void try_argument(struct line *line, size_t number)
{
    char *usage = usage_word(line->command->usage, number);

    if (usage == NULL)
        return;
    if (has_word(usage, "SKU"))
        try_order_line(line, usage);
    else if (has_word(usage, "CHANNEL") ||
             (strncmp(usage, "CODE", 4) == 0 && strncmp(line->command->name, "channel", 7) == 0))
        try_names(line, NAMES_CHANNELS);
    else if (strcmp(line->command->name, "shift") == 0 && number > 2)
        try_alternatives(line, "sellable|damaged|quality|display");
    else if (has_word(usage, "LOCATION") || strcmp(usage, "FROM") == 0 ||
             strcmp(usage, "TO") == 0 ||
             (strncmp(usage, "CODE", 4) == 0 && strncmp(line->command->name, "location", 8) == 0))
        try_names(line, NAMES_LOCATIONS);
    else if (has_word(usage, "FILE") || has_word(usage, "DIR"))
        try_files(line);
    else if (strcmp(usage, "NAME") == 0)
        try_details(line);
    free(usage);
}

/* ---- the line -------------------------------------------------------------------------------- */

/* Where the command begins: behind options of stockctl itself, and its own name. */
static size_t first_of(const struct line *line)
{
    const struct words *words = line->words;
    size_t first = 0;

    while (first < words->count) {
        if (is_option(words->word[first]))
            first += takes_next(line, words->word[first]) ? 2 : 1;
        else if (first == 0 && strcmp(words->word[0], "stockctl") == 0)
            first++;
        else
            break;
    }
    return first < words->count ? first : words->count;
}

static void try_command_line(struct line *line, size_t first)
{
    const struct words *words = line->words;
    const char *before = words->count > 0 ? words->word[words->count - 1] : "";
    const char *typed = line->candidates->typed;
    const char *equals = is_option(typed) ? strchr(typed, '=') : NULL;

    if (first < words->count)
        line->command =
            command_find(words->count - first, words->word + first, &line->command_words);
    if (equals != NULL) {
        line->candidates->typed = equals + 1;
        (void)try_value_of(line, typed, (size_t)(equals - typed));
    } else if (is_option(before) && try_value_of(line, before, strlen(before))) {
        return;
    } else if (typed[0] == '-') {
        try_options(line);
    } else {
        try_commands(line, first);
        if (line->command != NULL)
            try_argument(line, arguments_before(line, first));
    }
}

static void try_word(struct line *line, const struct last_word *last)
{
    const struct words *words = line->words;
    size_t first = first_of(line);

    if (last->is_comment)
        return;
    if (last->is_file) {
        try_files(line);
        return;
    }
    if (first < words->count && strcmp(words->word[first], "help") == 0) {
        try_commands(line, first + 1);
        return;
    }
    if (words->count == 0) {
        try_text(line, "help");
        try_text(line, "exit");
        try_text(line, "quit");
    }
    try_command_line(line, first);
}

char *complete_line(void *context, const char *text, size_t len, struct candidates *candidates,
                    char *quote)
{
    struct words words;
    struct last_word last;

    words_until(text, len, &words, &last);
    struct line line = { .names = context, .words = &words, .candidates = candidates };
    candidates->typed = last.text;
    *quote = last.quote;
    try_word(&line, &last);
    words_free(&words);
    return last.text;
}

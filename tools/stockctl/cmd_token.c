/* SPDX-License-Identifier: Apache-2.0 */
/* cmd_token.c - token add, list, revoke and test: on a tokens file, with no engine. */
#include "tools/stockctl/ctl.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "access/grants.h"

static int edit_failed(const struct ctl *ctl, enum edited edited, const char *why)
{
    return edited == EDIT_REFUSED ? ctl_error(ctl, CTL_REFUSED, "refused", "%s", why)
                                  : ctl_error(ctl, CTL_USAGE, "usage", "%s", why);
}

/* The file that every command but --help needs. */
static int find_file(const struct args *args, const char **path)
{
    *path = args_option(args, "tokens");
    return *path != NULL ? CTL_DONE : usage_error(args, "--tokens FILE is needed");
}

static bool is_expired(const struct grant *grant)
{
    return grant->expires_ms > 0 && grant->expires_ms <= (uint64_t)time(NULL) * 1000;
}

/* ---- token add ---- */

static int take_count(const struct args *args, const char *option, uint32_t *number)
{
    int64_t given = 0;
    const char *text = args_option(args, option);

    if (text == NULL)
        return CTL_DONE;
    int failed = args_int(args, option, text, 1, UINT32_MAX, &given);
    *number = (uint32_t)given;
    return failed;
}

static int take_expires(const struct args *args, struct grant *grant)
{
    char why[256];
    int64_t ms;
    const char *text = args_option(args, "expires");

    if (text == NULL)
        return CTL_DONE;
    if (!grant_read_expires(grant, text, strlen(text), why, sizeof why)) {
        if (!parse_time(text, &ms) || ms < 1000)
            return usage_error(args, "%s", why);
        grant->expires_ms = (uint64_t)ms / 1000 * 1000;
    }
    if (is_expired(grant))
        return usage_error(args, "--expires %s is past: the token could never be used", text);
    return CTL_DONE;
}

static int take_rights(const struct args *args, struct grant *grant)
{
    char why[256];
    const char *can = args_option(args, "can");
    const char *channels = args_option(args, "channels");
    const char *locations = args_option(args, "locations");

    can = can != NULL ? can : "read";
    channels = channels != NULL ? channels : "*";
    locations = locations != NULL ? locations : "*";
    if (!grant_read_verbs(grant, can, strlen(can), why, sizeof why) ||
        !grant_read_patterns(&grant->channels, false, channels, strlen(channels), why,
                             sizeof why) ||
        !grant_read_patterns(&grant->locations, true, locations, strlen(locations), why,
                             sizeof why))
        return usage_error(args, "%s", why);
    return CTL_DONE;
}

/* By what it is known: a new token, unless a user or a certificate is named. */
static int take_key(const struct args *args, struct grant *grant, char *token)
{
    const char *uid = args_option(args, "uid"), *cert = args_option(args, "cert-name");
    int64_t number = 0;

    if (uid != NULL && cert != NULL)
        return usage_error(args, "--uid and --cert-name exclude each other");
    if (uid != NULL) {
        grant->key = KEY_UID;
        int failed = args_int(args, "uid", uid, 0, UINT32_MAX, &number);
        grant->uid = (uint32_t)number;
        return failed;
    }
    if (cert != NULL) {
        grant->key = KEY_CERT;
        if (cert[0] == '\0' || strlen(cert) > GRANT_COMMON_NAME_MAX || strpbrk(cert, " \t\r\n"))
            return usage_error(args,
                               "--cert-name needs a common name: 1 to %d bytes without blanks",
                               GRANT_COMMON_NAME_MAX);
        memcpy(grant->common_name, cert, strlen(cert) + 1);
        return CTL_DONE;
    }
    grant->key = KEY_TOKEN;
    if (!secret_make(token) || !secret_hash(token, SECRET_LENGTH, grant->hash))
        return usage_error(args, "the system has no random bytes");
    return CTL_DONE;
}

static int take_grant(const struct args *args, struct grant *grant, char *token)
{
    const char *name = args->positional[0];

    if (!grant_is_code(name, strlen(name)))
        return usage_error(args, "NAME must be 1 to %d characters of A-Z a-z 0-9 . _ -",
                           GRANT_CODE_MAX);
    memcpy(grant->name, name, strlen(name) + 1);
    int failed = take_rights(args, grant);
    if (failed == CTL_DONE)
        failed = take_expires(args, grant);
    if (failed == CTL_DONE)
        failed = take_count(args, "rate", &grant->rate);
    if (failed == CTL_DONE)
        failed = take_count(args, "burst", &grant->burst);
    if (failed == CTL_DONE)
        failed = take_count(args, "connections", &grant->connections);
    if (failed == CTL_DONE)
        failed = take_count(args, "subscriptions", &grant->subscriptions);
    return failed == CTL_DONE ? take_key(args, grant, token) : failed;
}

static void print_token(const struct ctl *ctl, const struct grant *grant, const char *token)
{
    if (ctl->json)
        show_json_value(json_pack("{s:s, s:s?}", "name", grant->name, "token",
                                  token[0] != '\0' ? token : NULL));
    else if (token[0] != '\0')
        puts(token);
}

static int run_token_add(struct ctl *ctl, const struct args *args)
{
    struct grant grant = { .name = "" };
    char token[SECRET_LENGTH + 1] = "";
    char why[512];
    const char *path;

    int failed = find_file(args, &path);
    if (failed == CTL_DONE)
        failed = take_grant(args, &grant, token);
    if (failed == CTL_DONE) {
        enum edited edited = grants_add(path, &grant, why, sizeof why);
        if (edited == EDIT_DONE)
            print_token(ctl, &grant, token);
        else
            failed = edit_failed(ctl, edited, why);
    }
    secret_wipe(token, sizeof token);
    grant_free(&grant);
    return failed;
}

/* ---- token list ---- */

/* Buffers for a grant's values, as the file has them. */
struct shown {
    char verbs[64];
    char channels[GRANT_LINE_MAX / 2], locations[GRANT_LINE_MAX / 2];
    char expires[32];
};

static void write_shown(struct shown *shown, const struct grant *grant)
{
    grant_write_verbs(grant, shown->verbs, sizeof shown->verbs);
    grant_write_patterns(&grant->channels, shown->channels, sizeof shown->channels);
    grant_write_patterns(&grant->locations, shown->locations, sizeof shown->locations);
    grant_write_time(grant->expires_ms, shown->expires, sizeof shown->expires);
}

static const char *key_name(const struct grant *grant)
{
    static const char *const names[] = {
        [KEY_TOKEN] = "token", [KEY_UID] = "uid", [KEY_CERT] = "cert"
    };
    return names[grant->key];
}

static json_t *json_of(const struct grant *grant)
{
    static struct shown shown;

    write_shown(&shown, grant);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s?, s:b, s:I}", "name", grant->name, "by",
                     key_name(grant), "can", shown.verbs, "channels", shown.channels, "locations",
                     shown.locations, "expires", shown.expires[0] ? shown.expires : NULL, "expired",
                     is_expired(grant), "rate", (json_int_t)grant->rate);
}

static void add_row(struct table *table, const struct grant *grant)
{
    static struct shown shown;

    write_shown(&shown, grant);
    table_add(table, grant->name);
    if (grant->key == KEY_UID)
        table_add_format(table, "uid:%u", grant->uid);
    else if (grant->key == KEY_CERT)
        table_add_format(table, "cert:%s", grant->common_name);
    else
        table_add(table, "token");
    table_add(table, shown.verbs);
    table_add(table, shown.channels);
    table_add(table, shown.locations);
    table_add_format(table, "%s%s", shown.expires, is_expired(grant) ? " (expired)" : "");
    if (grant->rate > 0)
        table_add_format(table, "%u", grant->rate);
    else
        table_add(table, "");
}

static void print_grants(const struct ctl *ctl, const struct grant *grants, uint32_t count)
{
    static const char *const titles[] = { "<NAME",      "<BY",      "<CAN",  "<CHANNELS",
                                          "<LOCATIONS", "<EXPIRES", ">RATE", NULL };
    json_t *list = ctl->json ? json_array() : NULL;
    struct table *table = ctl->json ? NULL : table_new(titles);

    for (uint32_t i = 0; i < count; i++) {
        if (list != NULL)
            json_array_append_new(list, json_of(&grants[i]));
        else
            add_row(table, &grants[i]);
    }
    if (list != NULL)
        show_json_value(json_pack("{s:o}", "tokens", list));
    else
        table_print(table, stdout, "");
}

static int load(const struct ctl *ctl, const struct args *args, struct grants *grants)
{
    char why[1024];
    const char *path;
    int failed = find_file(args, &path);

    if (failed == CTL_DONE && !grants_load(grants, path, why, sizeof why))
        failed = ctl_error(ctl, CTL_USAGE, "usage", "%s", why);
    return failed;
}

static int run_token_list(struct ctl *ctl, const struct args *args)
{
    struct grants grants = { .count = 0 };
    int failed = load(ctl, args, &grants);

    if (failed == CTL_DONE)
        print_grants(ctl, grants.at, grants.count);
    grants_free(&grants);
    return failed;
}

/* ---- token revoke ---- */

static int run_token_revoke(struct ctl *ctl, const struct args *args)
{
    char why[512];
    const char *path;
    int failed = find_file(args, &path);

    if (failed != CTL_DONE)
        return failed;
    enum edited edited = grants_remove(path, args->positional[0], why, sizeof why);
    return edited == EDIT_DONE ? CTL_DONE : edit_failed(ctl, edited, why);
}

/* ---- token test ---- */

/* Its first line; an argument of the command line is seen by everybody who lists processes. */
static int read_token(struct ctl *ctl, const struct args *args, char *token, size_t size)
{
    const char *path = ctl->token_file;
    const char *given = args->count > 0 ? args->positional[0] : NULL;

    if (given == NULL && path == NULL)
        given = getenv("STOCKD_TOKEN");
    if (given != NULL) {
        snprintf(token, size, "%s", given);
        return CTL_DONE;
    }
    if (path == NULL && ctl->commands_on_stdin)
        return ctl_error(ctl, CTL_USAGE, "usage",
                         "name the token's file: the commands come from standard input");
    FILE *file = path != NULL ? fopen(path, "re") : stdin;
    bool good = file != NULL && fgets(token, (int)size, file) != NULL;
    if (file != NULL && file != stdin)
        fclose(file);
    if (!good)
        return ctl_error(ctl, CTL_USAGE, "usage", "there is no token in %s",
                         path != NULL ? path : "the standard input");
    token[strcspn(token, " \t\r\n")] = '\0';
    return CTL_DONE;
}

static int run_token_test(struct ctl *ctl, const struct args *args)
{
    struct grants grants = { .count = 0 };
    char token[256];
    unsigned char hash[SECRET_HASH_BYTES];
    const struct grant *found = NULL;
    int failed = load(ctl, args, &grants);

    if (failed == CTL_DONE)
        failed = read_token(ctl, args, token, sizeof token);
    if (failed == CTL_DONE && secret_hash(token, strlen(token), hash))
        found = grants_with_hash(&grants, hash);
    if (failed == CTL_DONE && found == NULL)
        failed = ctl_error(ctl, CTL_REFUSED, "unauthorized", "the token is not in the file");
    else if (failed == CTL_DONE && is_expired(found))
        failed = ctl_error(ctl, CTL_REFUSED, "unauthorized", "\"%s\" has expired", found->name);
    if (failed == CTL_DONE && found != NULL)
        print_grants(ctl, found, 1);
    secret_wipe(token, sizeof token);
    grants_free(&grants);
    return failed;
}

/* ---- the commands ---- */

#define TOKENS_OPTION                                                                              \
    {                                                                                              \
        "tokens", "FILE", "the tokens file, as stockd --tokens has it", NULL, OPTION_TEXT          \
    }

static const struct option file_options[] = { TOKENS_OPTION, { .name = NULL } };

static const struct option add_options[] = {
    TOKENS_OPTION,
    { "can", "VERB,...", "read, order, stock, catalogue, supply, admin, or * (read)", NULL,
      OPTION_TEXT },
    { "channels", "CODE,...", "on these channels alone; web-* is a prefix (*)", NULL, OPTION_TEXT },
    { "locations", "CODE,...", "at these alone; @GROUP is a group of locations (*)", NULL,
      OPTION_TEXT },
    { "expires", "TIME", "2027-01-31 (it begins at midnight UTC), or +90d", NULL, OPTION_TEXT },
    { "rate", "N", "requests a second", NULL, OPTION_TEXT },
    { "burst", "N", "of those, at once", NULL, OPTION_TEXT },
    { "connections", "N", "at once", NULL, OPTION_TEXT },
    { "subscriptions", "N", "connections that subscribe, at once", NULL, OPTION_TEXT },
    { "uid", "N", "no token: who runs as this user, on a Unix socket", NULL, OPTION_TEXT },
    { "cert-name", "NAME", "no token: whose certificate has this common name", NULL, OPTION_TEXT },
    { .name = NULL },
};

const struct command token_commands[] = {
    {
        .name = "token add",
        .summary = "Make a token, and print it: it is shown once",
        .usage = "NAME --tokens FILE",
        .details = "Only a hash of it goes to the file. A running engine reads the file by itself.",
        .example = "stockctl token add web --tokens /etc/stockd/tokens --can read,order "
                   "--channels web",
        .options = add_options,
        .least = 1,
        .most = 1,
        .run = run_token_add,
    },
    {
        .name = "token list",
        .summary = "List the tokens of a file, and what each may do",
        .usage = "--tokens FILE",
        .example = "stockctl token list --tokens /etc/stockd/tokens",
        .options = file_options,
        .list = "tokens: name by can channels locations expires rate",
        .run = run_token_list,
    },
    {
        .name = "token revoke",
        .summary = "Take a token away: its connections close within a second",
        .usage = "NAME --tokens FILE",
        .example = "stockctl token revoke web --tokens /etc/stockd/tokens",
        .options = file_options,
        .least = 1,
        .most = 1,
        .run = run_token_revoke,
    },
    {
        .name = "token test",
        .summary = "Say what a token may do",
        .usage = "[TOKEN] --tokens FILE",
        .details = "Without TOKEN it is that of --token-file, else of the environment's\n"
                   "STOCKD_TOKEN, else the first line of the standard input. Exit status 1: it is\n"
                   "not in the file, or has expired.",
        .example = "stockctl token test --tokens /etc/stockd/tokens < token",
        .options = file_options,
        .most = 1,
        .run = run_token_test,
    },
    { .name = NULL },
};

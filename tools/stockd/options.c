/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stockd/options.h"

#include <errno.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/limits.h"
#include "engine/events/events.h"
#include "protocol/address.h"
#include "tools/config/config_file.h"
#include "tools/service/notice.h"

/* ---- the options ---- */

enum form { FORM_TEXT, FORM_NUMBER, FORM_ADDRESSES, FORM_FLAG, FORM_SWITCH };

struct option_rule {
    const char *name;
    enum form form;
    size_t offset; /* in struct options */
    uint64_t min, max, initially;
    const char *argument;
    const char *help;
};

/* An item costs the mirror and Redis about 8 us: at this rate, a tenth of all processors. */
enum { MIRROR_RATE_EACH = 12500 };

#define AT(field) offsetof(struct options, field)
#define MI (UINT64_C(1) << 20)
#define GI (UINT64_C(1) << 30)

static const struct option_rule rules[] = {
    { "data", FORM_TEXT, AT(data), 0, 0, 0, "DIR",
      "where the journal is kept; created if missing" },
    { "listen", FORM_ADDRESSES, AT(listen), 0, 0, 0, "ADDRESS",
      "HOST:PORT, tls://HOST:PORT or unix:PATH, more than once\n"
      "if you like; port 0: the kernel chooses (127.0.0.1:7421)" },
    { "tls-cert", FORM_TEXT, AT(tls_cert), 0, 0, 0, "FILE",
      "PEM: the certificate of tls:// addresses, then those that\n"
      "lead to its authority; SIGHUP reads the files again" },
    { "tls-key", FORM_TEXT, AT(tls_key), 0, 0, 0, "FILE", "PEM: its key, without a passphrase" },
    { "tls-client-ca", FORM_TEXT, AT(tls_client_ca), 0, 0, 0, "FILE",
      "PEM: clients must show a certificate of these authorities,\n"
      "which their revocation lists, if there are any, do not name" },
    { "tls-min", FORM_TEXT, AT(tls_min), 0, 0, 0, "VERSION", "1.2 or 1.3 (1.3)" },
    { "tls-handshake-timeout-ms", FORM_NUMBER, AT(tls_handshake_ms), 100, 3600000, 5000, "N",
      "how long a TLS handshake may take" },
    { "workers", FORM_NUMBER, AT(workers), 1, CONTEXTS_MAX - 1, 0, "N",
      "threads (one for every two processors)" },
    { "durability", FORM_TEXT, AT(durability), 0, 0, 0, "WHEN",
      "a change is answered once it is on disk (always), once\n"
      "the kernel has it (everysec), or at once (none) (always)" },
    { "config", FORM_TEXT, AT(config), 0, 0, 0, "FILE",
      "an INI file of these options: name = value" },
    { "ready-file", FORM_TEXT, AT(ready_file), 0, 0, 0, "PATH",
      "gets one line per bound address once requests are served" },
    { "log-format", FORM_TEXT, AT(log_format), 0, 0, 0, "FORMAT",
      "text for people, or json: each line an object (text)" },
    { "log-level", FORM_TEXT, AT(log_level), 0, 0, 0, "LEVEL",
      "error, warning or info: what the log has at least (info)" },
    { "http", FORM_TEXT, AT(http), 0, 0, 0, "ADDRESS",
      "HOST:PORT of /healthz, /readyz and /metrics; 127.0.0.1\n"
      "only, because it does not check who asks" },
    { "redis", FORM_TEXT, AT(redis), 0, 0, 0, "ADDRESS",
      "mirrors availability to that Redis: HOST:PORT or unix:PATH" },
    { "redis-prefix", FORM_TEXT, AT(redis_prefix), 0, 0, 0, "TEXT",
      "prefix of all its keys (stock:)" },
    { "redis-user", FORM_TEXT, AT(redis_user), 0, 0, 0, "NAME", "user to AUTH as" },
    { "redis-password-file", FORM_TEXT, AT(redis_password_file), 0, 0, 0, "FILE",
      "its first line is the password; read at each connection" },
    { "redis-database", FORM_NUMBER, AT(redis_database), 0, 1 << 20, 0, "N", "to SELECT (0)" },
    { "redis-stream-length", FORM_NUMBER, AT(redis_stream_length), 1, 1 << 30, 100000, "N",
      "entries that the stream of changes keeps, about" },
    { "redis-rate", FORM_NUMBER, AT(redis_rate), 0, 1 << 30, 0, "N",
      "changed items sent a second, at most, while the engine is\n"
      "busy; 0: no limit (12500 for each processor)" },
    { "redis-timeout-ms", FORM_NUMBER, AT(redis_timeout_ms), 10, 3600000, 5000, "N",
      "how long to wait for an answer" },
    { "items", FORM_NUMBER, AT(items), 1, 1 << 28, 1000000, "N", "maximum number of items" },
    { "pools", FORM_NUMBER, AT(pools), 1, 1 << 28, 4000000, "N",
      "maximum number of pools: items times locations" },
    { "events", FORM_NUMBER, AT(events), EVENTS_LEAST, EVENTS_MOST, EVENTS_USUAL, "N",
      "events that are kept for who asks for them, 80 bytes each" },
    { "reservations", FORM_NUMBER, AT(reservations), 1, 1 << 28, 4000000, "N",
      "size of the id table: live reservations, and ended ones\n"
      "that are remembered, about 150 bytes each" },
    { "remember-s", FORM_NUMBER, AT(remember_s), 0, 31536000, 300, "N",
      "minimum seconds to remember an id after it ended: a\n"
      "retry within them is never done twice" },
    { "reports-memory", FORM_NUMBER, AT(reports_memory), 0, 64 * GI, 256 * MI, "N",
      "bytes for the figures of reports; 0: none are kept" },
    { "segment-bytes", FORM_NUMBER, AT(segment_bytes), 0, 64 * GI, 0, "N",
      "size of a journal segment (0: 64 MiB)" },
    { "log-bytes", FORM_NUMBER, AT(log_bytes), 0, 4 * GI, 0, "N",
      "ring of changes on their way to disk, a power of two\n"
      "(0: 1 MiB for each worker, rounded up)" },
    { "compact-bytes", FORM_NUMBER, AT(compact_bytes), 0, UINT64_MAX, GI, "N",
      "bytes of journal that no snapshot covers start a\n"
      "compaction; 0: none starts by itself" },
    { "archive", FORM_TEXT, AT(archive), 0, 0, 0, "yes|no",
      "keep segments that are no longer needed, compressed (no)" },
    { "archive-max-bytes", FORM_NUMBER, AT(archive_max_bytes), 0, UINT64_MAX, 0, "N",
      "bytes of archived segments to keep (0: all)" },
    { "archive-days", FORM_NUMBER, AT(archive_days), 0, 1000000, 0, "N",
      "days to keep archived segments (0: for ever)" },
    { "max-connections", FORM_NUMBER, AT(max_connections), 1, 1000000, 10000, "N", "at once" },
    { "max-message-bytes", FORM_NUMBER, AT(max_message_bytes), 256, 64 * MI, 1 * MI, "N",
      "in one message" },
    { "max-input-bytes", FORM_NUMBER, AT(max_input_bytes), MI, 1024 * GI, 64 * MI, "N",
      "held for incomplete messages of all connections" },
    { "client-memory", FORM_NUMBER, AT(client_memory), 0, 1024 * GI, 0, "N",
      "bytes held for all clients, at most: input that is not done,\n"
      "output that is not sent (0: 1 GiB, or what is needed)" },
    { "message-timeout-ms", FORM_NUMBER, AT(message_ms), 100, 3600000, 30000, "N",
      "how long to wait for the rest of a message" },
    { "max-message-elements", FORM_NUMBER, AT(max_message_elements), 16, 16 * MI, 65536, "N",
      "in one message" },
    { "max-nesting", FORM_NUMBER, AT(max_nesting), 4, 32, 8, "N",
      "depth of lists and maps, counting the message itself" },
    { "max-order-lines", FORM_NUMBER, AT(max_order_lines), 1, LINES_MAX, LINES_MAX, "N",
      "in one order" },
    { "subscriber-timeout-ms", FORM_NUMBER, AT(subscriber_ms), 100, 3600000, 30000, "N",
      "disconnects a subscriber that reads nothing for so long" },
    { "reader-timeout-ms", FORM_NUMBER, AT(reader_ms), 100, 3600000, 60000, "N",
      "disconnects a client that takes nothing of what is sent to\n"
      "it for so long" },
    { "max-query-skus", FORM_NUMBER, AT(max_query_skus), 1, 65536, 4096, "N", "in one query" },
    { "tokens", FORM_TEXT, AT(tokens), 0, 0, 0, "FILE",
      "who may do what; stockctl token add makes it. It is read\n"
      "again when it changes, and on SIGHUP" },
    { "insecure", FORM_SWITCH, AT(insecure), 0, 0, 0, NULL,
      "listen where other machines can reach it even without\n"
      "tokens; in the config file: insecure = yes" },
    { "hello-timeout-ms", FORM_NUMBER, AT(hello_ms), 100, 3600000, 5000, "N",
      "with tokens: how long a peer may take to say hello" },
    { "max-hello-bytes", FORM_NUMBER, AT(hello_bytes), 256, 1 * MI, 4096, "N",
      "in one message before hello" },
    { "max-strangers", FORM_NUMBER, AT(max_strangers), 1, 1000000, 1024, "N",
      "connections that have not said hello, at once" },
    { "max-strangers-each", FORM_NUMBER, AT(max_strangers_each), 1, 1000000, 32, "N",
      "of those, from one address" },
    { "token-rate", FORM_NUMBER, AT(token_rate), 0, 1 << 30, 0, "N",
      "requests a second of a token that has no rate of its own;\n"
      "0: no limit, as for the next three" },
    { "token-burst", FORM_NUMBER, AT(token_burst), 0, 1 << 30, 0, "N",
      "of those, at once (as many as in a second)" },
    { "token-connections", FORM_NUMBER, AT(token_connections), 0, 1000000, 0, "N",
      "connections of one token at once" },
    { "token-subscriptions", FORM_NUMBER, AT(token_subscriptions), 0, 1000000, 0, "N",
      "of those, that subscribe" },
    { "no-seccomp", FORM_SWITCH, AT(no_seccomp), 0, 0, 0, NULL,
      "do not refuse the system calls that the engine has no use\n"
      "for; in the config file: no-seccomp = yes" },
    { "core-dumps", FORM_SWITCH, AT(core_dumps), 0, 0, 0, NULL,
      "let a crash leave a core even when there are tokens, a\n"
      "TLS key or a Redis password; in the config file: yes" },
    { "init", FORM_FLAG, AT(init), 0, 0, 0, NULL,
      "begin a new journal in a directory that has lost its own;\n"
      "a new or empty directory needs no --init" },
    { "check-config", FORM_FLAG, AT(check_config), 0, 0, 0, NULL,
      "only say whether the options and the config file are good" },
    { "help", FORM_FLAG, AT(help), 0, 0, 0, NULL, "print this text" },
    { "version", FORM_FLAG, AT(version), 0, 0, 0, NULL, "print the version" },
};

enum { RULES = sizeof rules / sizeof *rules };

static const struct option_rule *rule_named(const char *name, size_t length)
{
    for (size_t i = 0; i < RULES; i++)
        if (strlen(rules[i].name) == length && strncmp(rules[i].name, name, length) == 0)
            return &rules[i];
    return NULL;
}

/* ---- taking values ---- */

/* 4096, 64k, 8M, 1G. */
static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    uintmax_t parsed = strtoumax(text, &end, 10);
    unsigned shift = *end == 'k' || *end == 'K' ? 10 : *end == 'M' ? 20 : *end == 'G' ? 30 : 0;
    if (errno || parsed > UINT64_MAX >> shift || (shift && *++end) || *end)
        return false;
    *number = (uint64_t)parsed << shift;
    return true;
}

static bool set_text(char *field, const char *name, const char *value, char *why, size_t size)
{
    if (*value == '\0') {
        snprintf(why, size, "%s needs a value", name);
        return false;
    }
    if (snprintf(field, VALUE_MAX, "%s", value) >= VALUE_MAX) {
        snprintf(why, size, "%s is longer than %d bytes", name, VALUE_MAX - 1);
        return false;
    }
    return true;
}

static bool set_number(uint64_t *field, const struct option_rule *rule, const char *value,
                       char *why, size_t size)
{
    if (parse_number(value, field) && *field >= rule->min && *field <= rule->max)
        return true;
    snprintf(why, size, "%s must be a number from %" PRIu64 " to %" PRIu64 ", not \"%.100s\"",
             rule->name, rule->min, rule->max, value);
    return false;
}

/* The command line gives no value. */
static bool set_switch(bool *field, const char *name, const char *value, char *why, size_t size)
{
    *field = *value == '\0' || strcmp(value, "yes") == 0;
    if (*field || strcmp(value, "no") == 0)
        return true;
    snprintf(why, size, "%s must be yes or no, not \"%.100s\"", name, value);
    return false;
}

static bool set_value(struct options *options, const struct option_rule *rule, const char *value,
                      char *why, size_t size)
{
    char *field = (char *)options + rule->offset;
    switch (rule->form) {
    case FORM_TEXT:
        return set_text(field, rule->name, value, why, size);
    case FORM_NUMBER:
        return set_number((uint64_t *)(void *)field, rule, value, why, size);
    case FORM_ADDRESSES:
        if (options->listen_count == LISTEN_MAX) {
            snprintf(why, size, "more than %d listen addresses", LISTEN_MAX);
            return false;
        }
        if (!address_valid(value)) {
            snprintf(why, size,
                     "listen must be HOST:PORT, tls://HOST:PORT or unix:PATH, not \"%.100s\"",
                     value);
            return false;
        }
        return set_text(options->listen[options->listen_count++], rule->name, value, why, size);
    case FORM_FLAG:
        *(bool *)field = true;
        return true;
    case FORM_SWITCH:
        return set_switch((bool *)field, rule->name, value, why, size);
    }
    return false;
}

/* ---- the config file ---- */

static bool take_line(void *context, const char *section, const char *name, const char *value,
                      char *why, size_t size)
{
    const struct option_rule *rule = rule_named(name, strlen(name));
    if (*section && strcmp(section, "stockd") != 0)
        snprintf(why, size, "there is no section [%.100s]", section);
    else if (!rule || rule->form == FORM_FLAG || strcmp(name, "config") == 0)
        snprintf(why, size, "there is no option \"%.100s\"", name);
    else if (rule->form == FORM_SWITCH && !*value)
        snprintf(why, size, "%s must be yes or no", name);
    else
        return set_value(context, rule, value, why, size);
    return false;
}

/* ---- the command line ---- */

static bool take_argument(struct options *options, char **argv, int argc, int *at, char *why,
                          size_t size)
{
    const char *argument = argv[(*at)++];
    if (strcmp(argument, "-h") == 0)
        argument = "--help";
    if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0') {
        snprintf(why, size, "\"%.100s\" is no option (see --help)", argument);
        return false;
    }
    const char *name = argument + 2;
    size_t length = strcspn(name, "=");
    const struct option_rule *rule = rule_named(name, length);
    bool flag = rule && (rule->form == FORM_FLAG || rule->form == FORM_SWITCH);
    if (!rule || (flag && name[length] == '=')) {
        snprintf(why, size, "there is no option %.100s (see --help)", argument);
        return false;
    }
    if (flag)
        return set_value(options, rule, "", why, size);
    const char *value = NULL;
    if (name[length] == '=')
        value = name + length + 1;
    else if (*at < argc)
        value = argv[(*at)++];
    if (!value) {
        snprintf(why, size, "--%s needs a value", rule->name);
        return false;
    }
    return set_value(options, rule, value, why, size);
}

static bool read_arguments(struct options *options, int argc, char **argv, char *why, size_t size)
{
    for (int at = 1; at < argc;)
        if (!take_argument(options, argv, argc, &at, why, size))
            return false;
    return true;
}

static uint64_t processors(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 ? (uint64_t)CPU_COUNT(&set) : 1;
}

static uint64_t default_workers(void)
{
    uint64_t workers = processors() / 2;
    return workers < 1 ? 1 : workers > CONTEXTS_MAX - 1 ? CONTEXTS_MAX - 1 : workers;
}

static void set_defaults(struct options *options)
{
    memset(options, 0, sizeof *options);
    for (size_t i = 0; i < RULES; i++)
        if (rules[i].form == FORM_NUMBER)
            *(uint64_t *)(void *)((char *)options + rules[i].offset) = rules[i].initially;
    options->workers = default_workers();
    options->redis_rate = MIRROR_RATE_EACH * processors();
    memcpy(options->durability, "always", sizeof "always");
    memcpy(options->archive, "no", sizeof "no");
    memcpy(options->log_format, "text", sizeof "text");
    memcpy(options->log_level, "info", sizeof "info");
    memcpy(options->tls_min, "1.3", sizeof "1.3");
    memcpy(options->redis_prefix, "stock:", sizeof "stock:");
}

static bool redis_good(const struct options *options, char *why, size_t size)
{
    const char *wrong = NULL;
    if (!options->redis[0])
        return true;
    if (!address_valid(options->redis) || address_encrypted(options->redis)) {
        snprintf(why, size, "redis must be HOST:PORT or unix:PATH, not \"%.100s\"", options->redis);
        return false;
    } else if (strlen(options->redis_prefix) > REDIS_PREFIX_MAX) {
        wrong = "redis-prefix is longer than 60 bytes";
    } else if (options->redis_user[0] && !options->redis_password_file[0]) {
        wrong = "redis-user needs redis-password-file";
    }
    if (wrong)
        snprintf(why, size, "%s", wrong);
    return !wrong;
}

bool options_encrypt(const struct options *options)
{
    for (unsigned i = 0; i < options->listen_count; i++)
        if (address_encrypted(options->listen[i]))
            return true;
    return false;
}

static bool tls_good(const struct options *options, char *why, size_t size)
{
    bool known = strcmp(options->tls_min, "1.2") == 0 || strcmp(options->tls_min, "1.3") == 0;
    if (!known)
        snprintf(why, size, "tls-min must be 1.2 or 1.3, not \"%.100s\"", options->tls_min);
    else if (options_encrypt(options) && (!options->tls_cert[0] || !options->tls_key[0]))
        snprintf(why, size, "listen tls:// needs tls-cert and tls-key");
    else
        return true;
    return false;
}

/* The ports beside the protocol's; and their readers of the ledger beside the workers'. */
static bool ports_good(const struct options *options, char *why, size_t size)
{
    bool redis = options->redis[0], http = options->http[0];
    if (http && (strncmp(options->http, "unix:", 5) == 0 || !address_valid(options->http))) {
        snprintf(why, size, "http must be HOST:PORT, not \"%.100s\"", options->http);
        return false;
    }
    uint64_t most = CONTEXTS_MAX - 1 - redis - http;
    if (options->workers <= most)
        return redis_good(options, why, size);
    snprintf(why, size, "with %s%s%s there may be %" PRIu64 " workers at most",
             redis ? "redis" : "", redis && http ? " and " : "", http ? "http" : "", most);
    return false;
}

bool options_apply_log(const struct options *options)
{
    bool format = notice_set_format(options->log_format);
    return notice_set_level(options->log_level) && format;
}

static bool log_good(const struct options *options, char *why, size_t size)
{
    if (options_apply_log(options))
        return true;
    snprintf(why, size,
             "log-format must be text or json, and log-level error, warning or info, not "
             "\"%.100s\" and \"%.100s\"",
             options->log_format, options->log_level);
    return false;
}

static bool is_usual(const struct option_rule *rule, const struct options *options,
                     const struct options *usual)
{
    const void *value = (const char *)options + rule->offset;
    const void *other = (const char *)usual + rule->offset;
    if (rule->form == FORM_NUMBER)
        return memcmp(value, other, sizeof(uint64_t)) == 0;
    return rule->form != FORM_TEXT || strcmp(value, other) == 0;
}

/* Refuses options that would do nothing: an operator who gives one expects an effect. */
static bool companions_good(const struct options *options, char *why, size_t size)
{
    static struct options usual; /* not on the stack: it is large */
    bool archived = strcmp(options->archive, "yes") == 0;
    set_defaults(&usual);
    for (size_t i = 0; i < RULES; i++) {
        const struct option_rule *rule = &rules[i];
        const char *needs = NULL;
        if (strncmp(rule->name, "redis-", strlen("redis-")) == 0 && !options->redis[0])
            needs = "redis";
        bool of_tokens = strncmp(rule->name, "token-", strlen("token-")) == 0 ||
                         strncmp(rule->name, "max-strangers", strlen("max-strangers")) == 0 ||
                         strcmp(rule->name, "hello-timeout-ms") == 0 ||
                         strcmp(rule->name, "max-hello-bytes") == 0;
        if (of_tokens && !options->tokens[0])
            needs = "tokens";
        if (strncmp(rule->name, "tls-", strlen("tls-")) == 0 && !options_encrypt(options))
            needs = "listen tls://HOST:PORT";
        if (strncmp(rule->name, "archive-", strlen("archive-")) == 0 && !archived)
            needs = "archive yes";
        if (needs && !is_usual(rule, options, &usual)) {
            snprintf(why, size, "%s does nothing without %s", rule->name, needs);
            return false;
        }
    }
    return true;
}

/* No larger than need be: it is to be in the processor's cache still when it comes round. A slow
 * disk fills it in some milliseconds, and then the workers wait for the disk. */
static uint64_t default_log_bytes(uint64_t workers)
{
    uint64_t bytes = MI;
    while (bytes < workers * MI)
        bytes *= 2;
    return bytes;
}

/* For incomplete messages, as much for what waits, and some for each worker's replies. */
static bool client_memory_good(struct options *options, char *why, size_t size)
{
    uint64_t messages = options->workers * 4 * options->max_message_bytes;
    uint64_t input = messages > options->max_input_bytes ? messages : options->max_input_bytes;
    uint64_t least = 2 * input + options->workers * 8 * MI;
    if (options->client_memory == 0)
        options->client_memory = least > GI ? least : GI;
    if (options->client_memory >= least)
        return true;
    snprintf(why, size,
             "client-memory must be at least %" PRIu64 " with these workers, max-input-bytes and "
             "max-message-bytes",
             least);
    return false;
}

bool options_read(struct options *options, int argc, char **argv, char *why, size_t size)
{
    static struct options given; /* by the command line alone, which takes precedence */
    set_defaults(&given);
    bool read = read_arguments(&given, argc, argv, why, size);
    *options = given;
    if (!read)
        return false;
    if (given.help || given.version)
        return true;
    if (given.config[0]) {
        set_defaults(options);
        memcpy(options->config, given.config, sizeof given.config);
        if (!config_file_read(options->config, take_line, options, why, size))
            return false;
        if (given.listen_count > 0)
            options->listen_count = 0;
        if (!read_arguments(options, argc, argv, why, size))
            return false;
    }
    if (!options->data[0]) {
        snprintf(why, size, "--data DIR is needed (see --help)");
        return false;
    }
    if (options->log_bytes == 0)
        options->log_bytes = default_log_bytes(options->workers);
    if ((options->log_bytes & (options->log_bytes - 1)) != 0) {
        snprintf(why, size, "log-bytes must be a power of two");
        return false;
    }
    if (!log_good(options, why, size) || !ports_good(options, why, size) ||
        !tls_good(options, why, size))
        return false;
    if (strcmp(options->archive, "yes") != 0 && strcmp(options->archive, "no") != 0) {
        snprintf(why, size, "archive must be yes or no, not \"%.100s\"", options->archive);
        return false;
    }
    if (!companions_good(options, why, size) || !client_memory_good(options, why, size))
        return false;
    if (options->listen_count == 0)
        snprintf(options->listen[options->listen_count++], VALUE_MAX, "127.0.0.1:7421");
    return true;
}

void options_print_help(void)
{
    printf("usage: stockd --data DIR [OPTION]...\n"
           "The stock engine. Each option is also a key of the config file.\n\n");
    for (size_t i = 0; i < RULES; i++) {
        const struct option_rule *rule = &rules[i];
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", rule->name, rule->argument ? " " : "",
                 rule->argument ? rule->argument : "");
        const char *line = rule->help;
        const char *label = left;
        while (line) {
            const char *end = strchr(line, '\n');
            int length = end ? (int)(end - line) : (int)strlen(line);
            printf("  %-25s %.*s", label, length, line);
            if (!end && rule->form == FORM_NUMBER && rule->initially)
                printf(" (%" PRIu64 ")", rule->initially);
            printf("\n");
            label = "";
            line = end ? end + 1 : NULL;
        }
    }
    printf("\nExit status: 0 stopped cleanly, 1 the journal could not be written,\n"
           "2 a bad option, config or data directory.\n"
           "Example: stockd --data /var/lib/stockd --listen 0.0.0.0:7421 --tokens "
           "/etc/stockd/tokens\n");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/options.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/gateway/cors.h"
#include "tools/service/notice.h"

#define GATEWAY_VERSION "0.1.0"

enum { EXIT_GOOD = 0, EXIT_USAGE = 2, THREADS_MOST = 64, GO_ON = -1 };

static const char usage[] =
    "usage: stock-gateway [OPTION]...\n"
    "Serves a stockd engine over HTTP, in JSON, with a console for people at GET /.\n"
    "GET /v1/openapi.json describes it.\n"
    "\n"
    "  --engine ADDR         HOST:PORT, tls://HOST:PORT or unix:PATH of the engine\n"
    "                        (127.0.0.1:7421); of a cluster several, A,B,C: requests go to the\n"
    "                        primary, and what was not answered is sent again with its id\n"
    "  --cacert FILE         who may vouch for an engine at tls://; without it the system's\n"
    "                        authorities\n"
    "  --cert FILE, --key FILE  a certificate to show the engine, and its key\n"
    "  --listen HOST:PORT    where HTTP is served (127.0.0.1:8080); port 0: any free one\n"
    "  --ready-file PATH     gets the bound address once requests are served\n"
    "  --token-file FILE     the token of requests that bear none\n"
    "  --cors ORIGINS        origins of web pages that may use it, with commas between them; * "
    "for\n"
    "                        all, none for none. By default: any page that bears a token, and\n"
    "                        quick questions of any page\n"
    "  --ops HOST:PORT       the engine's ops port (stockd --http): the console shows its latency\n"
    "  --console FOLDER      serves the console's files from there, for those who change them\n"
    "  --threads N           (one for each processor, at most 4)\n"
    "  --connections N       to the engine, for each token, thread and sort of request (2)\n"
    "  --max-connections N   of clients (4096)\n"
    "  --max-streams N       of changes and events (1024)\n"
    "  --idle-s N            for a request to be complete, and between two (30)\n"
    "  --call-s N            for the engine's answer; a slow question has six times that (10)\n"
    "  --drain-s N           for requests under way when SIGTERM comes (10)\n"
    "  --log-format FORMAT   lines of the log: text, or json: an object each (text)\n"
    "  --log-level LEVEL     what the log has at least: error, warning or info (info)\n"
    "  --version, --help\n"
    "\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT, 2 it could not start.\n";

static const struct number {
    const char *name;
    size_t field;
    int least, most;
} numbers[] = {
    { "--threads", offsetof(struct options, threads), 1, THREADS_MOST },
    { "--connections", offsetof(struct options, connections), 1, 64 },
    { "--max-connections", offsetof(struct options, max_connections), 1, 1000000 },
    { "--max-streams", offsetof(struct options, max_streams), 0, 1000000 },
    { "--idle-s", offsetof(struct options, idle_s), 1, 3600 },
    { "--call-s", offsetof(struct options, call_s), 1, 3600 },
    { "--drain-s", offsetof(struct options, drain_s), 0, 3600 },
};

static const struct word {
    const char *name;
    size_t field;
} words[] = {
    { "--engine", offsetof(struct options, engine.address) },
    { "--cacert", offsetof(struct options, engine.ca_file) },
    { "--cert", offsetof(struct options, engine.cert_file) },
    { "--key", offsetof(struct options, engine.key_file) },
    { "--listen", offsetof(struct options, listen) },
    { "--ready-file", offsetof(struct options, ready_file) },
    { "--console", offsetof(struct options, console) },
    { "--ops", offsetof(struct options, ops) },
};

static int misused(const char *option, const char *why)
{
    notice(LOG_ERR, "start", "%s: %s", option, why);
    return EXIT_USAGE;
}

static int processors(void)
{
    enum { MOST = 4 };
    long count = sysconf(_SC_NPROCESSORS_ONLN);
    return count < 1 ? 1 : count > MOST ? MOST : (int)count;
}

/* Keeps the file's first line, without what surrounds it. */
static int read_token(struct options *options, const char *path)
{
    static char line[512];
    FILE *file = fopen(path, "re");
    if (!file)
        return misused(path, strerror(errno));
    size_t len = fread(line, 1, sizeof line - 1, file);
    bool failed = ferror(file);
    fclose(file);
    if (failed)
        return misused(path, "cannot be read");
    line[len] = '\0';
    line[strcspn(line, "\r\n \t")] = '\0';
    if (line[0] == '\0')
        return misused(path, "has no token in its first line");
    options->token = line;
    return GO_ON;
}

static int take_number(struct options *options, const struct number *number, const char *value)
{
    char *end, why[64];
    errno = 0;
    long given = strtol(value, &end, 10);
    if (errno || end == value || *end || given < number->least || given > number->most) {
        snprintf(why, sizeof why, "must be a number from %d to %d", number->least, number->most);
        return misused(number->name, why);
    }
    void *field = (char *)options + number->field;
    *(int *)field = (int)given;
    return GO_ON;
}

static int take(struct options *options, const char *name, const char *value)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(numbers[i].name, name) == 0)
            return take_number(options, &numbers[i], value);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(words[i].name, name) == 0) {
            void *field = (char *)options + words[i].field;
            *(const char **)field = value;
            return GO_ON;
        }
    if (strcmp(name, "--cors") == 0) {
        char why[256];
        options->cors = value;
        return cors_is_policy(value, why, sizeof why) ? GO_ON : misused(name, why);
    }
    if (strcmp(name, "--token-file") == 0)
        return read_token(options, value);
    if (strcmp(name, "--log-format") == 0)
        return notice_set_format(value) ? GO_ON : misused(name, "must be text or json");
    if (strcmp(name, "--log-level") == 0)
        return notice_set_level(value) ? GO_ON : misused(name, "must be error, warning or info");
    return misused(name, "there is no such option; see --help");
}

int options_read(struct options *options, int count, char **arguments)
{
    *options = (struct options){ .engine.address = "127.0.0.1:7421",
                                 .listen = "127.0.0.1:8080",
                                 .threads = processors(),
                                 .connections = 2,
                                 .max_connections = 4096,
                                 .max_streams = 1024,
                                 .idle_s = 30,
                                 .call_s = 10,
                                 .drain_s = 10 };
    for (int i = 1; i < count; i++) {
        char name[32];
        const char *word = arguments[i], *equals = strchr(word, '=');
        if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
            return fputs(usage, stdout), EXIT_GOOD;
        if (strcmp(word, "--version") == 0)
            return puts("stock-gateway " GATEWAY_VERSION), EXIT_GOOD;
        size_t len = equals ? (size_t)(equals - word) : strlen(word);
        if (strncmp(word, "--", 2) != 0 || len >= sizeof name)
            return misused(word, "there is no such option; see --help");
        snprintf(name, sizeof name, "%.*s", (int)len, word);
        if (!equals && i + 1 == count)
            return misused(name, "a value is missing");
        int status = take(options, name, equals ? equals + 1 : arguments[++i]);
        if (status != GO_ON)
            return status;
    }
    return GO_ON;
}

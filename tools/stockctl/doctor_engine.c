/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_engine.c - the engine itself: whether it answers, and what it says of itself. */
#include "tools/stockctl/doctor.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- its answers ---------------------------------------------------------------------------- */

/* To be freed; NULL: there is no such text. */
static char *text_of(stockd_value map, const char *key)
{
    const char *bytes;
    size_t len;

    return stockd_map_str(map, key, &bytes, &len) ? text_clean(bytes, len) : NULL;
}

static uint64_t number_of(stockd_value map, const char *key)
{
    uint64_t number = 0;
    stockd_map_u64(map, key, &number);
    return number;
}

static bool yes_of(stockd_value map, const char *key)
{
    stockd_value value;
    bool yes = false;
    return stockd_map_find(map, key, &value) && stockd_value_bool(value, &yes) && yes;
}

static stockd_value section(stockd_value info, const char *name)
{
    stockd_value map = { 0 };
    stockd_map_find(info, name, &map);
    return map;
}

/* ---- what they mean ------------------------------------------------------------------------- */

static void judge_version(struct doctor *doctor, stockd_value server, const char *address)
{
    char *version = text_of(server, "version");

    if (version != NULL && strcmp(version, STOCKD_CLIENT_VERSION) == 0)
        doctor_found(doctor, VERDICT_WELL, "engine", NULL, "version %s at %s", version, address);
    else
        doctor_found(doctor, VERDICT_WARNING, "engine",
                     "install both from one release, then restart the engine",
                     "it is version %s, and this stockctl " STOCKD_CLIENT_VERSION,
                     version != NULL ? version : "unknown");
    free(version);
}

static void judge_journal(struct doctor *doctor, stockd_value info)
{
    stockd_value journal = section(info, "journal"), snapshot = section(info, "snapshot");
    uint64_t tail = number_of(journal, "log_tail"), durable = number_of(journal, "durable_lsn");

    if (yes_of(journal, "failed")) {
        char *why = text_of(journal, "failure");
        doctor_found(doctor, VERDICT_BAD, "changes",
                     "mend the disk or make room, then restart the engine (docs/RUNBOOK.md)",
                     "none is taken: %s", why != NULL ? why : "the journal cannot be written");
        free(why);
    } else {
        doctor_found(doctor, VERDICT_WELL, "changes", NULL,
                     "they are taken; lsn %" PRIu64 ", durable up to %" PRIu64, tail, durable);
    }
    if (number_of(snapshot, "failures") > 0)
        doctor_found(doctor, VERDICT_WARNING, "compactions",
                     "the engine's log says why; usually there was no room for a snapshot",
                     "%" PRIu64 " failed, %" PRIu64 " succeeded since the start",
                     number_of(snapshot, "failures"), number_of(snapshot, "compactions"));
}

static void judge_table(struct doctor *doctor, stockd_value ledger, const char *name,
                        const char *used, const char *most)
{
    uint64_t taken = number_of(ledger, used), size = number_of(ledger, most);
    char *advice = text_format("start the engine with larger --%s before it is full", name);

    if (size > 0 && taken >= size)
        doctor_found(doctor, VERDICT_BAD, "tables", advice,
                     "that of %s is full (%" PRIu64 "): new ones are refused", name, size);
    else if (size > 0 && taken * 10 >= size * 8)
        doctor_found(doctor, VERDICT_WARNING, "tables", advice, "that of %s is %" PRIu64 " %% full",
                     name, taken * 100 / size);
    free(advice);
}

/* Without a mirror there is nothing to say. */
static void judge_mirror(struct doctor *doctor, stockd_value mirror)
{
    enum { LATE_MS = 10000 };
    char *state = text_of(mirror, "state");
    char *error = text_of(mirror, "error");
    uint64_t lag_ms = number_of(mirror, "lag_ms");

    if (state != NULL && strcmp(state, "live") == 0 && lag_ms < LATE_MS)
        doctor_found(doctor, VERDICT_WELL, "mirror", NULL, "live, %" PRIu64 " ms behind", lag_ms);
    else if (state != NULL && strcmp(state, "fenced") == 0)
        doctor_found(doctor, VERDICT_WARNING, "mirror",
                     "another engine writes to this Redis; if it is this one's, stockctl mirror "
                     "take",
                     "fenced");
    else if (state != NULL && strcmp(state, "off") != 0)
        doctor_found(doctor, VERDICT_WARNING, "mirror",
                     "see that Redis runs and has room; orders do not wait for it",
                     "%s, %" PRIu64 " ms behind%s%s", state, lag_ms, error != NULL ? ": " : "",
                     error != NULL ? error : "");
    free(state);
    free(error);
}

static void judge_check(struct doctor *doctor, stockd_value check)
{
    if (number_of(check, "broken") > 0)
        doctor_found(doctor, VERDICT_BAD, "invariants",
                     "keep the journal, and report it: stockctl info --check names them",
                     "the last check found %" PRIu64 " broken", number_of(check, "broken"));
}

static void learn(struct doctor *doctor, stockd_value info)
{
    struct setup *setup = &doctor->setup;
    char *directory = text_of(section(info, "journal"), "directory");
    char *durability = text_of(section(info, "journal"), "durability");

    /* The engine may be on another machine. */
    if (setup->data == NULL && directory != NULL && access(directory, F_OK) == 0) {
        setup->data = directory;
        directory = NULL;
    }
    if (durability != NULL) {
        free(setup->durability);
        setup->durability = durability;
    }
    setup->workers = number_of(section(info, "server"), "workers");
    free(directory);
}

static void judge(struct doctor *doctor, stockd_value info, const char *address)
{
    stockd_value ledger = section(info, "ledger");

    learn(doctor, info);
    judge_version(doctor, section(info, "server"), address);
    judge_journal(doctor, info);
    judge_table(doctor, ledger, "items", "items", "items_max");
    judge_table(doctor, ledger, "pools", "pools", "pools_max");
    judge_table(doctor, ledger, "reservations", "live", "reservations_max");
    judge_mirror(doctor, section(info, "mirror"));
    judge_check(doctor, section(info, "check"));
}

void check_engine(struct doctor *doctor)
{
    stockd_options options = ctl_options(doctor->ctl);
    stockd_client *client = NULL;
    stockd_reply reply;
    int status = stockd_connect(&client, doctor->ctl->server, &options);

    if (status == STOCKD_OK)
        status = stockd_call(client, "info", NULL, 0, STOCKD_RETRY_SAFE, &reply);
    if (status == STOCKD_OK)
        judge(doctor, reply.result, stockd_address(client));
    else if (status == STOCKD_REFUSED)
        doctor_found(doctor, VERDICT_WARNING, "engine",
                     "give a token that may ask: --token-file FILE or STOCKD_TOKEN",
                     "it answers at %s, but tells nothing: %s", stockd_address(client),
                     stockd_last_reply(client)->code);
    else
        doctor_found(doctor, VERDICT_BAD, "engine",
                     "start it, or name its address (-s); --offline checks the rest alone", "%s",
                     stockd_error_message(client));
    stockd_close(client);
}

/* ---- its process ---------------------------------------------------------------------------- */

void find_engine_process(struct doctor *doctor)
{
    char path[512], name[32] = "";
    long pid = 0;

    if (doctor->setup.data == NULL)
        return;
    snprintf(path, sizeof path, "%s/lock", doctor->setup.data);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    bool has_number = fscanf(file, "%ld", &pid) == 1 && pid > 0;
    fclose(file);
    if (!has_number)
        return;
    snprintf(path, sizeof path, "/proc/%ld/comm", pid); /* another one may have the number by now */
    file = fopen(path, "re");
    if (file != NULL && fscanf(file, "%31s", name) == 1 && strcmp(name, "stockd") == 0)
        doctor->engine = (pid_t)pid;
    if (file != NULL)
        fclose(file);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/dialer.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ADDRESS_MAX = 300 };

struct dialer {
    const struct engine *engine;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    struct errands dials; /* these and the following: under the mutex */
    bool refusing, stopping;
    char primary[ADDRESS_MAX]; /* of several nodes; "": not known */
    unsigned changes;          /* of it */
};

/* Waits for the next one; NULL: stopping. */
static struct dial *next_dial(struct dialer *dialer, bool *refused)
{
    pthread_mutex_lock(&dialer->mutex);
    while (!dialer->dials.first && !dialer->stopping)
        pthread_cond_wait(&dialer->asked, &dialer->mutex);
    struct dial *dial = (struct dial *)errands_take(&dialer->dials);
    *refused = dialer->refusing;
    pthread_mutex_unlock(&dialer->mutex);
    return dial;
}

int engine_connect(const struct engine *engine, stockd_client **client, stockd_options options)
{
    options.ca_file = engine->ca_file;
    options.cert_file = engine->cert_file;
    options.key_file = engine->key_file;
    return stockd_connect(client, engine->address, &options);
}

void dialer_found(struct dialer *dialer, const char *address)
{
    pthread_mutex_lock(&dialer->mutex);
    if (strcmp(dialer->primary, address) != 0 && strlen(address) < ADDRESS_MAX) {
        snprintf(dialer->primary, sizeof dialer->primary, "%s", address);
        dialer->changes++;
    }
    pthread_mutex_unlock(&dialer->mutex);
}

unsigned dialer_changes(struct dialer *dialer)
{
    pthread_mutex_lock(&dialer->mutex);
    unsigned changes = dialer->changes;
    pthread_mutex_unlock(&dialer->mutex);
    return changes;
}

bool dialer_is_primary(struct dialer *dialer, const char *address)
{
    pthread_mutex_lock(&dialer->mutex);
    bool is = strcmp(dialer->primary, address) == 0;
    pthread_mutex_unlock(&dialer->mutex);
    return is;
}

/* The engine's addresses; if one of them is known to be the primary's, that one first. */
static char *addresses_of(struct dialer *dialer)
{
    const char *list = dialer->engine->address;
    size_t size = ADDRESS_MAX + strlen(list) + 2;
    char *addresses = malloc(size);
    pthread_mutex_lock(&dialer->mutex);
    const char *primary = dialer->primary;
    size_t len = strlen(primary);
    const char *at = len > 0 ? strstr(list, primary) : NULL;
    bool listed = at && (at == list || at[-1] == ',') && (at[len] == '\0' || at[len] == ',');
    if (addresses)
        snprintf(addresses, size, "%s%s%s", listed ? primary : "", listed ? "," : "", list);
    pthread_mutex_unlock(&dialer->mutex);
    return addresses;
}

/* It does not answer: others need not try it first. */
static void forget_primary(struct dialer *dialer, const char *instead)
{
    pthread_mutex_lock(&dialer->mutex);
    if (strcmp(dialer->primary, instead) != 0)
        dialer->primary[0] = '\0';
    pthread_mutex_unlock(&dialer->mutex);
}

static void connect_anew(struct dialer *dialer, struct dial *dial)
{
    char *addresses = addresses_of(dialer);
    struct engine engine = *dialer->engine;
    dial->status = STOCKD_E_MEMORY;
    if (!addresses)
        return;
    engine.address = addresses;
    dial->status = engine_connect(&engine, &dial->client, dial->options);
    if (dial->status == STOCKD_OK)
        forget_primary(dialer, stockd_address(dial->client));
    free(addresses);
}

static void *dialer_run(void *context)
{
    struct dialer *dialer = context;
    struct dial *dial;
    bool refused;
    while ((dial = next_dial(dialer, &refused))) {
        dial->status = STOCKD_E_CLOSED;
        if (!refused && dial->again)
            dial->status = stockd_reconnect(dial->client);
        else if (!refused)
            connect_anew(dialer, dial);
        errand_return(&dial->errand);
    }
    return NULL;
}

struct dialer *dialer_start(const struct engine *engine)
{
    struct dialer *dialer = calloc(1, sizeof *dialer);
    if (!dialer)
        return NULL;
    dialer->engine = engine;
    pthread_mutex_init(&dialer->mutex, NULL);
    pthread_cond_init(&dialer->asked, NULL);
    if (pthread_create(&dialer->thread, NULL, dialer_run, dialer) == 0)
        return dialer;
    free(dialer);
    return NULL;
}

void dialer_ask(struct dialer *dialer, struct dial *dial)
{
    pthread_mutex_lock(&dialer->mutex);
    errands_add(&dialer->dials, &dial->errand);
    pthread_cond_signal(&dialer->asked);
    pthread_mutex_unlock(&dialer->mutex);
}

void dialer_refuse(struct dialer *dialer)
{
    pthread_mutex_lock(&dialer->mutex);
    dialer->refusing = true;
    pthread_mutex_unlock(&dialer->mutex);
}

void dialer_stop(struct dialer *dialer)
{
    if (!dialer)
        return;
    pthread_mutex_lock(&dialer->mutex);
    dialer->stopping = true;
    pthread_cond_signal(&dialer->asked);
    pthread_mutex_unlock(&dialer->mutex);
    pthread_join(dialer->thread, NULL);
    pthread_cond_destroy(&dialer->asked);
    pthread_mutex_destroy(&dialer->mutex);
    free(dialer);
}

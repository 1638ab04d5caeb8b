/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/gateway/dialer.h"

#include <pthread.h>
#include <stdlib.h>

struct dialer {
    const struct engine *engine;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t asked;
    struct errands dials; /* these and the flags: under the mutex */
    bool refusing, stopping;
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

static void *dialer_run(void *context)
{
    struct dialer *dialer = context;
    struct dial *dial;
    bool refused;
    while ((dial = next_dial(dialer, &refused))) {
        dial->client = NULL;
        dial->status = STOCKD_E_CLOSED;
        if (!refused)
            dial->status = engine_connect(dialer->engine, &dial->client, dial->options);
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

/* SPDX-License-Identifier: Apache-2.0 */
/* The mirror in Redis, if there is one. */
#include <string.h>

#include "protocol/call.h"
#include "protocol/mirror_port.h"
#include "telemetry/collect.h"

static uint64_t number_of(const struct mirror_report *report, const char *name)
{
    for (unsigned i = 0; i < report->count; i++)
        if (strcmp(report->numbers[i].name, name) == 0)
            return report->numbers[i].number;
    return 0;
}

static const struct mirror_family {
    enum family_type type;
    const char *name, *number, *help;
} mirror_families[] = {
    { FAMILY_GAUGE, "stockd_mirror_lag_bytes", "lag_lsn",
      "Bytes of log that Redis does not show yet." },
    { FAMILY_GAUGE, "stockd_mirror_items_waiting", "dirty", "Items that are to be sent." },
    { FAMILY_COUNTER, "stockd_mirror_items_sent", "items_sent", "Items sent to Redis." },
    { FAMILY_COUNTER, "stockd_mirror_batches", "batches", "Transactions sent to Redis." },
    { FAMILY_COUNTER, "stockd_mirror_connections", "connections", "Connections made to Redis." },
    { FAMILY_COUNTER, "stockd_mirror_failures", "failures", "Connections to Redis that failed." },
    { FAMILY_COUNTER, "stockd_mirror_resyncs", "resyncs", "Comparisons of all of Redis." },
    { FAMILY_COUNTER, "stockd_mirror_repaired", "repaired", "Items that were wrong in Redis." },
    { FAMILY_COUNTER, "stockd_mirror_events_sent", "events_sent", "Events sent to Redis." },
    { FAMILY_COUNTER, "stockd_mirror_events_missed", "events_missed",
      "Events that were forgotten before they could be sent." },
};

static void expose_state(struct exposition *e, const struct mirror_report *report)
{
    static const char *const states[] = { "connecting", "syncing", "live", "fenced" };
    struct label label = { .name = "state" };
    expose_family(e, FAMILY_GAUGE, "stockd_mirror_state", "1 for the state that the mirror is in.");
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++) {
        label.value = text_of(states[i]);
        expose_number(e, &label, 1, strcmp(states[i], report->state) == 0);
    }
}

void collect_mirror(const struct collector *c, struct exposition *e)
{
    const struct mirror_port *mirror = c->engine.service->mirror;
    struct mirror_report report = { .state = "off" };
    if (mirror)
        mirror->report(mirror->self, &report);
    expose_gauge(e, "stockd_mirror_configured", "1 if the engine was told to mirror to a Redis.",
                 mirror != NULL);
    expose_gauge_ms(
        e, "stockd_mirror_lag_seconds",
        "How old the oldest change may be that Redis does not show; 0 without a mirror.",
        number_of(&report, "lag_ms"));
    if (!mirror)
        return;
    expose_state(e, &report);
    for (unsigned i = 0; i < sizeof mirror_families / sizeof *mirror_families; i++) {
        const struct mirror_family *family = &mirror_families[i];
        expose_family(e, family->type, family->name, family->help);
        expose_number(e, NULL, 0, number_of(&report, family->number));
    }
    expose_family(e, FAMILY_GAUGE, "stockd_mirror_round_trip_seconds",
                  "How long the last transaction took.");
    expose_real(e, NULL, 0, (double)number_of(&report, "round_trip_us") / 1e6);
}

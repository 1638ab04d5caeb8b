/* SPDX-License-Identifier: Apache-2.0 */
/* doctor_setup.c - what a config file of stockd says of where things are. */
#include "tools/stockctl/doctor.h"

#include <stdlib.h>
#include <string.h>

#include "tools/config/config_file.h"

/* stockd --check-config judges the values; here only their lines must be whole. */
static bool take_line(void *context, const char *section, const char *name, const char *value,
                      char *why, size_t size)
{
    struct setup *setup = context;
    const struct {
        const char *name;
        char **field;
    } fields[] = {
        { "data", &setup->data },       { "durability", &setup->durability },
        { "tokens", &setup->tokens },   { "tls-cert", &setup->tls_cert },
        { "tls-key", &setup->tls_key },
    };
    int64_t workers;

    (void)section;
    (void)why;
    (void)size;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (strcmp(name, fields[i].name) == 0 && *fields[i].field == NULL)
            *fields[i].field = text_format("%s", value);
    if (strcmp(name, "workers") == 0 && parse_int(value, &workers) && workers > 0)
        setup->workers = (uint64_t)workers;
    return true;
}

int setup_read_config(struct setup *setup, const struct ctl *ctl, const char *path)
{
    char why[1024];

    if (!config_file_read(path, take_line, setup, why, sizeof why))
        return ctl_error(ctl, CTL_USAGE, "usage", "%s (see also stockd --config %s --check-config)",
                         why, path);
    return CTL_DONE;
}

void setup_free(struct setup *setup)
{
    free(setup->data);
    free(setup->durability);
    free(setup->tokens);
    free(setup->tls_cert);
    free(setup->tls_key);
}

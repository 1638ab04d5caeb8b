/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/stock-journal/names.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_room(struct name_table *table, uint32_t index)
{
    if (index < table->room)
        return true;
    size_t room = ((size_t)index + 1) * 2;
    char **names = realloc(table->names, room * sizeof *names);
    if (!names)
        return false;
    memset(names + table->room, 0, (room - table->room) * sizeof *names);
    table->names = names;
    table->room = room;
    return true;
}

bool name_set(struct name_table *table, uint32_t index, struct text name)
{
    if (!make_room(table, index))
        return false;
    char *copy = strndup(name.at ? name.at : "", name.len);
    if (!copy)
        return false;
    free(table->names[index]);
    table->names[index] = copy;
    return true;
}

const char *name_get(const struct name_table *table, uint32_t index, char unknown[16])
{
    if (index < table->room && table->names[index])
        return table->names[index];
    snprintf(unknown, 16, "#%" PRIu32, index);
    return unknown;
}

void name_table_free(struct name_table *table)
{
    for (size_t i = 0; i < table->room; i++)
        free(table->names[i]);
    free(table->names);
    *table = (struct name_table){ 0 };
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* Which places of a table are taken: contiguous runs, first fit. Pure. */
#ifndef PROBE_ROOM_H
#define PROBE_ROOM_H

#include <stdint.h>

struct room;

struct room *room_new(uint32_t places);
void room_free(struct room *room);

/* Takes @n places in a row. -ENOSPC when there is no such run. */
int room_take(struct room *room, uint32_t n, uint32_t *first);
void room_give(struct room *room, uint32_t first, uint32_t n);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* One byte for each place; tables are small and rarely change. */
#include "probe/room.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

struct room {
	uint32_t places;
	uint8_t taken[];
};

struct room *room_new(uint32_t places)
{
	struct room *room = mem_alloc(sizeof(*room) + places);

	room->places = places;
	return room;
}

void room_free(struct room *room)
{
	free(room);
}

int room_take(struct room *room, uint32_t n, uint32_t *first)
{
	uint32_t run = 0;

	if (n == 0) {
		*first = 0;
		return 0;
	}
	for (uint32_t i = 0; i < room->places; i++) {
		run = room->taken[i] ? 0 : run + 1;
		if (run < n)
			continue;
		*first = i + 1 - n;
		memset(room->taken + *first, 1, n);
		return 0;
	}
	return -ENOSPC;
}

void room_give(struct room *room, uint32_t first, uint32_t n)
{
	if (first <= room->places && n <= room->places - first)
		memset(room->taken + first, 0, n);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loaded programs and their memory: the agent's end of the kernel border.
 * Cells, nodes and calls in flight are shared memory, so a scrape needs no
 * system call. One thread owns it.
 */
#ifndef PROBE_MAPS_H
#define PROBE_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "bpf/abi.h"
#include "probe/kernel.h"
#include "probe/layout.h"

struct bpf_program;
struct maps;

/* Loads the programs with room for @nodes nodes of @layout (at most
 * ABI_NODES_MAX). The layout is copied from, not kept. */
int maps_open(const struct layout *layout, const struct kernel *kernel, unsigned nodes,
	      struct maps **out, struct err *err);
void maps_close(struct maps *maps);
void maps_closep(struct maps **maps);

/* ---- nodes ------------------------------------------------------------------------ */

/* Gives the process a block of cells, all 0; from now on its calls count: those at
 * sites of @file, the number of the executable that it runs (maps_range.file). Where
 * two names lead to one file on disk, as those of two containers of one image do,
 * each one's probes are hit by the processes of both. */
int maps_add_node(struct maps *maps, pid_t tgid, unsigned file, unsigned *node, struct err *err);

/* What was under way when counting ended: calls of each function, and open spans by their
 * index in layout.spans. */
struct maps_lost {
	uint64_t calls[ABI_FUNCS_MAX];
	uint64_t spans[ABI_SPANS_MAX];
};

/* Stops counting for it. Its calls in flight and what is known of its spans are forgotten;
 * how many were open is added to @lost (may be NULL). Cells stay readable. */
void maps_stop_node(struct maps *maps, unsigned node, struct maps_lost *lost);

/* Counts on into the same cells for another process (the node was restarted); those of
 * gauges begin anew. */
int maps_continue_node(struct maps *maps, unsigned node, pid_t tgid, unsigned file,
		       struct err *err);

/* Its calls at sites of @file, a shared library that it maps, count too. */
int maps_add_library(struct maps *maps, unsigned node, unsigned file, struct err *err);
struct maps_range;
/* They do not any more: of the functions that have sites in the range, calls in flight are
 * forgotten and added to @lost (may be NULL). */
void maps_remove_library(struct maps *maps, unsigned node, const struct maps_range *range,
			 struct maps_lost *lost);

/* Stops and gives the block back. */
void maps_drop_node(struct maps *maps, unsigned node);

/* Adds the shards up into @cells (layout.cells of them). Calls that count up and down are
 * those of one moment, unless more come all the time; of a gauge's last numbers the first
 * place has the last one and the others are 0. */
void maps_read_node(const struct maps *maps, unsigned node, uint64_t *cells);

/* Calls of one function on one node that have begun and not ended. */
struct maps_flight {
	uint32_t count;
	uint64_t oldest_ns; /* age; 0 while there is none */
};

/* Looks through the table once for all nodes. */
struct maps_flights {
	struct maps_flight of[ABI_NODES_MAX][ABI_FUNCS_MAX];
};
void maps_read_flights(const struct maps *maps, struct maps_flights *out);

/* ---- spans ------------------------------------------------------------------------ */

/* Spans of one metric on one node that are open. */
struct maps_span {
	uint32_t open;
	uint64_t oldest_ns; /* age; 0 while there is none */
};

/* By node and by index in layout.spans. */
struct maps_spans {
	struct maps_span of[ABI_NODES_MAX][ABI_SPANS_MAX];
};

/* Looks through the table of spans: books those that were never ended, drops what need not be
 * known any more, and fills @out (may be NULL) with the others. Does nothing for a profile
 * without spans. To be called every second or so. */
int maps_sweep(struct maps *maps, struct maps_spans *out, struct err *err);

/* ---- sites ------------------------------------------------------------------------ */

/* A range of the site and value tables, all of one executable. */
struct maps_range {
	uint16_t file; /* its number: not 0, and that of no other range in use */
	uint32_t site, n_sites;
	uint32_t value, n_values;
};

/* Copies sites (whose value[] count from 0) and values into free places. */
int maps_put_sites(struct maps *maps, const struct abi_site *sites, size_t n_sites,
		   const struct abi_value *values, size_t n_values, struct maps_range *out,
		   struct err *err);
void maps_take_sites(struct maps *maps, struct maps_range *range);

/* ---- programs --------------------------------------------------------------------- */

/* For sites of kind START, or for those of the other kinds. */
const struct bpf_program *maps_program(const struct maps *maps, bool start);
bool maps_multi(const struct maps *maps); /* attach them by uprobe_multi links? */

#endif

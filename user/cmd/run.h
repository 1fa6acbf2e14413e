/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands. Each returns the exit status. */
#ifndef CMD_RUN_H
#define CMD_RUN_H

#include "cmd/options.h"

int cmd_run(const struct options *options);
int cmd_probes(const struct options *options);
int cmd_pack(const struct options *options);
int cmd_check(const struct options *options);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The command line, in the conventions of Prometheus exporters. */
#ifndef CMD_OPTIONS_H
#define CMD_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/err.h"
#include "cmd/log.h"
#include "profile/profile.h"

#define OPTIONS_LISTEN_MAX 8
#define OPTIONS_PACKS_MAX 32
#define OPTIONS_PEERS_MAX 32
#define OPTIONS_DEFAULT_PROFILE "mpc-node"
#define OPTIONS_DEFAULT_LISTEN "127.0.0.1:9464"

struct options {
	const char *listen[OPTIONS_LISTEN_MAX];
	size_t n_listen;
	const char *telemetry_path;
	unsigned max_requests;
	const char *web_config; /* how the endpoint is protected, NULL: not at all */
	bool systemd_socket;    /* listen on what systemd hands over, not on addresses */
	bool no_process;        /* leave out process_* */
	const char *profiles[PROFILE_PARTS_MAX];
	size_t n_profiles;                    /* 0: none was named */
	const char *exe;                      /* watch only processes of this executable */
	const char *debug;                    /* its separate debug file */
	const char *debuginfod;               /* URL of a server of debug files */
	const char *twin;                     /* pack: a rebuild of the executable */
	const char *packs[OPTIONS_PACKS_MAX]; /* files or folders */
	size_t n_packs;
	const char *peers[OPTIONS_PEERS_MAX]; /* NAME=ADDRESS or NAME=ADDRESS:PORT */
	size_t n_peers;
	pid_t pid;           /* watch only this process, 0: all */
	const char *node_id; /* for processes that do not name themselves */
	const char *output;
	bool stats; /* have the kernel count what our programs cost */
	bool json;
	bool check; /* attach, say what is attached, and exit */
	struct log log;
	char **args; /* what is left: operands */
	int n_args;
};

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION };

/* Parses @argv (argv[0] is skipped). Returns an enum options_result, or -EINVAL
 * with a sentence that names the bad word and the nearest right one. */
int options_parse(int argc, char **argv, struct options *out, struct err *err);

/* The profiles that are named, or the default one, as one. */
int options_profile(const struct options *options, struct profile **out, struct err *err);

/* The help text, for standard output. */
const char *options_help(void);

#endif

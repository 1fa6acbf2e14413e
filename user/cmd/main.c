// SPDX-License-Identifier: BSD-2-Clause
/* Chooses the subcommand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "cmd/options.h"
#include "cmd/run.h"

struct command {
	const char *name;
	int (*run)(const struct options *options);
};

static const struct command commands[] = {
	{ "run", cmd_run },
	{ "probes", cmd_probes },
	{ "pack", cmd_pack },
	{ "check", cmd_check },
};

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	return NULL;
}

static int refuse_command(const char *name)
{
	const char *names[ARRAY_SIZE(commands)];
	_strbuf_ struct strbuf hint = {};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		names[i] = commands[i].name;
	near_hint(&hint, name, names, ARRAY_SIZE(names));
	fprintf(stderr, "mpc-bpf-agent: there is no command \"%s\"%s\n", name,
		hint.len ? hint.text : "; --help lists them");
	return EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	const struct command *command = &commands[0];
	struct options options;
	struct err err = {};
	int r = options_parse(argc, argv, &options, &err);

	if (r < 0) {
		fprintf(stderr, "mpc-bpf-agent: %s\n", err.text);
		return EXIT_FAILURE;
	}
	if (r == OPTIONS_HELP) {
		fputs(options_help(), stdout);
		return EXIT_SUCCESS;
	}
	if (r == OPTIONS_VERSION) {
		printf("mpc-bpf-agent %s (revision %s)\n", AGENT_VERSION, AGENT_REVISION);
		return EXIT_SUCCESS;
	}
	if (options.n_args) {
		command = find_command(options.args[0]);
		if (!command)
			return refuse_command(options.args[0]);
		options.args++;
		options.n_args--;
	}
	if (command->run == cmd_run && options.n_args)
		return refuse_command(options.args[0]);
	return command->run(&options);
}

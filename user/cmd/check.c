// SPDX-License-Identifier: BSD-2-Clause
/* `mpc-bpf-agent check PROFILE...`: all faults at once, no root, no attach. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/run.h"
#include "profile/profile.h"

static int check_one(const char *name)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;
	struct err err = {};
	int r = profile_load(name, &profile, &faults, &err);

	for (size_t i = 0; i < faults.n; i++)
		fprintf(stderr, "%s\n", faults.at[i].text);
	if (r < 0 && !faults.n)
		fprintf(stderr, "%s\n", err.text);
	if (r == 0)
		printf("%s: %zu metrics from %zu functions, no fault\n", profile->origin,
		       profile->n_metrics, profile->n_funcs);
	profile_faults_free(&faults);
	profile_free(profile);
	return r;
}

int cmd_check(const struct options *options)
{
	int status = EXIT_SUCCESS;

	if (!options->n_args) {
		fprintf(stderr, "check wants the profiles to check: mpc-bpf-agent check FILE...\n");
		return EXIT_FAILURE;
	}
	for (int i = 0; i < options->n_args; i++)
		if (check_one(options->args[i]) < 0)
			status = EXIT_FAILURE;
	return status;
}

// SPDX-License-Identifier: BSD-2-Clause
/* `mpc-bpf-agent check PROFILE...`: all faults at once, no root, no attach. Those that are
 * given with --profile must also go together. With --web.config.file that file, too, and
 * all that it names. */
#include <stdio.h>
#include <stdlib.h>

#include "cmd/run.h"
#include "profile/profile.h"
#include "serve/web.h"

static void say_good(const struct profile *profile)
{
	printf("%s: %zu metrics from %zu functions, no fault\n", profile->origin,
	       profile->n_metrics, profile->n_funcs);
}

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
		say_good(profile);
	profile_faults_free(&faults);
	profile_free(profile);
	return r;
}

static int check_web(const char *path)
{
	struct web *web = NULL;
	struct err err = {};
	int r = web_open(path, NULL, NULL, &web, &err);

	if (r < 0)
		fprintf(stderr, "%s\n", err.text);
	else
		printf("%s: %s, %zu users, no fault\n", path, web_tls(web) ? "https" : "http",
		       web_current(web)->users.n);
	web_close(web);
	return r;
}

/* Those of --profile, as they would be used: together. */
static int check_together(const struct options *options)
{
	struct profile *profile = NULL;
	struct err err = {};
	int r = 0;

	for (size_t i = 0; i < options->n_profiles; i++)
		if (check_one(options->profiles[i]) < 0)
			r = -1;
	if (r < 0 || options->n_profiles < 2)
		return r;
	r = options_profile(options, &profile, &err);
	if (r == 0)
		say_good(profile);
	else
		fprintf(stderr, "%s\n", err.text);
	profile_free(profile);
	return r;
}

int cmd_check(const struct options *options)
{
	int status = EXIT_SUCCESS;

	if (!options->n_args && !options->n_profiles && !options->web_config) {
		fprintf(stderr, "check wants the profiles to check: mpc-bpf-agent check FILE...\n");
		return EXIT_FAILURE;
	}
	if (options->web_config && check_web(options->web_config) < 0)
		status = EXIT_FAILURE;
	if (check_together(options) < 0)
		status = EXIT_FAILURE;
	for (int i = 0; i < options->n_args; i++)
		if (check_one(options->args[i]) < 0)
			status = EXIT_FAILURE;
	return status;
}

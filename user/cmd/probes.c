// SPDX-License-Identifier: BSD-2-Clause
/* `probes` and `pack`: resolve an executable without attaching to anything. */
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "cmd/run.h"
#include "profile/profile.h"
#include "symbol/debugfile.h"
#include "symbol/pack.h"
#include "symbol/resolve.h"

/* The executable named by an operand, --exe or --pid. */
static int open_target(const struct options *o, char **path, int *fd, struct err *err)
{
	if (o->n_args > 1)
		return err_set(err, -EINVAL, "one executable at a time, not also \"%s\"",
			       o->args[1]);
	if (o->n_args)
		*path = mem_strdup(o->args[0]);
	else if (o->exe)
		*path = mem_strdup(o->exe);
	else if (o->pid)
		*path = mem_printf("/proc/%d/exe", o->pid);
	else
		return err_set(err, -EINVAL, "name the executable: --exe FILE or --pid PID");
	*fd = open(*path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return err_set(err, -errno, "%s cannot be opened: %s", *path, strerror(errno));
	return 0;
}

static int resolve(const struct options *o, struct profile **profile, struct plan **plan,
		   struct err *err)
{
	struct source_options from = { .debug = o->debug,
				       .folder = DEBUGFILE_FOLDER,
				       .server = o->debuginfod };
	struct profile_faults faults = {};
	_free_ char *path = NULL;
	_close_ int fd = -1;
	int r = profile_load(o->profile, profile, &faults, err);

	profile_faults_free(&faults);
	if (r == 0)
		r = open_target(o, &path, &fd, err);
	if (r == 0)
		r = resolve_plan(fd, path, &from, *profile, plan, err);
	return r;
}

static bool func_found(const struct plan *plan, unsigned func)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		if (plan->rows[i].func == func && plan->rows[i].state <= PLAN_PARTIAL)
			return true;
	return false;
}

/* All functions that the profile requires can be probed. */
static bool complete(const struct profile *profile, const struct plan *plan)
{
	for (unsigned f = 0; f < plan->n_funcs; f++)
		if (profile->funcs[f].required && !func_found(plan, f))
			return false;
	return true;
}

static void print_rows(const struct plan *plan)
{
	printf("resolved from %s\n", plan->source);
	for (unsigned f = 0; f < plan->n_funcs; f++) {
		printf("%s\n", plan->funcs[f].name);
		for (size_t i = 0; i < plan->n_rows; i++) {
			const struct plan_row *row = &plan->rows[i];

			if (row->func != f)
				continue;
			printf("  %-8s %s%s%s\n", plan_state_name(row->state), row->where,
			       row->how ? ": " : "", row->how ? row->how : "");
			if (row->reason)
				printf("           %s\n", row->reason);
		}
	}
}

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, text ? json_object_new_string(text) : NULL);
}

static void print_json(const struct plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (size_t i = 0; i < plan->n_rows; i++) {
		const struct plan_row *row = &plan->rows[i];
		struct json_object *o = json_object_new_object();

		add_text(o, "function", plan->funcs[row->func].name);
		add_text(o, "state", plan_state_name(row->state));
		add_text(o, "where", row->where);
		add_text(o, "how", row->how);
		add_text(o, "reason", row->reason);
		add_text(o, "source", plan->source);
		json_object_array_add(list, o);
	}
	puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY));
	json_object_put(list);
}

/* Exit status 2, and in one sentence what of the required is not there, and why. */
static int tell_incomplete(const struct profile *profile, const struct plan *plan)
{
	const char *reason = "";
	size_t missing = 0, required = 0;

	for (unsigned f = 0; f < plan->n_funcs; f++) {
		required += profile->funcs[f].required;
		if (!profile->funcs[f].required || func_found(plan, f))
			continue;
		for (size_t i = 0; i < plan->n_rows && !missing; i++)
			if (plan->rows[i].func == f && plan->rows[i].reason)
				reason = plan->rows[i].reason;
		missing++;
	}
	fprintf(stderr,
		"mpc-bpf-agent: %s: %zu of %zu functions that the profile requires cannot be "
		"probed: %s\n",
		plan->binary, missing, required, reason);
	return 2;
}

static int finish(int r, const struct err *err, struct profile *profile, struct plan *plan)
{
	int status = r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;

	if (r < 0)
		fprintf(stderr, "mpc-bpf-agent: %s\n", err->text);
	else if (!complete(profile, plan))
		status = tell_incomplete(profile, plan);
	plan_free(plan);
	profile_free(profile);
	return status;
}

int cmd_probes(const struct options *options)
{
	struct profile *profile = NULL;
	struct plan *plan = NULL;
	struct err err = {};
	int r = resolve(options, &profile, &plan, &err);

	if (r == 0) {
		if (options->json)
			print_json(plan);
		else
			print_rows(plan);
	}
	return finish(r, &err, profile, plan);
}

static int write_file(const char *path, const struct strbuf *text, struct err *err)
{
	FILE *f = path ? fopen(path, "we") : stdout;

	if (!f)
		return err_set(err, -errno, "%s cannot be written: %s", path, strerror(errno));
	fwrite(text->text, 1, text->len, f);
	if (path ? fclose(f) : fflush(f))
		return err_set(err, -errno, "%s was not written whole: %s",
			       path ? path : "the pack", strerror(errno));
	return 0;
}

int cmd_pack(const struct options *options)
{
	_strbuf_ struct strbuf text = {};
	struct profile *profile = NULL;
	struct plan *plan = NULL;
	struct err err = {};
	int r = resolve(options, &profile, &plan, &err);

	if (r == 0) {
		pack_write(plan, &text);
		r = write_file(options->output, &text, &err);
	}
	return finish(r, &err, profile, plan);
}

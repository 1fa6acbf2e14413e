// SPDX-License-Identifier: BSD-2-Clause
#include "cmd/offline.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "probe/attach.h"
#include "probe/compile.h"
#include "probe/layout.h"
#include "symbol/debugfile.h"
#include "symbol/packs.h"
#include "symbol/resolve.h"
#include "target/exe.h"
#include "target/library.h"

/* --- what the options name ------------------------------------------------------------- */

/* The executable named by an operand, --exe or --pid; *@path is NULL where none is. */
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
		return 0;
	*fd = open(*path, O_RDONLY | O_CLOEXEC);
	if (*fd < 0)
		return err_set(err, -errno, "%s cannot be opened: %s", *path, strerror(errno));
	return 0;
}

/* The library of the profile that the file is by its name, to be freed, or NULL. */
static char *library_named(const struct profile *profile, const char *path)
{
	char *names[PROFILE_FUNCS_MAX], *found = NULL;
	size_t n = profile_libraries(profile, names, ARRAY_SIZE(names));

	for (size_t i = 0; i < n; i++) {
		if (!found && library_is_called(path, names[i]))
			found = TAKE_PTR(names[i]);
		free(names[i]);
	}
	return found;
}

static int resolve(const struct options *o, const char *path, int fd, struct offline *out,
		   struct err *err)
{
	_free_ char *library = library_named(out->profile, path);
	struct source_options from = { .debug = o->debug,
				       .folder = DEBUGFILE_FOLDER,
				       .server = o->debuginfod,
				       .library = library };

	/* a process's files are not of our choosing: not with the privileges that we may have */
	return (o->pid ? resolve_plan_apart : resolve_plan)(fd, path, &from, out->profile,
							    &out->plan, err);
}

/* --- packs -------------------------------------------------------------------------------- */

/* What an agent finds out when it compares a plan with the file, @fd -1 for none. */
static int compare(int fd, struct offline *out, struct err *err)
{
	_cleanup_(compiled_freep) struct compiled *compiled = NULL;
	_cleanup_(layout_freep) struct layout *layout = NULL;
	int r = layout_make(out->profile, &layout, err);

	if (r == 0)
		r = compile_plan(layout, out->plan, &compiled, err);
	if (r == 0 && fd >= 0)
		r = attach_compare(fd, out->plan, compiled, err);
	if (r == 0)
		compiled_note(compiled, out->plan);
	return r;
}

static int find_pack(const struct packs *packs, const char *path, int fd,
		     const struct pack_file **found, struct err *err)
{
	struct exe exe;
	int r = exe_read(fd, path, &exe, err);

	if (r < 0)
		return r;
	*found = packs_find_exe(packs, &exe, fd);
	return 0;
}

static int only_pack(const struct packs *packs, const struct pack_file **found, struct err *err)
{
	if (packs->n == 1) {
		*found = packs->at;
		return 0;
	}
	return err_set(err, -EINVAL,
		       packs->n ? "there are %zu packs: name the executable with --exe or --pid" :
				  "name the executable: --exe FILE or --pid PID",
		       packs->n);
}

/* Only the packs that were named may stand alone: others are not what was asked for. */
static int load_packs(const struct options *o, const char *path, struct packs *packs,
		      struct err *err)
{
	int r = 0;

	if (path)
		return packs_add_all(packs, o->packs, o->n_packs, err);
	for (size_t i = 0; i < o->n_packs && r == 0; i++)
		r = packs_add(packs, o->packs[i], err);
	return r;
}

static int from_pack(const struct options *o, const char *path, int fd, struct offline *out,
		     struct err *err)
{
	_cleanup_(packs_free) struct packs packs = {};
	const struct pack_file *pack = NULL;
	int r = load_packs(o, path, &packs, err);

	if (r == 0)
		r = path ? find_pack(&packs, path, fd, &pack, err) : only_pack(&packs, &pack, err);
	if (r == 0 && pack)
		r = packs_load(pack, out->profile, &out->plan, err);
	if (r == 0 && !pack && o->n_packs)
		return err_set(err, -ESTALE,
			       "no pack that was given is of the build of %s: make one of it",
			       path);
	return r;
}

/* --- the plan ------------------------------------------------------------------------------ */

int offline_look(const struct options *options, struct offline *out, struct err *err)
{
	_free_ char *path = NULL;
	_close_ int fd = -1;
	int r = options_profile(options, &out->profile, err);

	if (r == 0)
		r = open_target(options, &path, &fd, err);
	if (r == 0)
		r = from_pack(options, path, fd, out, err);
	if (r == 0 && !out->plan)
		r = resolve(options, path, fd, out, err);
	if (r == 0)
		r = compare(fd, out, err);
	return r;
}

static int open_for_pack(const struct options *options, struct offline *out, char **path, int *fd,
			 struct err *err)
{
	int r = options_profile(options, &out->profile, err);

	if (r == 0 && !out->profile->n_funcs)
		return err_set(err, -EINVAL,
			       "the profile %s names no function, so nothing of an executable is "
			       "probed and a pack would be empty",
			       out->profile->name);
	if (r == 0)
		r = open_target(options, path, fd, err);
	if (r == 0 && !*path)
		r = err_set(err, -EINVAL, "name the executable: pack FILE -o PACK");
	return r;
}

int offline_resolve(const struct options *options, struct offline *out, struct err *err)
{
	_free_ char *path = NULL;
	_close_ int fd = -1;
	int r = open_for_pack(options, out, &path, &fd, err);

	return r == 0 ? resolve(options, path, fd, out, err) : r;
}

int offline_twin(const struct options *options, struct offline *out, struct err *err)
{
	_cleanup_(plan_freep) struct plan *rebuild = NULL;
	struct offline twin = {};
	_free_ char *path = NULL;
	_close_ int fd = -1, twin_fd = -1;
	int r = open_for_pack(options, out, &path, &fd, err);

	if (r < 0)
		return r;
	twin_fd = open(options->twin, O_RDONLY | O_CLOEXEC);
	if (twin_fd < 0)
		return err_set(err, -errno, "--twin %s cannot be opened: %s", options->twin,
			       strerror(errno));
	twin.profile = out->profile;
	r = resolve(options, options->twin, twin_fd, &twin, err);
	rebuild = twin.plan;
	if (r < 0)
		return r;
	return twin_carry(rebuild, twin_fd, options->twin, fd, path, &out->plan, &out->twin, err);
}

/* --- shared libraries ----------------------------------------------------------------------- */

static int resolve_library(pid_t pid, const char *name, const struct profile *profile,
			   struct plan **out, struct err *err)
{
	struct source_options from = { .library = name };
	_library_ struct library found = { .fd = -1 };
	int r = library_of_process(pid, name, &found, err);

	if (r == 0)
		r = resolve_plan_apart(found.fd, found.path, &from, profile, out, err);
	return r;
}

void offline_libraries(const struct options *options, const struct offline *offline,
		       offline_library_fn *each)
{
	char *names[PROFILE_FUNCS_MAX];
	size_t n = profile_libraries(offline->profile, names, ARRAY_SIZE(names));

	for (size_t i = 0; i < n; i++) {
		_cleanup_(plan_freep) struct plan *plan = NULL;
		_free_ char *name = names[i];
		struct err err = {};
		int r;

		if (offline->plan->library) /* it is what was asked for */
			continue;
		r = options->pid ?
			    resolve_library(options->pid, name, offline->profile, &plan, &err) :
			    err_set(&err, -ENOENT,
				    "which file that is depends on the process: give --pid, or "
				    "the library itself");
		each(offline, name, r < 0 ? NULL : plan, err.text);
	}
}

/* --- the exit status ------------------------------------------------------------------------ */

static bool found(const struct plan *plan, size_t func)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		if (plan->rows[i].func == func && plan->rows[i].state <= PLAN_PARTIAL)
			return true;
	return false;
}

static const char *reason_of(const struct plan *plan, size_t func)
{
	for (size_t i = 0; i < plan->n_rows; i++)
		if (plan->rows[i].func == func && plan->rows[i].reason)
			return plan->rows[i].reason;
	return "";
}

/* All profiles are of libraries, and of none there is anything. */
static int tell_nothing(const struct profile *profile, const struct plan *plan)
{
	if (!profile_has_of(profile, PROFILE_PARTS_MAX, plan->library))
		return EXIT_SUCCESS;
	for (size_t f = 0; f < plan->n_funcs; f++)
		if (found(plan, f))
			return EXIT_SUCCESS;
	fprintf(stderr, "mpc-bpf-agent: %s has no function of %s that can be probed\n",
		plan->binary, profile->name);
	return 2;
}

/* The first reason stands for all: they are mostly one. */
static int tell_missing(const struct profile *profile, const struct plan *plan)
{
	const char *reason = NULL;
	size_t missing = 0, required = 0;

	for (size_t f = 0; f < profile->n_funcs; f++) {
		size_t func = plan_find_func(plan, profile->funcs[f].name);

		if (!plan_shows(plan, profile, f) ||
		    !profile_is_of(profile->funcs[f].name, plan->library))
			continue;
		required += profile->funcs[f].required;
		if (!profile->funcs[f].required || (func != SIZE_MAX && found(plan, func)))
			continue;
		missing++;
		if (!reason)
			reason = reason_of(plan, func);
	}
	if (!missing)
		return required ? EXIT_SUCCESS : tell_nothing(profile, plan);
	fprintf(stderr,
		"mpc-bpf-agent: %s: %zu of %zu functions that the profile requires cannot be "
		"probed: %s\n",
		plan->binary, missing, required, reason);
	return 2;
}

int offline_finish(int r, const struct err *err, struct offline *offline)
{
	int status = EXIT_FAILURE;

	if (r < 0)
		fprintf(stderr, "mpc-bpf-agent: %s\n", err->text);
	else
		status = tell_missing(offline->profile, offline->plan);
	plan_free(offline->plan);
	profile_free(offline->profile);
	return status;
}

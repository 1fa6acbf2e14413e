// SPDX-License-Identifier: BSD-2-Clause
/* Indexes packs by the builds they are of; the plans are read when they are needed. */
#include "symbol/packs.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "symbol/pack.h"

static int load(const char *path, struct plan **out, struct err *err)
{
	_free_ char *text = NULL;
	size_t size = 0;
	int r = file_read(path, PACK_SIZE_MAX, &text, &size, err);

	return r < 0 ? r : pack_read(path, text, size, out, err);
}

const struct pack_file *packs_find(const struct packs *packs, const uint8_t *build_id,
				   size_t n_build_id)
{
	for (size_t i = 0; i < packs->n; i++)
		if (n_build_id && packs->at[i].n_build_id == n_build_id &&
		    memcmp(packs->at[i].build_id, build_id, n_build_id) == 0)
			return &packs->at[i];
	return NULL;
}

const struct pack_file *packs_find_code(const struct packs *packs, const uint8_t code[32])
{
	for (size_t i = 0; i < packs->n; i++)
		if (!packs->at[i].n_build_id &&
		    memcmp(packs->at[i].code, code, sizeof(packs->at[i].code)) == 0)
			return &packs->at[i];
	return NULL;
}

bool packs_know_code(const struct packs *packs)
{
	for (size_t i = 0; i < packs->n; i++)
		if (!packs->at[i].n_build_id)
			return true;
	return false;
}

static const struct pack_file *same_build(const struct packs *packs, const struct pack_file *file)
{
	return file->n_build_id ? packs_find(packs, file->build_id, file->n_build_id) :
				  packs_find_code(packs, file->code);
}

static int add_file(struct packs *packs, const char *path, struct err *err)
{
	_cleanup_(plan_freep) struct plan *plan = NULL;
	struct pack_file file = {};
	const struct pack_file *twin;
	int r = load(path, &plan, err);

	if (r < 0)
		return r;
	if (!plan->n_build_id && !plan->has_code)
		return err_set(err, -EINVAL,
			       "%s does not say of which executable it is, neither by build-id nor "
			       "by the SHA-256 of its code; make it again with this agent",
			       path);
	memcpy(file.build_id, plan->build_id, sizeof(file.build_id));
	file.n_build_id = plan->n_build_id;
	memcpy(file.code, plan->code, sizeof(file.code));
	twin = same_build(packs, &file);
	if (twin)
		return err_set(err, -EEXIST, "%s and %s are packs of the same build; keep one",
			       path, twin->path);
	file.path = mem_strdup(path);
	*VEC_ADD(packs) = file;
	return 0;
}

static bool is_pack_name(const char *name)
{
	size_t len = strlen(name);

	return len > 5 && strcmp(name + len - 5, ".pack") == 0;
}

static int add_folder(struct packs *packs, const char *path, struct err *err)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return err_set(err, -errno, "%s cannot be listed: %s", path, strerror(errno));
	while (r == 0 && (entry = readdir(dir))) {
		_free_ char *file = mem_printf("%s/%s", path, entry->d_name);

		if (is_pack_name(entry->d_name))
			r = add_file(packs, file, err);
	}
	closedir(dir);
	return r;
}

int packs_add(struct packs *packs, const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_set(err, -errno, "%s cannot be read: %s", path, strerror(errno));
	return S_ISDIR(st.st_mode) ? add_folder(packs, path, err) : add_file(packs, path, err);
}

/* Moves those of @from whose builds @packs does not know. */
static void move_new(struct packs *packs, struct packs *from)
{
	for (size_t i = 0; i < from->n; i++) {
		if (same_build(packs, &from->at[i]))
			continue;
		*VEC_ADD(packs) = from->at[i];
		from->at[i].path = NULL;
	}
}

int packs_add_all(struct packs *packs, const char *const *paths, size_t n, struct err *err)
{
	_cleanup_(packs_free) struct packs standing = {};
	int r = 0;

	for (size_t i = 0; i < n && r == 0; i++)
		r = packs_add(packs, paths[i], err);
	if (r == 0 && access(PACKS_FOLDER, F_OK) == 0)
		r = packs_add(&standing, PACKS_FOLDER, err);
	if (r == 0)
		move_new(packs, &standing);
	return r;
}

void packs_free(struct packs *packs)
{
	for (size_t i = 0; i < packs->n; i++)
		free(packs->at[i].path);
	free(packs->at);
	*packs = (struct packs){};
}

const struct pack_file *packs_find_exe(const struct packs *packs, const struct exe *exe, int fd)
{
	uint8_t code[EXE_HASH_SIZE];

	if (exe->n_build_id)
		return packs_find(packs, exe->build_id, exe->n_build_id);
	if (!packs_know_code(packs) || exe_hash(fd, "", code, NULL) < 0)
		return NULL;
	return packs_find_code(packs, code);
}

/* Functions that the pack does not speak of: nobody looked for them. */
static void add_unasked(struct plan *plan, const struct profile *profile)
{
	size_t known = plan->n_funcs;
	const char *why = profile->n_parts == 1 ?
				  "the pack was made for a profile without this function: make it "
				  "anew with this one" :
				  "the pack was made without this function: make it anew with all "
				  "the profiles that the agent is given";

	plan_add_missing_rows(plan, profile, PLAN_ABSENT, why);
	for (size_t f = known; f < plan->n_funcs; f++)
		plan->funcs[f].unasked = true;
}

int packs_load(const struct pack_file *file, const struct profile *profile, struct plan **out,
	       struct err *err)
{
	int r = load(file->path, out, err);

	if (r < 0)
		return r;
	(*out)->source = mem_printf("the pack %s", file->path);
	if (profile)
		add_unasked(*out, profile);
	plan_clean(*out);
	return 0;
}

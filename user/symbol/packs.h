/* SPDX-License-Identifier: BSD-2-Clause */
/* The packs that an operator has put in place, found by the build-id of an
 * executable, or by its code where it has none. */
#ifndef SYMBOL_PACKS_H
#define SYMBOL_PACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "profile/profile.h"
#include "symbol/plan.h"
#include "target/exe.h"

/* The folder that is looked into without being asked. */
#define PACKS_FOLDER "/usr/lib/mpc-bpf-agent/packs"

struct pack_file {
	char *path;
	uint8_t build_id[20];
	size_t n_build_id;
	uint8_t code[32]; /* without build-id: SHA-256 of the executable segments */
};

struct packs {
	struct pack_file *at;
	size_t n, cap;
};

/* Adds a pack, or all files *.pack of a folder. Errors: what file_read and
 * pack_read say, -EEXIST when two packs are of the same build. */
int packs_add(struct packs *packs, const char *path, struct err *err);
/* Adds @paths, and from PACKS_FOLDER, where there is one, what is of other builds.
 * Errors as above. */
int packs_add_all(struct packs *packs, const char *const *paths, size_t n, struct err *err);
void packs_free(struct packs *packs);

/* The pack of this build, or NULL. */
const struct pack_file *packs_find(const struct packs *packs, const uint8_t *build_id,
				   size_t n_build_id);

/* The same for a build without build-id, by the SHA-256 of its executable segments. */
const struct pack_file *packs_find_code(const struct packs *packs, const uint8_t code[32]);
/* Whether there are packs of such builds, so that it is worth computing. */
bool packs_know_code(const struct packs *packs);

/* The pack of the executable @exe, open as @fd, in either way; or NULL. */
const struct pack_file *packs_find_exe(const struct packs *packs, const struct exe *exe, int fd);

/* Reads the plan of a pack that was added. Functions of @profile that it does not speak
 * of become rows, since it was made with another profile then; @profile may be NULL. */
int packs_load(const struct pack_file *file, const struct profile *profile, struct plan **out,
	       struct err *err);

#endif

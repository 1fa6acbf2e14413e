/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Names that say secret. The agent reads only scalars that a profile names, and
 * a path is refused by its words before any binary is looked at. The question
 * can be asked of the path of a Rust type as well.
 */
#ifndef PROFILE_SECRET_H
#define PROFILE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* True when a segment of the dotted path (or of a Rust type's path) names key
 * material: @at and @size are the segment's. A number of presignatures or keys
 * (`presignatures.len()`, `key_count`) is none, nor is a public key. */
bool secret_in_path(const char *path, size_t *at, size_t *size);
/* The same for the name of an environment variable, where addresses with
 * passwords in them (POSTGRES_URL) count too. */
bool secret_in_variable(const char *name, size_t *at, size_t *size);

#endif

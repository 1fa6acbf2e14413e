/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The YAML of a profile, or of another file that a person writes for us, as a tree
 * in which everything knows its place. The language is a strict part of YAML:
 * mappings, lists and text, no anchors, aliases, tags or second documents. Each
 * reader below adds the faults it finds, so that its caller only skips what is
 * missing and goes on.
 */
#ifndef PROFILE_TREE_H
#define PROFILE_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include <yaml.h>

#include "profile/fault.h"

#define TREE_ENTRIES_MAX 1024 /* of one mapping or list */
#define TREE_DEPTH_MAX 32

struct tree {
	struct fault_page *page;
	yaml_document_t document;
	yaml_node_t *root;
};

/* One `name: value` of a mapping; an item of a list has key and name NULL. */
struct tree_entry {
	const char *name;
	yaml_node_t *key, *value;
};

struct tree_key {
	const char *name;
	bool required;
};

/* Parses the page. Returns false, with nothing to free, where there is no tree to walk.
 * @if_empty is the sentence for a page without content. */
bool tree_load(struct tree *tree, struct fault_page *page, const char *if_empty);
void tree_free(struct tree *tree);

struct fault_span tree_span(const struct tree *tree, const yaml_node_t *node);
/* The span of the value, or of its key where the value is empty. */
struct fault_span tree_value_span(const struct tree *tree, const struct tree_entry *entry);
/* The span of some bytes within a scalar, or all of it where escapes make that unclear. */
struct fault_span tree_part_span(const struct tree *tree, const yaml_node_t *node, size_t at,
				 size_t size);

/* The entries of a mapping with names that are text and stand once (the caller
 * frees them), or NULL where it is no mapping or empty. @what is what the
 * sentences call it: `metric "mpc_votes_total"`. */
struct tree_entry *tree_mapping(struct tree *tree, const struct tree_entry *of, const char *what,
				size_t *n);
/* The items of a list that has some (the caller frees them), or NULL. */
struct tree_entry *tree_list(struct tree *tree, const struct tree_entry *of, const char *what,
			     size_t *n);
/* Reads a mapping of known keys: got[i] is the entry of keys[i], its value NULL
 * where it does not stand there (a mistyped key stands for the one that was
 * meant). Returns false where it is no mapping. */
bool tree_keys(struct tree *tree, const struct tree_entry *of, const char *what,
	       const struct tree_key *keys, size_t n_keys, struct tree_entry *got);
/* The text of a scalar that is not empty, or NULL. */
const char *tree_text(struct tree *tree, const struct tree_entry *of, const char *what);

#endif

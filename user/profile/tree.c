// SPDX-License-Identifier: BSD-2-Clause
/* Walking the tree: mappings, lists and text, each fault with its place. */
#include "profile/tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/utf8.h"

#define NEAR_WORD_MAX 128 /* a longer word is no mistyped key */

void tree_free(struct tree *tree)
{
	yaml_document_delete(&tree->document);
	tree->root = NULL;
}

struct fault_span tree_span(const struct tree *tree, const yaml_node_t *node)
{
	const yaml_mark_t *from = &node->start_mark, *to = &node->end_mark;

	if (from->line == to->line && to->column > from->column)
		return (struct fault_span){ from->line, from->column, to->column - from->column };
	return fault_span_of_rest(tree->page, from->line, from->column);
}

static bool is_empty(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE && node->data.scalar.length == 0 &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

struct fault_span tree_value_span(const struct tree *tree, const struct tree_entry *entry)
{
	return tree_span(tree, entry->key && is_empty(entry->value) ? entry->key : entry->value);
}

static bool is_blank(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	return strspn(text, " ") == node->data.scalar.length;
}

static size_t count_characters(const char *text, size_t size)
{
	size_t n = 0;

	for (size_t at = 0; at < size; n++) {
		size_t bytes = utf8_decode(text + at, size - at, NULL);

		at += bytes ? bytes : 1;
	}
	return n;
}

struct fault_span tree_part_span(const struct tree *tree, const yaml_node_t *node, size_t at,
				 size_t size)
{
	struct fault_span whole = tree_span(tree, node);
	const char *text = (const char *)node->data.scalar.value;
	size_t length = node->data.scalar.length, quotes;

	quotes = node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE ? 0 : 1;
	if (at > length || size > length - at)
		return whole;
	if (whole.width != count_characters(text, length) + 2 * quotes)
		return whole;
	whole.column += quotes + count_characters(text, at);
	whole.width = count_characters(text + at, size);
	return whole;
}

static const char *type_name(const yaml_node_t *node)
{
	if (node->type == YAML_MAPPING_NODE)
		return "a mapping";
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	if (!is_blank(node))
		return "text";
	return is_empty(node) ? "nothing" : "empty text";
}

static void wrong_type(struct tree *tree, const struct tree_entry *of, const char *what,
		       const char *want)
{
	fault_add(tree->page, tree_value_span(tree, of), "%s must be %s, but here is %s", what,
		  want, type_name(of->value));
}

/* The text of a scalar without anything unprintable in it, or NULL. */
static const char *plain_text(struct tree *tree, const yaml_node_t *node, const char *what)
{
	const char *text = (const char *)node->data.scalar.value;
	size_t size = node->data.scalar.length;
	uint32_t code;

	for (size_t at = 0, n; at < size; at += n) {
		n = utf8_decode(text + at, size - at, &code);
		if (n == 0 || utf8_is_control(code)) {
			fault_add(tree->page, tree_span(tree, node),
				  "%s must be one line without control characters", what);
			return NULL;
		}
	}
	return text;
}

static bool check_key(struct tree *tree, struct tree_entry *entry, const char *what)
{
	if (entry->key->type != YAML_SCALAR_NODE || is_blank(entry->key)) {
		fault_add(tree->page, tree_span(tree, entry->key),
			  "a key of %s must be text, but here is %s", what, type_name(entry->key));
		return false;
	}
	entry->name = plain_text(tree, entry->key, "a key");
	return entry->name != NULL;
}

static bool is_repeated(struct tree *tree, const struct tree_entry *entry,
			const struct tree_entry *before, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		if (strcmp(before[i].name, entry->name) != 0)
			continue;
		fault_add(tree->page, tree_span(tree, entry->key),
			  "\"%s\" stands twice in %s; first on line %zu", entry->name, what,
			  before[i].key->start_mark.line + 1);
		return true;
	}
	return false;
}

struct tree_entry *tree_mapping(struct tree *tree, const struct tree_entry *of, const char *what,
				size_t *n)
{
	const yaml_node_pair_t *pairs = of->value->data.mapping.pairs.start;
	_free_ struct tree_entry *entries = NULL;
	size_t n_pairs;

	*n = 0;
	if (of->value->type != YAML_MAPPING_NODE) {
		wrong_type(tree, of, what, "a mapping (name: value)");
		return NULL;
	}
	n_pairs = (size_t)(of->value->data.mapping.pairs.top - pairs);
	if (n_pairs == 0 || n_pairs > TREE_ENTRIES_MAX) {
		fault_add(tree->page, tree_value_span(tree, of),
			  n_pairs ? "%s has more than %d entries" : "%s is empty", what,
			  TREE_ENTRIES_MAX);
		return NULL;
	}
	entries = mem_array(n_pairs, sizeof(*entries));
	for (size_t i = 0; i < n_pairs; i++) {
		struct tree_entry *entry = &entries[*n];

		entry->key = yaml_document_get_node(&tree->document, pairs[i].key);
		entry->value = yaml_document_get_node(&tree->document, pairs[i].value);
		if (check_key(tree, entry, what) && !is_repeated(tree, entry, entries, *n, what))
			++*n;
	}
	return TAKE_PTR(entries);
}

struct tree_entry *tree_list(struct tree *tree, const struct tree_entry *of, const char *what,
			     size_t *n)
{
	const yaml_node_item_t *items = of->value->data.sequence.items.start;
	struct tree_entry *entries;

	*n = 0;
	if (of->value->type != YAML_SEQUENCE_NODE) {
		wrong_type(tree, of, what, "a list [a, b]");
		return NULL;
	}
	*n = (size_t)(of->value->data.sequence.items.top - items);
	if (*n == 0 || *n > TREE_ENTRIES_MAX) {
		fault_add(tree->page, tree_value_span(tree, of),
			  *n ? "%s has more than %d entries" : "%s is empty", what,
			  TREE_ENTRIES_MAX);
		return NULL;
	}
	entries = mem_array(*n, sizeof(*entries));
	for (size_t i = 0; i < *n; i++)
		entries[i].value = yaml_document_get_node(&tree->document, items[i]);
	return entries;
}

static size_t find_key(const char *name, const struct tree_key *keys, size_t n_keys)
{
	size_t i = 0;

	while (i < n_keys && strcmp(keys[i].name, name) != 0)
		i++;
	return i;
}

/* Returns the index of the key that was probably meant, or @n_keys. */
static size_t unknown_key(struct tree *tree, const struct tree_entry *entry, const char *what,
			  const struct tree_key *keys, size_t n_keys)
{
	_free_ const char **names = mem_array(n_keys, sizeof(*names));
	_strbuf_ struct strbuf hint = {};
	const char *meant;
	size_t n = 0;

	for (size_t i = 0; i < n_keys; i++)
		names[i] = keys[i].name;
	if (strlen(entry->name) <= NEAR_WORD_MAX)
		n = near_find(entry->name, names, n_keys, &meant, 1);
	if (n)
		near_hint(&hint, entry->name, names, n_keys);
	else
		strbuf_puts(&hint, "; it may have");
	for (size_t i = 0; i < n_keys && !n; i++)
		strbuf_printf(&hint, "%s %s", i ? "," : "", names[i]);
	fault_add(tree->page, tree_span(tree, entry->key), "unknown key \"%.60s\" in %s%s",
		  entry->name, what, hint.text);
	return n ? find_key(meant, keys, n_keys) : n_keys;
}

/* A mistyped key is a fault; then it is read as the one that was meant, so that
 * the same slip does not also count as a missing key. */
static void take_unknown_keys(struct tree *tree, const struct tree_entry *entries, size_t n,
			      const char *what, const struct tree_key *keys, size_t n_keys,
			      struct tree_entry *got)
{
	for (size_t i = 0; i < n; i++) {
		size_t meant;

		if (find_key(entries[i].name, keys, n_keys) < n_keys)
			continue;
		meant = unknown_key(tree, &entries[i], what, keys, n_keys);
		if (meant < n_keys && !got[meant].value)
			got[meant] = entries[i];
	}
}

bool tree_keys(struct tree *tree, const struct tree_entry *of, const char *what,
	       const struct tree_key *keys, size_t n_keys, struct tree_entry *got)
{
	size_t n;
	_free_ struct tree_entry *entries = tree_mapping(tree, of, what, &n);

	memset(got, 0, n_keys * sizeof(*got));
	if (!entries)
		return false;
	for (size_t i = 0; i < n; i++) {
		size_t at = find_key(entries[i].name, keys, n_keys);

		if (at < n_keys)
			got[at] = entries[i];
	}
	take_unknown_keys(tree, entries, n, what, keys, n_keys, got);
	for (size_t i = 0; i < n_keys; i++) {
		if (keys[i].required && !got[i].value)
			fault_add(tree->page, tree_span(tree, of->key ? of->key : of->value),
				  "%s lacks the key \"%s\"", what, keys[i].name);
	}
	return true;
}

const char *tree_text(struct tree *tree, const struct tree_entry *of, const char *what)
{
	if (of->value->type != YAML_SCALAR_NODE || is_blank(of->value)) {
		wrong_type(tree, of, what, "text");
		return NULL;
	}
	return plain_text(tree, of->value, what);
}

// SPDX-License-Identifier: BSD-2-Clause
/* A metric that the kernel feeds: `kernel: FACT`, and by which labels. */
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "profile/build.h"
#include "profile/fact.h"

static const struct fact *read_fact(struct build *b, const struct tree_entry *entry, const char *of)
{
	_free_ char *what = mem_printf("\"kernel\" of %s", of);
	const char *text = tree_text(&b->tree, entry, what), *names[FACTS];
	_strbuf_ struct strbuf hint = {};
	const struct fact *fact;

	if (!text)
		return NULL;
	fact = fact_find(text);
	if (fact)
		return fact;
	for (size_t i = 0; i < FACTS; i++)
		names[i] = facts[i].name;
	near_hint(&hint, text, names, FACTS);
	if (!hint.len) {
		strbuf_puts(&hint, "; there are:");
		for (size_t i = 0; i < FACTS; i++)
			strbuf_printf(&hint, "%s %s", i ? "," : "", names[i]);
	}
	fault_add(b->tree.page, tree_span(&b->tree, entry->value),
		  "the kernel has no fact \"%.60s\"%s", text, hint.text);
	return NULL;
}

/* The label of that name, if the fact has it; FACT_LABELS with a fault if not. */
static enum fact_label find_label(struct build *b, const struct tree_entry *item, const char *text,
				  const struct fact *fact)
{
	const char *names[FACT_LABELS];
	_strbuf_ struct strbuf hint = {};
	size_t n = 0;

	for (enum fact_label l = 0; l < FACT_LABELS; l++) {
		if (!(fact->labels & 1u << l))
			continue;
		if (strcmp(text, fact_label_name(l)) == 0)
			return l;
		names[n++] = fact_label_name(l);
	}
	near_hint(&hint, text, names, n);
	if (!hint.len) {
		strbuf_puts(&hint, n ? "; it has:" : "; it has none");
		for (size_t i = 0; i < n; i++)
			strbuf_printf(&hint, "%s %s", i ? "," : "", names[i]);
	}
	fault_add(b->tree.page, tree_span(&b->tree, item->value),
		  "the kernel's \"%s\" has no label \"%.60s\"%s", fact->name, text, hint.text);
	return FACT_LABELS;
}

/* [] is not a list of the language: a metric without any label names none. */
static unsigned read_labels(struct build *b, const struct tree_entry *entry, const char *of,
			    const struct fact *fact)
{
	_free_ char *what = mem_printf("labels of %s", of);
	_free_ struct tree_entry *items = NULL;
	unsigned labels = 0;
	size_t n;

	if (entry->value->type == YAML_SCALAR_NODE &&
	    strcmp((char *)entry->value->data.scalar.value, "none") == 0)
		return 0;
	items = tree_list(&b->tree, entry, what, &n);
	for (size_t i = 0; items && i < n; i++) {
		_free_ char *whose = mem_printf("each of the %s", what);
		const char *text = tree_text(&b->tree, &items[i], whose);
		enum fact_label label = text ? find_label(b, &items[i], text, fact) : FACT_LABELS;

		if (label == FACT_LABELS)
			continue;
		if (labels & 1u << label)
			fault_add(b->tree.page, tree_span(&b->tree, items[i].value),
				  "label \"%s\" of %s stands twice", text, of);
		labels |= 1u << label;
	}
	return labels;
}

/* There is one set of buckets in the kernel for each fact. */
static void check_once(struct build *b, const struct metric_draft *draft,
		       const struct tree_entry *entry, const struct fact *fact)
{
	for (const struct profile_metric *m = b->profile->metrics; m != draft->metric; m++) {
		if (m->fact != fact || fact->type != PROFILE_HISTOGRAM)
			continue;
		fault_add(b->tree.page, tree_span(&b->tree, entry->value),
			  "the kernel's \"%s\" is the histogram \"%.100s\" of line %u already; it "
			  "can have only one set of buckets",
			  fact->name, m->name, m->line);
		return;
	}
}

void kernel_read(struct build *b, const struct metric_draft *draft, const struct tree_entry *entry,
		 const struct tree_entry *labels)
{
	const struct fact *fact = read_fact(b, entry, draft->what);

	if (!fact)
		return;
	check_once(b, draft, entry, fact);
	draft->metric->fact = fact;
	draft->metric->fact_labels =
		labels->value ? read_labels(b, labels, draft->what, fact) : fact->labels;
}

void kernel_has_no(struct build *b, const struct metric_draft *draft, const struct tree_entry *key)
{
	if (key->value)
		fault_add(b->tree.page, tree_span(&b->tree, key->key),
			  "%s cannot have \"%s\" beside \"kernel\": no function feeds it",
			  draft->what, key->name);
}

void kernel_check_type(struct build *b, const struct metric_draft *draft,
		       const struct tree_entry *type)
{
	const struct profile_metric *metric = draft->metric;
	const struct fact *fact = metric->fact;

	if (metric->type != fact->type)
		fault_add(b->tree.page, tree_span(&b->tree, type->value),
			  "the kernel's \"%s\" is a %s, not a %s", fact->name,
			  profile_metric_type_name(fact->type),
			  profile_metric_type_name(metric->type));
	else if (strcmp(metric->unit, fact->unit) != 0)
		fault_add(b->tree.page, tree_span(&b->tree, draft->entry->key),
			  fact->unit[0] ? "%s is in another unit than its name says: the kernel's "
					  "\"%s\" is in %s" :
					  "%s is in another unit than its name says: the kernel's "
					  "\"%s\" has none%s",
			  draft->what, fact->name, fact->unit);
}

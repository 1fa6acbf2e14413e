/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Building a profile from its tree, top down: profile.c reads the document,
 * metric.c one metric, gauge.c what only a gauge has, source.c the functions that feed it,
 * span.c those that begin and end a span, label.c its labels, number.c what it measures of
 * a call, kernel.c what it asks of the kernel; bind.c joins values and functions.
 * Nothing here stops at a fault; a profile with any is thrown away at the end.
 */
#ifndef PROFILE_BUILD_H
#define PROFILE_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"
#include "profile/tree.h"
#include "profile/word.h"

#define CHOICES_MAX 32       /* raw values of one captured value … */
#define TEST_CHOICES_MAX 16  /* … told apart by one test: of a Rust function all of an enum */
#define TESTS_MAX 3          /* enums told apart to find one value: Ok.Accepted takes two */
#define LABEL_VALUES_MAX 100 /* of one label over all sources */
#define SERIES_MAX 640       /* of one metric, "unknown" counted in */

struct build {
	struct tree tree;
	struct profile *profile;
	unsigned n_metrics_of[PROFILE_FUNCS_MAX]; /* per function */
};

/* A label as written, before a function is known: a constant, or a captured value. The
 * number of a call that a metric measures is one too, without choices, and so is the key
 * of a span; and what a metric skips, whose choices have no label values. */
struct label_draft {
	struct tree_entry entry;
	bool usable; /* nothing wrong with it */
	bool constant;
	bool is_number, is_key, is_skip;
	bool now;                       /* ARG: as it is whenever the call counts */
	bool skip_rest;                 /* what no choice names is left out, too */
	struct profile_choice *choices; /* constant: the first one's label */
	size_t n_choices;
	enum profile_value_kind kind;
	const char *path; /* ARG; of two arguments: both, with PROFILE_AND between them */
	char *pair;       /* … to be freed */
};

/* A metric while its sources are read. */
struct metric_draft {
	struct profile_metric *metric;
	const struct tree_entry *entry;
	const char *what;           /* `metric "mpc_votes_total"`, for sentences */
	struct label_draft *labels; /* those of the metric itself */
	size_t n_labels;
	struct label_draft number; /* of the metric itself; entry.value NULL where it has none */
	struct label_draft skip;   /* the same of calls that it leaves out */
	bool balanced;             /* calls are counted up and down */
	bool named; /* metric->labels have their names, and is_of_numbers is known: a source was read */
};

/* What a fault calls a thing and what its word must look like: adds
 * `KIND "word" WHY` under the bad part. */
void build_word_fault(struct build *b, const yaml_node_t *node, const char *kind,
		      const struct word_fault *fault);

/* Reads true or false of the key @what, which stands in quotes; false after a fault. */
bool build_flag(struct build *b, const struct tree_entry *entry, const char *what);

void build_metric(struct build *b, const struct tree_entry *entry);

/* The keys of a metric; those that it does not have are NULL. */
struct metric_keys {
	const struct tree_entry *from, *up, *down, *value, *stale, *span;
};
/* Whether a metric of its type (@typed: it is known) has the keys that it needs and no
 * others. Called when its sources are read. */
void gauge_check(struct build *b, const struct metric_draft *draft, bool typed,
		 const struct metric_keys *keys);
/* Reads `stale`; without it a gauge of numbers has its default. */
void gauge_read_stale(struct build *b, const struct metric_draft *draft,
		      const struct tree_entry *entry);

/* Reads `kernel`, a fact of fact.h, and the list of labels that go with it (its value NULL
 * where there is none). */
void kernel_read(struct build *b, const struct metric_draft *draft, const struct tree_entry *entry,
		 const struct tree_entry *labels);
/* A key that stands only with functions. */
void kernel_has_no(struct build *b, const struct metric_draft *draft, const struct tree_entry *key);
/* The metric's type must be the fact's, and its name end in the fact's unit. */
void kernel_check_type(struct build *b, const struct metric_draft *draft,
		       const struct tree_entry *type);

/* Adds the sources under the key "from", "up" or "down"; those of @down count down. */
void build_sources(struct build *b, struct metric_draft *draft, const struct tree_entry *from,
		   bool down);

/* What sources of all kinds have; @what: `a source of metric "mpc_votes_total"`. */
/* The ends of a call under the key "on". */
unsigned source_on(struct build *b, const struct tree_entry *entry);
/* The index of the function in the profile, where it stands then, or PROFILE_FUNCS_MAX. */
size_t source_func(struct build *b, const struct tree_entry *entry, const char *what);
/* One call must be counted once in a metric, and only so many metrics fit a function. */
void source_check_feeds(struct build *b, const struct metric_draft *draft,
			const struct profile_source *source, const yaml_node_t *node);
/* Labels of a source that the metric has already, or that its first source lacks. */
void source_check_labels(struct build *b, const struct metric_draft *draft,
			 const struct label_draft *own, size_t n_own);
/* Gives the source its labels, and the metric too where it is the first one. */
void source_bind_labels(struct build *b, struct metric_draft *draft, struct profile_source *source,
			const struct label_draft *own, size_t n_own, const yaml_node_t *node);

/* Reads `span`: the functions that begin and those that end it, and its times. */
void span_read(struct build *b, struct metric_draft *draft, const struct tree_entry *entry);
/* Whether a metric of spans has the type and the keys that it needs and no others. */
void span_check(struct build *b, const struct metric_draft *draft, bool typed,
		const struct metric_keys *keys);

/* Reads the labels of a metric or of a source; the caller frees them with labels_free. */
struct label_draft *labels_read(struct build *b, const struct tree_entry *entry, const char *what,
				size_t *n);
/* One label that stands alone, to be freed with labels_free. */
struct label_draft *label_read(struct build *b, const struct tree_entry *entry, const char *what);
void labels_free(struct label_draft *labels, size_t n);
/* What a fault says before the name of a captured value, which for some is that of a key. */
const char *label_word(const struct label_draft *draft);
/* Reads `skip` of a metric: the calls that it leaves out. */
void skip_read(struct build *b, const struct tree_entry *entry, struct metric_draft *draft);
/* Captures of the source's function what says so. */
void skip_bind(struct build *b, const struct metric_draft *draft, struct profile_source *source);
/* Makes a label of the metric that of a source of it: adds its values to the
 * label's closed set and, when captured, to what is captured of the function. */
void label_bind(struct build *b, const struct label_draft *draft, struct profile_label *label,
		struct profile_source *source, size_t at);

/* Reads `value`, the number that a metric or a source measures. */
void number_read(struct build *b, const struct tree_entry *entry, const char *of,
		 struct label_draft *number);
/* The index of a value captured of the function, where it stands then; 0 after a fault. */
size_t value_bind(struct build *b, const struct label_draft *draft, struct profile_func *func);
/* Makes it a number of the source's function. */
void number_bind(struct build *b, const struct label_draft *number, struct profile_source *source);

void profile_choices_free(struct profile_choice *choices, size_t n);

#endif

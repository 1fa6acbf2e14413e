/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A profile says what is wanted: which functions of the watched program feed
 * which metrics, with which labels. It knows nothing of binaries or kernels.
 * The YAML form is described in docs/profile.md.
 */
#ifndef PROFILE_PROFILE_H
#define PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"

/* One label value of a closed set, chosen by a raw value of the program:
 * "true", "false", an integer, an enum variant ("Pending"), or for nested
 * enums a dotted path of variants ("Ok.Accepted"). */
struct profile_choice {
	char *raw;
	char *label; /* NULL: the metric leaves calls with this value out */
};

enum profile_value_kind {
	PROFILE_VALUE_ARG,     /* an argument, followed by a path of fields: "vote.approve" */
	PROFILE_VALUE_RETURN,  /* what the function returned */
	PROFILE_VALUE_OUTCOME, /* how the call ended: returned, panicked, cancelled */
};

/* A value that the kernel side must capture of each call of a function. */
struct profile_value {
	enum profile_value_kind kind;
	bool is_number; /* the number itself is wanted, and there are no choices */
	bool is_key;    /* a hash of it is, to find calls of the same; there are none either */
	bool now;       /* ARG: as it is whenever the call counts, else as when it began */
	bool skip_rest; /* metrics leave out what no choice names, too */
	/* for ARG: "self.pool.len()", "rtt.latest.as_secs_f64()", of a C function also two with
	 * PROFILE_AND between them, whose raw values are pairs, "20.134"; for a number of
	 * RETURN: "Ok.len()"; otherwise "" */
	char *path;
	struct profile_choice *choices;
	size_t n_choices;
	unsigned line; /* where the profile asks for it, 1-based */
};

#define PROFILE_SIZE_MAX (1024 * 1024) /* bytes of YAML */
#define PROFILE_FUNC_VALUES_MAX 4
#define PROFILE_AND " and "
#define PROFILE_RETURNED "return" PROFILE_AND /* the first of two is what was returned */
/* Behind arg0.NAME(), for a function that does more than read one field: the field that it
 * compares first, or the one that it returns on some of its ways. */
#define PROFILE_ASKED ".asked"
#define PROFILE_GIVEN ".returned"

/* A function named by the profile; each name stands once, however many metrics it feeds. */
struct profile_func {
	/* demangled path without hash and generics, as a person writes it; or the file of a
	 * shared library and what it exports, "libssl.so.3:SSL_do_handshake" */
	char *name;
	bool required;
	unsigned line;  /* in the first part that names it */
	unsigned part;  /* index of that in profile.parts */
	uint32_t parts; /* all that name it: bit 1 << index */
	struct profile_value values[PROFILE_FUNC_VALUES_MAX];
	size_t n_values;
};

enum profile_metric_type { PROFILE_COUNTER, PROFILE_GAUGE, PROFILE_HISTOGRAM };

/* A label of a metric with the closed set of its values. The index one past
 * the last value stands for "unknown": a raw value that no choice names or
 * that could not be read. */
struct profile_label {
	char *name;
	char **values;
	size_t n_values;
};

#define PROFILE_LABELS_MAX 4
#define PROFILE_BOUNDS_MAX 32
#define PROFILE_FUNCS_MAX 128
#define PROFILE_METRICS_MAX 256
#define PROFILE_FUNC_METRICS_MAX 4 /* metrics that one function feeds */
#define PROFILE_PARTS_MAX 16

/* Ways a call can end; a source counts the calls whose way is in its mask. */
enum profile_end { PROFILE_END_RETURN = 1, PROFILE_END_PANIC = 2, PROFILE_END_CANCEL = 4 };

/* One function feeding one metric. */
struct profile_source {
	size_t func;   /* index into profile.funcs */
	unsigned on;   /* mask of enum profile_end; default PROFILE_END_RETURN */
	size_t number; /* of a metric of numbers: index in func.values */
	bool down;     /* of a gauge: its calls count down */
	bool begins;   /* of spans: its calls begin them, else they end them … */
	bool at_start; /* … where the call begins and not where it ends as `on` says */
	/* of spans: those of its calls begin none for which this value is not left out */
	bool has_until;
	size_t until; /* index in func.values */
	bool gone;    /* of spans: with its calls the key is forgotten, ended or not */
	bool anew;    /* of spans: its calls begin one anew, whatever is known of the key */
	size_t key;   /* of spans: index in func.values */
	size_t skip;  /* of a metric that skips: index in func.values of what says so */
	/* per label of the metric: a constant (index of its value in the label's set) or a captured value */
	struct {
		bool constant;
		size_t index; /* constant: index in label.values; else: index in func.values */
	} labels[PROFILE_LABELS_MAX];
};

struct fact; /* profile/fact.h */

struct profile_metric {
	char *name;
	char *help;
	const char *unit; /* "seconds", "bytes" or "", from the name's suffix */
	enum profile_metric_type type;
	/* counter: adds up a number of each call instead of 1; gauge: is set to it instead of
	 * counting calls up and down; histogram: observes it instead of how long the call took */
	bool is_of_numbers;
	bool is_of_times; /* … which are times: nanoseconds, shown in seconds; histogram */
	/* gauge of numbers: seconds after which a number that no call has renewed is not shown
	 * any more; 0: never */
	uint64_t stale_after;
	/* histogram: of times between calls of functions that begin a span and of those that
	 * end it, which have no labels of sources that begin */
	bool is_of_spans;
	uint64_t within; /* seconds that an open span is waited for */
	uint64_t late;   /* seconds after its end in which its key opens none */
	unsigned line;   /* in its part */
	unsigned part;   /* index into profile.parts */
	struct profile_label labels[PROFILE_LABELS_MAX];
	size_t n_labels;
	/* leaves calls out by what no label of its says; sources that begin spans never do */
	bool skips;
	double bounds[PROFILE_BOUNDS_MAX]; /* histogram: upper bounds, ascending, without +Inf */
	size_t n_bounds;
	struct profile_source *sources;
	size_t n_sources;
	const struct fact *fact; /* what it asks of the kernel, or NULL: then it has no sources */
	unsigned fact_labels;    /* mask: 1 << enum fact_label */
};

/* One of the profiles that are used together. */
struct profile_part {
	char *name;
	char *origin; /* path of the file, or "built-in NAME" */
	/* it is of a library: a program that has none of its functions does not use it, and
	 * misses nothing */
	bool library;
};

struct profile {
	char *name;                 /* of all parts: "mpc-node, frost" */
	char *origin;               /* of all parts */
	struct profile_part *parts; /* one, unless it was merged of several */
	size_t n_parts;
	char *node_id_env; /* environment variable of the process that names the node, or NULL */
	struct profile_func funcs[PROFILE_FUNCS_MAX];
	size_t n_funcs;
	struct profile_metric *metrics;
	size_t n_metrics;
};

/* One fault of a profile, with the place, ready to print: the sentence, the
 * source line and a caret line under the bad word. */
struct profile_fault {
	unsigned line, column; /* 1-based */
	char *text;
};

struct profile_faults {
	struct profile_fault *at;
	size_t n, cap;
};

/* Parses and checks @text (of @origin). Finds all faults, not just the first.
 * Returns 0 and *@out (free with profile_free), or -EINVAL with @faults filled. */
int profile_parse(const char *origin, const char *text, size_t size, struct profile **out,
		  struct profile_faults *faults);

/* Finds a profile by file path (anything with '/' or ending in .yaml/.yml) or
 * built-in name, then parses it. On faults the texts are joined into @err's
 * sentence for the first one and *@faults has all. */
int profile_load(const char *name_or_path, struct profile **out, struct profile_faults *faults,
		 struct err *err);

/* Makes one profile of @n of them, in their order, and leaves them empty. A function that
 * stands in several is one, with what all of them ask of it. Fails with a sentence where
 * they do not go together: a metric that stands in two, another node_id, more than fits. */
int profile_merge(struct profile *const *parts, size_t n, struct profile **out, struct err *err);

/* profile_load() of several, merged. */
int profile_load_all(const char *const *names, size_t n, struct profile **out,
		     struct profile_faults *faults, struct err *err);

void profile_free(struct profile *profile);
void profile_freep(struct profile **profile);
void profile_faults_free(struct profile_faults *faults);

/* What a function of a shared library is called there, NULL for one of the executable. */
const char *profile_symbol(const char *function);
/* `SYMBOL->`: not that function, but those to which it jumps through a pointer. */
bool profile_is_handed(const char *function);
/* How long PROFILE_ASKED or PROFILE_GIVEN is, where @text begins with one of them; else 0. */
size_t profile_way_size(const char *text);

/* Of profile_value.path: what stands behind PROFILE_RETURNED, or @path where that is not there. */
const char *profile_behind_result(const char *path);
/* Whether it is of the shared library that is called @library; NULL: of the executable. */
bool profile_is_of(const char *function, const char *library);
/* Whether the part, or with PROFILE_PARTS_MAX any of them, has functions that are of it. */
bool profile_has_of(const struct profile *profile, unsigned part, const char *library);
/* Whether the part says anything of such a file: not where all its functions are in others. */
bool profile_concerns(const struct profile *profile, unsigned part, const char *library);
/* The names of the shared libraries whose functions the profile has, at most @max of them,
 * each to be freed; returns how many there are. */
size_t profile_libraries(const struct profile *profile, char **names, size_t max);

const char *profile_metric_type_name(enum profile_metric_type type); /* "counter" … */
/* Whether two metrics would be one family in OpenMetrics, as those of one name are. */
bool profile_same_family(const struct profile_metric *a, const struct profile_metric *b);
/* Whether what a histogram observes are times, in seconds; else they are whole numbers. */
static inline bool profile_in_seconds(const struct profile_metric *metric)
{
	return !metric->is_of_numbers || metric->is_of_times;
}
/* A gauge of calls counted up and down. */
bool profile_is_balance(const struct profile_metric *metric);

#endif

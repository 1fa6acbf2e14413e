/* SPDX-License-Identifier: BSD-2-Clause */
/* A small profile for the tests of this room: two functions that feed one
 * counter with their labels in different orders, and one histogram. */
#ifndef TESTS_PROBE_SAMPLE_H
#define TESTS_PROBE_SAMPLE_H

#include "profile/profile.h"

enum { VOTE, TALLY, SIGN, N_SAMPLE_FUNCS };
enum { DECISIONS, SIGN_SECONDS, ENDS, N_SAMPLE_METRICS };

static struct profile_choice vote_choices[] = { { (char *)"true", (char *)"approve" },
						{ (char *)"1", (char *)"approve" },
						{ (char *)"false", (char *)"reject" } };
static struct profile_choice tally_choices[] = { { (char *)"No", (char *)"reject" },
						 { (char *)"Yes", (char *)"approve" } };
static struct profile_choice ways[] = { { (char *)"cancelled", (char *)"dropped" },
					{ (char *)"returned", (char *)"done" } };
static char *decision_labels[] = { (char *)"approve", (char *)"reject" };
static char *node_labels[] = { (char *)"own", (char *)"peer" };
static char *end_labels[] = { (char *)"done", (char *)"dropped" };

static struct profile_source decision_sources[] = {
	{ .func = VOTE, .on = PROFILE_END_RETURN, .labels = { { false, 0 }, { true, 0 } } },
	{ .func = TALLY, .on = PROFILE_END_RETURN, .labels = { { false, 0 }, { true, 1 } } },
};
static struct profile_source sign_source = { .func = SIGN, .on = PROFILE_END_RETURN };
static struct profile_source end_source = { .func = SIGN,
					    .on = PROFILE_END_RETURN | PROFILE_END_PANIC |
						  PROFILE_END_CANCEL,
					    .labels = { { false, 0 } } };
static struct profile_metric sample_metrics[N_SAMPLE_METRICS] = {
	[DECISIONS] = { .name = (char *)"decisions_total",
			.type = PROFILE_COUNTER,
			.labels = { { (char *)"decision", decision_labels, 2 },
				    { (char *)"from", node_labels, 2 } },
			.n_labels = 2,
			.sources = decision_sources,
			.n_sources = 2 },
	[SIGN_SECONDS] = { .name = (char *)"sign_seconds",
			   .type = PROFILE_HISTOGRAM,
			   .bounds = { 0.005, 0.1, 1 },
			   .n_bounds = 3,
			   .sources = &sign_source,
			   .n_sources = 1 },
	[ENDS] = { .name = (char *)"ends_total",
		   .type = PROFILE_COUNTER,
		   .labels = { { (char *)"outcome", end_labels, 2 } },
		   .n_labels = 1,
		   .sources = &end_source,
		   .n_sources = 1 },
};

static struct profile_part sample_part = { .origin = (char *)"sample.yaml" };

static struct profile sample = {
	.name = (char *)"sample",
	.parts = &sample_part,
	.n_parts = 1,
	.n_funcs = N_SAMPLE_FUNCS,
	.funcs = {
		[VOTE] = { .name = (char *)"node::vote", .n_values = 1,
			   .values = { { .kind = PROFILE_VALUE_ARG, .path = (char *)"approve",
					 .choices = vote_choices, .n_choices = 3 } } },
		[TALLY] = { .name = (char *)"node::tally", .n_values = 1,
			    .values = { { .kind = PROFILE_VALUE_RETURN, .path = (char *)"",
					  .choices = tally_choices, .n_choices = 2 } } },
		[SIGN] = { .name = (char *)"node::sign", .n_values = 1,
			   .values = { { .kind = PROFILE_VALUE_OUTCOME, .path = (char *)"",
					 .choices = ways, .n_choices = 2 } } },
	},
	.metrics = sample_metrics,
	.n_metrics = N_SAMPLE_METRICS,
};

#endif

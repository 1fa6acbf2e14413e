// SPDX-License-Identifier: BSD-2-Clause
#include "probe/layout.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probe/sample.h"

static void converts_bounds_exactly(void **state)
{
	(void)state;
	assert_int_equal(layout_bound_ns(0.005), 5000000);
	assert_int_equal(layout_bound_ns(0.1), 100000000);
	assert_int_equal(layout_bound_ns(0.3), 300000000);
	assert_int_equal(layout_bound_ns(1e-9), 1);
	assert_int_equal(layout_bound_ns(1.5e-9), 1); /* whole nanoseconds up to 1 are within */
	assert_int_equal(layout_bound_ns(3600), 3600000000000);
	assert_int_equal(layout_bound_ns(0), 0);
	assert_int_equal(layout_bound_ns(-1), 0);
	assert_true(layout_bound_ns(1e300) == UINT64_MAX - 1);
}

/* A bound belongs to its bucket; the next nanosecond does not. */
static void finds_buckets(void **state)
{
	(void)state;
	for (uint32_t n = 0; n <= ABI_BOUNDS_MAX; n++) {
		struct abi_bounds b;

		memset(&b, 0xff, sizeof(b));
		for (uint32_t i = 0; i < n; i++)
			b.upper[i] = 10 * (i + 1);
		for (uint64_t ns = 0; ns < 10 * (n + 2); ns++) {
			uint32_t want = 0;

			while (want < n && ns > b.upper[want])
				want++;
			assert_int_equal(abi_bucket(&b, n, ns), want);
		}
	}
}

static void gives_cells(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	const struct abi_binding *binding;

	(void)state;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	/* 3 books of 8, then 3 + 3 series for the decisions, 5 cells, 3 outcomes */
	assert_int_equal(layout->n_regions, 4);
	assert_int_equal(layout->regions[0].base, 24);
	assert_int_equal(layout->regions[1].base, 27);
	assert_int_equal(layout->regions[2].base, 30);
	assert_int_equal(layout->regions[3].base, 35);
	assert_int_equal(layout->cells, 40); /* 38, on whole cache lines */
	binding = &layout->funcs[VOTE].bindings[0];
	assert_int_equal(binding->n_labels, 1);
	assert_int_equal(binding->labels[0].size, 2);
	assert_int_equal(binding->labels[0].stride, 1);
	binding = &layout->funcs[SIGN].bindings[0];
	assert_int_equal(layout->funcs[SIGN].n_bindings, 2);
	assert_int_equal(binding->kind, ABI_HISTOGRAM);
	assert_int_equal(binding->n_bounds, 3);
	assert_int_equal(layout->bounds[binding->bounds].upper[0], 5000000);
	assert_true(layout->bounds[binding->bounds].upper[3] == UINT64_MAX);
}

static void numbers_labels(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	const struct abi_outcome *outcome;

	(void)state;
	assert_int_equal(layout_make(&sample, &layout, NULL), 0);
	assert_int_equal(layout_label(layout, VOTE, 0, "approve"), 0);
	assert_int_equal(layout_label(layout, VOTE, 0, "reject"), 1);
	assert_int_equal(layout_label(layout, TALLY, 0, "reject"), 0);
	assert_int_equal(layout_label(layout, VOTE, 0, "perhaps"), ABI_UNKNOWN);
	outcome = layout->funcs[SIGN].outcome;
	assert_int_equal(outcome[0].mask, 0xff);
	assert_int_equal(outcome[0].value, 1);           /* returned: "done" */
	assert_int_equal(outcome[1].value, ABI_UNKNOWN); /* panicked: has no label */
	assert_int_equal(outcome[2].value, 0);           /* cancelled: "dropped" */
	assert_int_equal(layout->funcs[VOTE].outcome[0].mask, 0);
}

static void refuses_too_much(void **state)
{
	static char *many[125];
	static struct profile_choice choices[125];
	struct profile_value values[PROFILE_FUNC_VALUES_MAX];
	struct profile_source source = { .func = 0, .on = 1 };
	struct profile_metric metric = {
		.name = (char *)"m", .line = 7, .sources = &source, .n_sources = 1, .n_labels = 3
	};
	_free_ struct profile *profile = mem_alloc(sizeof(*profile));
	struct profile_part part = { .origin = (char *)"some.yaml" };
	_cleanup_(layout_freep) struct layout *layout = NULL;
	char names[125][8];
	struct err err = {};

	(void)state;
	for (size_t i = 0; i < 125; i++) {
		snprintf(names[i], sizeof(names[i]), "v%zu", i);
		many[i] = choices[i].label = choices[i].raw = names[i];
	}
	for (size_t v = 0; v < 3; v++) {
		values[v] = (struct profile_value){ .path = (char *)"x",
						    .choices = choices,
						    .n_choices = 125 };
		metric.labels[v] = (struct profile_label){ (char *)"l", many, 125 };
		source.labels[v].index = v;
	}
	memcpy(profile->funcs[0].values, values, sizeof(values));
	profile->funcs[0].name = (char *)"f";
	profile->funcs[0].n_values = 3;
	profile->n_funcs = 1;
	profile->metrics = &metric;
	profile->n_metrics = 1;
	profile->parts = &part;
	profile->n_parts = 1;
	assert_int_equal(layout_make(profile, &layout, &err), -E2BIG);
	assert_null(layout);
	assert_non_null(strstr(err.text, "some.yaml, line 7: "));
	metric.n_labels = 1;
	assert_int_equal(layout_make(profile, &layout, &err), 0);
}

static void refuses_many_metrics(void **state)
{
	struct profile_source sources[5];
	struct profile_metric metric = { .name = (char *)"m", .sources = sources, .n_sources = 5 };
	_free_ struct profile *profile = mem_alloc(sizeof(*profile));
	struct profile_part part = { .origin = (char *)"some.yaml" };
	struct layout *layout = NULL;
	struct err err = {};

	(void)state;
	for (size_t i = 0; i < 5; i++)
		sources[i] = (struct profile_source){ .on = 1 };
	profile->funcs[0].name = (char *)"node::vote";
	profile->n_funcs = 1;
	profile->metrics = &metric;
	profile->n_metrics = 1;
	profile->parts = &part;
	profile->n_parts = 1;
	assert_int_equal(layout_make(profile, &layout, &err), -E2BIG);
	assert_non_null(strstr(err.text, "node::vote feeds more than 4 metrics"));
}

/* What crosses the border by address arithmetic. */
static void places_keys(void **state)
{
	uint64_t key = abi_key(0x7fff12345678, 63, 5);

	(void)state;
	assert_int_equal(key & ABI_KEY_ADDRESS, 0x7fff12345678);
	assert_int_equal((key >> 48) & 0xff, 63);
	assert_int_equal(key >> 56, 5);
	for (uint64_t i = 1; i < 100000; i++) {
		uint64_t hash = abi_key_hash(key + 64 * i);

		assert_true(abi_first_bucket(hash) < ABI_IN_FLIGHT_BUCKETS);
		assert_true(abi_second_bucket(hash) < ABI_IN_FLIGHT_BUCKETS);
		assert_int_not_equal(abi_first_bucket(hash), abi_second_bucket(hash));
		assert_true(abi_node_place((uint32_t)i) < ABI_NODE_PLACES);
	}
}

/* By the executable or by any of the libraries, and by nothing that lies across two. */
static void knows_what_runs(void **state)
{
	uint64_t libraries = 7 | 9ull << 16 | 0x8000ull << 32 | 0xffffull << 48;

	(void)state;
	for (uint64_t file = 1; file <= 0xffff; file++) {
		bool library = file == 7 || file == 9 || file == 0x8000 || file == 0xffff;

		assert_int_equal(abi_runs(5, libraries, file) != 0, library || file == 5);
		assert_int_equal(abi_runs(0, libraries, file) != 0, library);
		assert_int_equal(abi_runs(file, 0, file) != 0, true);
		assert_int_equal(abi_runs(file ^ 0x100, 0, file) != 0, false);
	}
}

/* What ends a span tells whether a call begins one; with `gone` the key is forgotten. */
static void binds_objects(void **state)
{
	static const char text[] =
		"profile: t\nmetrics:\n  x_seconds:\n    type: histogram\n    help: H\n"
		"    buckets: [1]\n    span:\n      from:\n        function: 'l.so:f->'\n"
		"        key: arg0\n        until: {now: arg0.g(), values: {1: done}, skip: others}\n"
		"      to:\n        - function: 'l.so:f->'\n          key: arg0\n"
		"          labels: {r: {now: arg0.g(), values: {1: done}, skip: others}}\n"
		"        - {function: 'l.so:h', key: arg0, at: start, gone: true, labels: {r: gone}}\n";
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct profile_faults faults = {};
	const struct abi_binding *from, *to;

	(void)state;
	assert_int_equal(profile_parse("t", text, strlen(text), &profile, &faults), 0);
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	from = &layout->funcs[0].bindings[0];
	to = &layout->funcs[0].bindings[1];
	assert_int_equal(from->kind, ABI_SPAN_FROM);
	assert_int_equal(from->on, ABI_ON_START);
	assert_int_equal(from->n_labels, 1);
	assert_int_equal(from->labels[0].slot, to->labels[0].slot);
	assert_int_equal(from->labels[0].stride, 0);
	assert_int_equal(to->kind, ABI_SPAN_TO);
	assert_false(to->gone);
	assert_true(layout->funcs[1].bindings[0].gone);
}

/* What begins anew forgets what is known of the key. */
static void binds_addresses(void **state)
{
	static const char text[] =
		"profile: t\nmetrics:\n  x_seconds:\n    type: histogram\n    help: H\n"
		"    buckets: [1]\n    span:\n"
		"      from: {function: a::b, key: self.address(), anew: true}\n"
		"      to: {function: a::c, key: self.address()}\n";
	_cleanup_(profile_freep) struct profile *profile = NULL;
	_cleanup_(layout_freep) struct layout *layout = NULL;
	struct profile_faults faults = {};

	(void)state;
	assert_int_equal(profile_parse("t", text, strlen(text), &profile, &faults), 0);
	assert_int_equal(layout_make(profile, &layout, NULL), 0);
	assert_int_equal(layout->funcs[0].bindings[0].kind, ABI_SPAN_FROM);
	assert_true(layout->funcs[0].bindings[0].gone);
	assert_false(layout->funcs[1].bindings[0].gone);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(converts_bounds_exactly),
		cmocka_unit_test(finds_buckets),
		cmocka_unit_test(gives_cells),
		cmocka_unit_test(numbers_labels),
		cmocka_unit_test(refuses_too_much),
		cmocka_unit_test(refuses_many_metrics),
		cmocka_unit_test(places_keys),
		cmocka_unit_test(knows_what_runs),
		cmocka_unit_test(binds_objects),
		cmocka_unit_test(binds_addresses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

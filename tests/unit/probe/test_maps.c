// SPDX-License-Identifier: BSD-2-Clause
/* Nodes and tables, where the programs may be loaded; counting is tested end to
 * end by tests/e2e/10-kernel-call.sh. */
#include "probe/maps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "probe/sample.h"

static int load(const struct profile *profile, struct layout **layout, unsigned nodes,
		struct maps **maps)
{
	struct kernel kernel;
	struct err err = {};
	int r;

	kernel_ask(&kernel);
	assert_int_equal(layout_make(profile, layout, NULL), 0);
	r = maps_open(*layout, &kernel, nodes, maps, &err);
	if (r) {
		/* Without the right, one sentence. */
		assert_int_equal(err.code, r);
		assert_null(strchr(err.text, '\n'));
	}
	return r;
}

static void adds_nodes(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	_cleanup_(maps_closep) struct maps *maps = NULL;
	struct err err = {};
	uint64_t cells[64];
	unsigned a, b, c;

	(void)state;
	if (load(&sample, &layout, 2, &maps))
		skip();
	assert_int_equal(maps_add_node(maps, 100, 1, &a, &err), 0);
	assert_int_equal(maps_add_node(maps, 100, 1, &b, &err), -EEXIST);
	assert_int_equal(maps_add_node(maps, 0, 1, &b, &err), -EEXIST);
	assert_int_equal(maps_add_node(maps, 101, 1, &b, &err), 0);
	assert_int_equal(maps_add_node(maps, 102, 1, &c, &err), -ENOSPC);
	maps_read_node(maps, a, cells);
	for (size_t i = 0; i < layout->cells; i++)
		assert_int_equal(cells[i], 0);
	maps_drop_node(maps, a);
	assert_int_equal(maps_continue_node(maps, a, 103, 1, &err), -ENOENT);
	assert_int_equal(maps_add_node(maps, 102, 1, &c, &err), 0);
	assert_int_equal(c, a);
	assert_int_equal(maps_continue_node(maps, c, 101, 1, &err), -EEXIST);
	assert_int_equal(maps_continue_node(maps, c, 103, 1, &err), 0);
	maps_stop_node(maps, c, NULL);
	maps_stop_node(maps, c, NULL);
	maps_drop_node(maps, 77);
}

/* Processes come and go for long without filling the table with gravestones. */
static void forgets_nodes(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	_cleanup_(maps_closep) struct maps *maps = NULL;
	struct err err = {};
	unsigned first, node;

	(void)state;
	if (load(&sample, &layout, ABI_NODES_MAX, &maps))
		skip();
	assert_int_equal(maps_add_node(maps, 1, 1, &first, &err), 0);
	for (int i = 1; i < ABI_NODES_MAX; i++)
		assert_int_equal(maps_add_node(maps, 1 + i, 1, &node, &err), 0);
	for (pid_t tgid = 1000; tgid < 3000; tgid++)
		assert_int_equal(maps_continue_node(maps, first, tgid, 1, &err), 0);
}

static void places_sites(void **state)
{
	_cleanup_(layout_freep) struct layout *layout = NULL;
	_cleanup_(maps_closep) struct maps *maps = NULL;
	struct abi_site sites[2] = { { .slot = { 0, ABI_NO_SLOT } }, { .slot = { ABI_NO_SLOT } } };
	_free_ struct abi_value *values = mem_array(1500, sizeof(*values));
	struct maps_range a, b;
	struct err err = {};

	(void)state;
	if (load(&sample, &layout, 1, &maps))
		skip();
	assert_int_equal(maps_put_sites(maps, sites, 2, values, 1500, &a, &err), 0);
	assert_int_equal(maps_put_sites(maps, sites, 2, values, 1500, &b, &err), -ENOSPC);
	assert_int_equal(maps_put_sites(maps, sites, 2, values, 1, &b, &err), 0);
	assert_int_equal(b.site, a.site + 2);
	assert_int_not_equal(a.file, 0);
	assert_int_not_equal(b.file, a.file);
	assert_int_equal(b.value, 1500);
	maps_take_sites(maps, &a);
	assert_int_equal(maps_put_sites(maps, sites, 2, values, 1500, &a, &err), 0);
	assert_int_equal(a.site, 0);
}

/* Nothing is open, and a profile without spans has no table to look through. */
static void looks_through_spans(void **state)
{
	static struct profile_source source = { .func = VOTE, .begins = true, .at_start = true };
	static struct profile_metric metric = { .type = PROFILE_HISTOGRAM,
						.is_of_spans = true,
						.within = 1,
						.late = 1,
						.sources = &source,
						.n_sources = 1 };
	_free_ struct maps_spans *spans = mem_alloc(sizeof(*spans));
	struct profile profile = sample;
	struct err err = {};

	(void)state;
	for (size_t n = 0; n < 2; n++) {
		_cleanup_(layout_freep) struct layout *layout = NULL;
		_cleanup_(maps_closep) struct maps *maps = NULL;
		struct maps_lost lost = {};
		unsigned node;

		profile.metrics = &metric;
		profile.n_metrics = n;
		if (load(&profile, &layout, 2, &maps))
			skip();
		memset(spans, 0xff, sizeof(*spans));
		assert_int_equal(maps_add_node(maps, 100, 1, &node, &err), 0);
		assert_int_equal(maps_sweep(maps, spans, &err), 0);
		assert_int_equal(maps_sweep(maps, NULL, &err), 0);
		assert_int_equal(spans->of[node][0].open, 0);
		assert_int_equal(spans->of[node][0].oldest_ns, 0);
		maps_stop_node(maps, node, &lost);
		assert_int_equal(lost.spans[0], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adds_nodes),
		cmocka_unit_test(forgets_nodes),
		cmocka_unit_test(places_sites),
		cmocka_unit_test(looks_through_spans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

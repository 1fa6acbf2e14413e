// SPDX-License-Identifier: BSD-2-Clause
/* Profiles by name and by path; what the built-in ones say. */
#include <stdio.h>
#include <unistd.h>

#include "expect.h"
#include "profile/builtin.h"
#include "profile/fact.h"

static void knows_built_in_names(void **state)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(profile_load("mpc-node", &profile, &faults, &err), 0);
	assert_string_equal(profile->origin, "built-in mpc-node");
	profile_free(profile);
	profile = NULL;
	assert_int_equal(profile_load("mpc-nodes", &profile, &faults, &err), -ENOENT);
	assert_string_equal(err.text,
			    "no built-in profile \"mpc-nodes\"; did you mean \"mpc-node\"?");
	assert_int_equal(profile_load("zzz", &profile, &faults, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no built-in profile \"zzz\"; there are: "));
	assert_null(profile);
	assert_int_equal(faults.n, 0);
}

static char *write_file(const char *name, const char *text)
{
	char *path = mem_printf("%s/test_load.%d.%s", P_tmpdir, (int)getpid(), name);
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	return path;
}

static void reads_files(void **state)
{
	_free_ char *path = write_file("a.yml", "profile: mine\nmetrics: {x_total: {type: counter, "
						"help: H, from: 'a::b'}}\n");
	struct profile_faults faults = {};
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(profile_load(path, &profile, &faults, &err), 0);
	assert_string_equal(profile->name, "mine");
	assert_string_equal(profile->origin, path);
	profile_free(profile);
	unlink(path);
}

static void says_what_is_wrong_with_a_file(void **state)
{
	_free_ char *one =
		write_file("one.yaml", "profile: mine\nmetrics: {x_total: {type: counter, "
				       "help: H, from: 'f'}}\n");
	_free_ char *two = write_file("two.yaml", "profile: my own\nmetrics: 1\n");
	_free_ char *want_one = mem_printf(
		"%s:2:52: function \"f\" must have at least two segments, like Type::function",
		one);
	_free_ char *want_two =
		mem_printf("%s:1:12: profile name \"my own\" may have only letters, "
			   "digits, - and _ (and 1 more fault)",
			   two);
	struct profile_faults faults = {};
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(profile_load(one, &profile, &faults, &err), -EINVAL);
	assert_string_equal(err.text, want_one);
	assert_int_equal(faults.n, 1);
	assert_int_equal(profile_load(two, &profile, &faults, &err), -EINVAL);
	assert_string_equal(err.text, want_two);
	assert_int_equal(faults.n, 3);
	assert_null(profile);
	profile_faults_free(&faults);
	unlink(one);
	unlink(two);
}

static void says_why_a_file_cannot_be_read(void **state)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;
	struct err err = {};

	(void)state;
	assert_int_equal(profile_load("/nonexistent", &profile, &faults, &err), -ENOENT);
	assert_string_equal(err.text, "cannot open /nonexistent: No such file or directory");
	assert_int_equal(profile_load("nonexistent.yaml", &profile, &faults, &err), -ENOENT);
	assert_int_equal(profile_load("/dev/zero", &profile, &faults, &err), -EFBIG);
	assert_string_equal(err.text, "/dev/zero is larger than 1048576 bytes");
	assert_int_equal(faults.n, 0);
}

static void built_in_profiles_are_good(void **state)
{
	(void)state;
	assert_true(builtin_profiles_count > 0);
	for (size_t i = 0; i < builtin_profiles_count; i++) {
		struct profile_faults faults = {};
		struct profile *profile = NULL;
		struct err err = {};

		if (profile_load(builtin_profiles[i].name, &profile, &faults, &err) < 0)
			fail_msg("%s", faults.at[0].text);
		assert_string_equal(profile->name, builtin_profiles[i].name);
		assert_int_equal(strlen(builtin_profiles[i].text), builtin_profiles[i].size);
		profile_free(profile);
	}
}

/* The names, labels and bounds that dashboards and alerts of the wallet use. */
static void mpc_node_feeds_the_dashboards(void **state)
{
	static const struct {
		const char *name;
		enum profile_metric_type type;
		size_t n_bounds, n_labels;
		const char *labels[2];
		size_t n_values[2];
	} want[] = {
		{ "mpc_votes_total", PROFILE_COUNTER, 0, 1, { "result" }, { 2 } },
		{ "mpc_vote_processing_duration_seconds", PROFILE_HISTOGRAM, 7, 0, {}, {} },
		{ "mpc_byzantine_violations_total", PROFILE_COUNTER, 0, 1, { "type" }, { 5 } },
		{ "mpc_byzantine_recording_failures_total",
		  PROFILE_COUNTER,
		  0,
		  2,
		  { "type", "error" },
		  { 5, 2 } },
		{ "mpc_signatures_total",
		  PROFILE_COUNTER,
		  0,
		  2,
		  { "protocol", "result" },
		  { 2, 2 } },
		{ "mpc_signature_duration_seconds",
		  PROFILE_HISTOGRAM,
		  8,
		  1,
		  { "protocol" },
		  { 2 } },
		{ "mpc_dkg_duration_seconds", PROFILE_HISTOGRAM, 7, 1, { "protocol" }, { 2 } },
		{ "mpc_transactions_total", PROFILE_COUNTER, 0, 1, { "state" }, { 13 } },
		{ "mpc_consensus_round_duration_seconds", PROFILE_HISTOGRAM, 7, 0, {}, {} },
		{ "mpc_presignature_pool_size", PROFILE_GAUGE, 0, 1, { "protocol" }, { 1 } },
		{ "mpc_active_nodes", PROFILE_GAUGE, 0, 1, { "cluster" }, { 1 } },
		{ "mpc_consensus_threshold", PROFILE_GAUGE, 0, 1, { "cluster" }, { 1 } },
		{ "mpc_connected_peers", PROFILE_GAUGE, 0, 0, {}, {} },
		{ "mpc_transaction_queue_size", PROFILE_GAUGE, 0, 0, {}, {} },
		{ "mpc_network_errors_total", PROFILE_COUNTER, 0, 1, { "error_type" }, { 3 } },
		{ "mpc_tls_handshake_failures_total", PROFILE_COUNTER, 0, 0, {}, {} },
	};
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	(void)state;
	assert_int_equal(profile_load("mpc-node", &profile, &faults, NULL), 0);
	assert_string_equal(profile->node_id_env, "NODE_ID");
	assert_true(profile->n_metrics > ARRAY_SIZE(want));
	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct profile_metric *metric = &profile->metrics[i];

		assert_string_equal(metric->name, want[i].name);
		assert_int_equal(metric->type, want[i].type);
		assert_int_equal(metric->n_bounds, want[i].n_bounds);
		assert_int_equal(metric->n_labels, want[i].n_labels);
		for (size_t j = 0; j < want[i].n_labels; j++) {
			assert_string_equal(metric->labels[j].name, want[i].labels[j]);
			assert_int_equal(metric->labels[j].n_values, want[i].n_values[j]);
		}
	}
	/* the others are the kernel's */
	for (size_t i = ARRAY_SIZE(want); i < profile->n_metrics; i++) {
		assert_non_null(profile->metrics[i].fact);
		assert_memory_equal(profile->metrics[i].name, "mpc_network_", 12);
	}
	profile_free(profile);
}

/* Every fact has a name there, and no function of the process is needed. */
static void net_has_every_fact(void **state)
{
	struct profile_faults faults = {};
	struct profile *profile = NULL;

	(void)state;
	assert_int_equal(profile_load("net", &profile, &faults, NULL), 0);
	assert_int_equal(profile->n_funcs, 0);
	for (enum fact_id id = 0; id < FACTS; id++)
		assert_true(fact_wanted(profile, id, NULL));
	profile_free(profile);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(knows_built_in_names),
		cmocka_unit_test(reads_files),
		cmocka_unit_test(says_what_is_wrong_with_a_file),
		cmocka_unit_test(says_why_a_file_cannot_be_read),
		cmocka_unit_test(built_in_profiles_are_good),
		cmocka_unit_test(mpc_node_feeds_the_dashboards),
		cmocka_unit_test(net_has_every_fact),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* `probes`: what can be seen in an executable, without attaching to anything. */
#include <json-c/json.h>
#include <string.h>

#include "base/mem.h"
#include "cmd/offline.h"
#include "cmd/probes.h"
#include "cmd/run.h"
#include "probe/net.h"
#include "symbol/reads.h"

static bool feeds(const struct profile_metric *metric, size_t func)
{
	for (size_t s = 0; s < metric->n_sources; s++)
		if (metric->sources[s].func == func)
			return true;
	return false;
}

/* The profile's number of a function of the plan; a pack may know more functions. */
static size_t in_profile(const struct profile *profile, const char *name)
{
	size_t f = 0;

	while (f < profile->n_funcs && strcmp(profile->funcs[f].name, name) != 0)
		f++;
	return f;
}

/* --- for people ---------------------------------------------------------------------------- */

static void print_function(FILE *to, const struct profile *profile, size_t func, const char *name)
{
	const char *between = "  for      ";

	fprintf(to, "%s\n", name);
	for (size_t m = 0; m < profile->n_metrics; m++) {
		if (!feeds(&profile->metrics[m], func))
			continue;
		fprintf(to, "%s%s", between, profile->metrics[m].name);
		between = ", ";
	}
	if (*between == ',')
		fputc('\n', to);
}

static void print_row(FILE *to, const struct plan *plan, unsigned r)
{
	const struct plan_row *row = &plan->rows[r];
	_strbuf_ struct strbuf reads = {};

	fprintf(to, "  %-8s %s%s%s\n", plan_state_name(row->state), row->where,
		row->how ? ": " : "", row->how ? row->how : "");
	reads_write(plan, r, &reads);
	if (reads.len)
		fprintf(to, "           reads %s\n", reads.text);
	if (row->reason)
		fprintf(to, "           %s\n", row->reason);
}

/* The functions that this part is the first to name. */
static void print_part(FILE *to, const struct profile *profile, const struct plan *plan,
		       unsigned part)
{
	for (unsigned f = 0; f < plan->n_funcs; f++) {
		size_t func = in_profile(profile, plan->funcs[f].name);

		if (func == profile->n_funcs || profile->funcs[func].part != part ||
		    !plan_shows(plan, profile, func))
			continue;
		print_function(to, profile, func, plan->funcs[f].name);
		for (unsigned i = 0; i < plan->n_rows; i++)
			if (plan->rows[i].func == f)
				print_row(to, plan, i);
	}
}

/* The tracepoints that the profile's facts come from, if there are any. */
static void print_tracepoints(FILE *to, const struct profile *profile)
{
	_cleanup_(net_closep) struct net *net = NULL;
	struct net_row rows[NET_ROWS_MAX];
	struct err err = {};
	size_t n;

	if (!fact_any(profile))
		return;
	fprintf(to, "the kernel's tracepoints, for what it knows of the network\n");
	if (net_ask(profile, &net, &err) < 0) {
		fprintf(to, "  absent   all: %s\n", err.text);
		return;
	}
	n = net_rows(net, rows, NET_ROWS_MAX);
	for (size_t i = 0; i < n; i++) {
		if (!rows[i].wanted)
			continue;
		fprintf(to, "  %-8s %s: %s\n",
			rows[i].waits  ? "waits" :
			rows[i].reason ? "absent" :
					 "ready",
			rows[i].name, rows[i].what);
		if (rows[i].reason)
			fprintf(to, "           %s\n", rows[i].reason);
	}
}

static const char *unused_reason(const struct profile *profile, const struct plan *plan,
				 unsigned part)
{
	for (size_t i = 0; i < plan->n_rows; i++) {
		size_t func = in_profile(profile, plan->funcs[plan->rows[i].func].name);

		if (func < profile->n_funcs && profile->funcs[func].part == part)
			return plan->rows[i].reason;
	}
	return NULL;
}

static void print_unused(FILE *to, const struct profile *profile, const struct plan *plan,
			 unsigned part)
{
	const char *reason = unused_reason(profile, plan, part);
	size_t n = 0;

	for (size_t f = 0; f < profile->n_funcs; f++)
		n += profile->funcs[f].parts >> part & 1;
	fprintf(to, "  unused   none of its %zu functions is in the executable\n", n);
	/* without debug information that is no proof */
	if (plan->bare && reason)
		fprintf(to, "           %s\n", reason);
}

void probes_print(FILE *to, const struct profile *profile, const struct plan *plan)
{
	if (profile_has_of(profile, PROFILE_PARTS_MAX, plan->library))
		fprintf(to, "resolved from %s\n", plan->source);
	for (unsigned part = 0; part < profile->n_parts; part++) {
		bool used = plan_uses(plan, profile, part);

		if ((profile->n_parts > 1 && profile_concerns(profile, part, plan->library)) ||
		    !used)
			fprintf(to, "profile %s\n", profile->parts[part].name);
		if (!used)
			print_unused(to, profile, plan, part);
		print_part(to, profile, plan, part);
	}
}

/* --- for programs --------------------------------------------------------------------------- */

static void add_text(struct json_object *to, const char *name, const char *text)
{
	json_object_object_add(to, name, text ? json_object_new_string(text) : NULL);
}

static void add_metrics(struct json_object *to, const struct profile *profile, size_t func)
{
	struct json_object *list = json_object_new_array();

	for (size_t m = 0; m < profile->n_metrics; m++)
		if (feeds(&profile->metrics[m], func))
			json_object_array_add(list,
					      json_object_new_string(profile->metrics[m].name));
	json_object_object_add(to, "metrics", list);
}

static void add_profiles(struct json_object *to, const struct profile *profile, size_t func)
{
	struct json_object *list = json_object_new_array();

	for (unsigned part = 0; part < profile->n_parts; part++)
		if (profile->funcs[func].parts & 1U << part)
			json_object_array_add(list,
					      json_object_new_string(profile->parts[part].name));
	json_object_object_add(to, "profiles", list);
}

static struct json_object *json_row(const struct profile *profile, const struct plan *plan,
				    unsigned r)
{
	const struct plan_row *row = &plan->rows[r];
	const char *name = plan->funcs[row->func].name;
	size_t func = in_profile(profile, name);
	struct json_object *o = json_object_new_object();
	_strbuf_ struct strbuf reads = {};

	add_text(o, "function", name);
	add_profiles(o, profile, func);
	add_metrics(o, profile, func);
	json_object_object_add(o, "required",
			       json_object_new_boolean(profile->funcs[func].required));
	add_text(o, "state", plan_state_name(row->state));
	add_text(o, "where", row->where);
	add_text(o, "how", row->how);
	reads_write(plan, r, &reads);
	add_text(o, "reads", reads.len ? reads.text : NULL);
	add_text(o, "reason", row->reason);
	add_text(o, "source", plan->source);
	return o;
}

static void print_json(const struct profile *profile, const struct plan *plan)
{
	struct json_object *list = json_object_new_array();

	for (unsigned i = 0; i < plan->n_rows; i++)
		if (in_profile(profile, plan->funcs[plan->rows[i].func].name) < profile->n_funcs)
			json_object_array_add(list, json_row(profile, plan, i));
	puts(json_object_to_json_string_ext(list, JSON_C_TO_STRING_PRETTY |
							  JSON_C_TO_STRING_NOSLASHESCAPE));
	json_object_put(list);
}

static void print_library(const struct offline *offline, const char *library,
			  const struct plan *plan, const char *reason)
{
	printf("%s\n", plan ? plan->binary : library);
	if (plan)
		probes_print(stdout, offline->profile, plan);
	else
		printf("  absent   not mapped\n           %s\n", reason);
}

int cmd_probes(const struct options *options)
{
	struct offline offline = {};
	struct err err = {};
	int r = offline_look(options, &offline, &err);

	if (r == 0 && options->json) {
		print_json(offline.profile, offline.plan);
	} else if (r == 0) {
		probes_print(stdout, offline.profile, offline.plan);
		offline_libraries(options, &offline, print_library);
		print_tracepoints(stdout, offline.profile);
	}
	return offline_finish(r, &err, &offline);
}

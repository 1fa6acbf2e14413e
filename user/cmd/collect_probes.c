// SPDX-License-Identifier: BSD-2-Clause
/* What of the watched functions can be seen: the same rows as `probes` and the page. */
#include "cmd/collect.h"

#include <stdlib.h>
#include <string.h>

/* Of one function in one executable; what is more is one series for each state. */
#define SERIES_MAX 64
#define OTHERS "others"

struct line {
	const char *where;
	enum plan_state state;
	uint64_t n;
};

struct lines {
	VEC(struct line) at;
};

/* Two instances may have one name, as two copies of a function at one line do. */
static void count_row(struct lines *lines, const struct plan_row *row)
{
	const char *where = row->where;

	for (;;) {
		for (size_t i = 0; i < lines->at.n; i++) {
			struct line *line = &lines->at.at[i];

			if (line->state == row->state && strcmp(line->where, where) == 0) {
				line->n++;
				return;
			}
		}
		if (lines->at.n < SERIES_MAX || strcmp(where, OTHERS) == 0)
			break;
		where = OTHERS;
	}
	*VEC_ADD(&lines->at) = (struct line){ where, row->state, 1 };
}

static void count_rows(struct lines *lines, const struct plan *plan, const char *function)
{
	for (size_t r = 0; plan && r < plan->n_rows; r++)
		if (strcmp(plan->funcs[plan->rows[r].func].name, function) == 0)
			count_row(lines, &plan->rows[r]);
}

/* Executables of one name, such as those of two containers, are one. */
static bool is_first_of_name(const struct agent *agent, size_t b)
{
	for (size_t i = 0; i < b; i++)
		if (strcmp(agent->binaries.at[i]->path, agent->binaries.at[b]->path) == 0)
			return false;
	return true;
}

/* The profiles that name the function. */
static void label_profiles(struct metric_series *s, const struct profile *profile,
			   const struct profile_func *func)
{
	_strbuf_ struct strbuf names = {};

	for (unsigned part = 0; part < profile->n_parts; part++)
		if (func->parts & 1U << part)
			strbuf_printf(&names, "%s%s", names.len ? "," : "",
				      profile->parts[part].name);
	series_label(s, "profile", names.text);
}

static void collect_states(const struct agent *agent, size_t b, size_t f,
			   struct metric_family *family)
{
	const char *path = agent->binaries.at[b]->path;
	const struct profile_func *func = &agent->profile->funcs[f];
	struct lines lines = {};

	for (size_t i = b; i < agent->binaries.n; i++)
		if (strcmp(agent->binaries.at[i]->path, path) == 0 &&
		    plan_shows(agent->binaries.at[i]->plan, agent->profile, f))
			count_rows(&lines, agent->binaries.at[i]->plan, func->name);
	for (size_t i = 0; i < lines.at.n; i++) {
		struct metric_series *s = family_series(family);

		series_label(s, "binary", path);
		series_label(s, "function", func->name);
		label_profiles(s, agent->profile, func);
		series_label(s, "required", func->required ? "true" : "false");
		series_label(s, "where", lines.at.at[i].where);
		series_label(s, "state", plan_state_name(lines.at.at[i].state));
		s->integral = true;
		s->count = lines.at.at[i].n;
	}
	free(lines.at.at);
}

static void count_sites(const struct agent *agent, const char *function,
			uint64_t kinds[ABI_SITE_CANCEL + 1])
{
	for (size_t b = 0; b < agent->binaries.n; b++) {
		const struct binary *bin = agent->binaries.at[b];
		const struct plan *plan = bin->plan;

		for (size_t s = 0; plan && bin->attachment && s < plan->n_sites; s++)
			if (strcmp(plan->funcs[plan->sites[s].func].name, function) == 0 &&
			    plan->rows[plan->sites[s].instance].state <= PLAN_PARTIAL)
				kinds[plan->sites[s].kind]++;
	}
}

static void collect_sites(const struct agent *agent, const char *function,
			  struct metric_family *family)
{
	uint64_t kinds[ABI_SITE_CANCEL + 1] = {};

	count_sites(agent, function, kinds);
	for (unsigned k = 0; k <= ABI_SITE_CANCEL; k++) {
		struct metric_series *s = family_series(family);

		series_label(s, "function", function);
		series_label(s, "kind", plan_kind_name(k));
		s->integral = true;
		s->count = kinds[k];
	}
}

static bool uses(const struct agent *agent, const char *path, unsigned part)
{
	for (size_t i = 0; i < agent->binaries.n; i++)
		if (agent->binaries.at[i]->ours && strcmp(agent->binaries.at[i]->path, path) == 0 &&
		    plan_uses(agent->binaries.at[i]->plan, agent->profile, part))
			return true;
	return false;
}

static void collect_uses(const struct agent *agent, struct metric_snapshot *out)
{
	struct metric_family *family = snapshot_family(
		out, "mpc_bpf_agent_profile_used", METRIC_GAUGE, "",
		"1 where functions of the profile are in the executable, 0 where it is the profile "
		"of a library of which there is none.");

	for (size_t b = 0; b < agent->binaries.n; b++) {
		const char *path = agent->binaries.at[b]->path;

		if (!agent->binaries.at[b]->ours || !is_first_of_name(agent, b))
			continue;
		for (unsigned part = 0; part < agent->profile->n_parts; part++) {
			struct metric_series *s;

			if (!profile_concerns(agent->profile, part, agent->binaries.at[b]->library))
				continue;
			s = family_series(family);
			series_label(s, "binary", path);
			series_label(s, "profile", agent->profile->parts[part].name);
			s->integral = true;
			s->count = !agent->binaries.at[b]->unmapped && uses(agent, path, part);
		}
	}
}

void collect_probes(struct agent *agent, struct metric_snapshot *out)
{
	struct metric_family *family =
		snapshot_family(out, "mpc_bpf_agent_sites_attached", METRIC_GAUGE, "",
				"Instructions that are probed, by function and by what they mean.");

	for (size_t f = 0; f < agent->profile->n_funcs; f++)
		collect_sites(agent, agent->profile->funcs[f].name, family);
	family = snapshot_family(
		out, "mpc_bpf_agent_probe_state", METRIC_GAUGE, "",
		"Instances of each function in each executable, by where they are and by what can be "
		"seen of them: ready, partial, refused or absent. The value is how many there are of "
		"this name, usually 1; the page says why one is not ready.");
	for (size_t b = 0; b < agent->binaries.n; b++)
		for (size_t f = 0; f < agent->profile->n_funcs && is_first_of_name(agent, b); f++)
			collect_states(agent, b, f, family);
	collect_uses(agent, out);
}

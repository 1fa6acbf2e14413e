// SPDX-License-Identifier: BSD-2-Clause
/* What the agent says about itself: what it sees, misses and costs. */
#include <dirent.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "cmd/collect.h"
#include "probe/stats.h"

static struct metric_series *add(struct metric_snapshot *out, const char *name,
				 enum metric_type type, const char *unit, const char *help)
{
	return family_series(snapshot_family(out, name, type, unit, help));
}

static void set_count(struct metric_series *s, uint64_t n)
{
	s->integral = true;
	s->count = n;
}

/* --- calls ------------------------------------------------------------------------ */

struct calls {
	const struct node *node;
	const char *function;
	const uint64_t *self; /* ABI_SELF_CELLS cells */
	const struct maps_flight *flight;
	uint64_t ended_with_process, probes_off;
};

static struct metric_series *call_series(struct metric_snapshot *out, const struct calls *c,
					 const char *name, enum metric_type type, const char *unit,
					 const char *help)
{
	struct metric_series *s = add(out, name, type, unit, help);

	series_label(s, "node_id", c->node->id);
	series_label(s, "function", c->function);
	if (type == METRIC_COUNTER)
		s->created = c->node->since;
	return s;
}

static void call_counter(struct metric_snapshot *out, const struct calls *c, const char *name,
			 const char *help, const char *label, const char *value, uint64_t n)
{
	struct metric_series *s = call_series(out, c, name, METRIC_COUNTER, "", help);

	if (label)
		series_label(s, label, value);
	set_count(s, n);
}

static void collect_call(struct metric_snapshot *out, const struct calls *c)
{
	static const char finished[] = "mpc_bpf_agent_calls_finished_total";
	static const char finished_help[] = "Calls that ended, by how: returned or panicked.";
	static const char lost[] = "mpc_bpf_agent_calls_lost_total";
	static const char lost_help[] =
		"Calls whose end was not or cannot be seen, by reason: the table of calls in flight "
		"was full, the process ended first, or its executable was changed and has no probes.";
	struct metric_series *s;

	call_counter(out, c, "mpc_bpf_agent_calls_started_total",
		     "Calls of a watched function that began. started = finished + cancelled + in "
		     "flight + lost.",
		     NULL, NULL, c->self[ABI_SELF_STARTED]);
	call_counter(out, c, finished, finished_help, "outcome", "returned",
		     c->self[ABI_SELF_RETURNED]);
	call_counter(out, c, finished, finished_help, "outcome", "panicked",
		     c->self[ABI_SELF_PANICKED]);
	call_counter(out, c, "mpc_bpf_agent_calls_cancelled_total",
		     "Calls whose future was dropped before it was ready.", NULL, NULL,
		     c->self[ABI_SELF_CANCELLED]);
	call_counter(out, c, lost, lost_help, "reason", "table_full", c->self[ABI_SELF_LOST_FULL]);
	call_counter(out, c, lost, lost_help, "reason", "process_ended", c->ended_with_process);
	call_counter(out, c, lost, lost_help, "reason", "probes_off", c->probes_off);
	call_counter(out, c, "mpc_bpf_agent_starts_unidentified_total",
		     "Starts that could not be told from other calls and were not counted.", NULL,
		     NULL, c->self[ABI_SELF_LOST_KEY]);
	call_counter(
		out, c, "mpc_bpf_agent_ends_without_start_total",
		"Ends of calls whose start was not seen, such as those already under way when the "
		"probes were set.",
		NULL, NULL, c->self[ABI_SELF_NO_START]);
	call_counter(out, c, "mpc_bpf_agent_values_unreadable_total",
		     "Label values that could not be read and are counted as unknown.", NULL, NULL,
		     c->self[ABI_SELF_VALUE_FAULT]);
	s = call_series(out, c, "mpc_bpf_agent_calls_in_flight", METRIC_GAUGE, "",
			"Calls that began and have not ended.");
	set_count(s, c->flight->count);
	s = call_series(out, c, "mpc_bpf_agent_calls_in_flight_oldest_seconds", METRIC_GAUGE,
			"seconds", "Age of the oldest call in flight, 0 while there is none.");
	s->value = (double)c->flight->oldest_ns / 1e9;
}

/* Metrics of numbers leave out calls whose number they do not have. */
static void add_missing(struct metric_snapshot *out, const struct node *node,
			const struct profile_metric *metric, const char *reason, uint64_t n)
{
	struct metric_series *s = add(
		out, "mpc_bpf_agent_numbers_missing_total", METRIC_COUNTER, "",
		"Calls that ended and are not in a metric of numbers: their number could not be "
		"read, was below 0, or (of gauges) many wrote at once; or there was none: the "
		"function returned another variant, or the time was None.");

	series_label(s, "node_id", node->id);
	series_label(s, "metric", metric->name);
	series_label(s, "reason", reason);
	s->created = node->since;
	set_count(s, n);
}

/* Whether a call may have no number: some source's is one of a result, or of an Option. */
static bool may_lack(const struct profile *profile, const struct profile_metric *metric)
{
	if (metric->is_of_times)
		return true;
	for (size_t s = 0; s < metric->n_sources; s++) {
		const struct profile_source *source = &metric->sources[s];

		if (profile->funcs[source->func].values[source->number].kind ==
		    PROFILE_VALUE_RETURN)
			return true;
	}
	return false;
}

static void collect_missing(struct agent *agent, uint64_t *const *cells,
			    struct metric_snapshot *out)
{
	for (size_t m = 0; m < agent->profile->n_metrics; m++) {
		const struct profile_metric *metric = &agent->profile->metrics[m];

		for (size_t i = 0; metric->is_of_numbers && i < agent->nodes.n; i++) {
			const struct node *node = agent->nodes.at[i];
			uint64_t missing[ABI_MISSING_CELLS];

			if (!collect_shows_metric(agent, node, m))
				continue;
			layout_missing(agent->layout, cells[i], m, missing);
			add_missing(out, node, metric, "unread", missing[ABI_MISSING_UNREAD]);
			if (metric->type == PROFILE_GAUGE)
				add_missing(out, node, metric, "busy", missing[ABI_MISSING_BUSY]);
			else if (!metric->is_of_times)
				add_missing(out, node, metric, "negative",
					    missing[ABI_MISSING_NEGATIVE]);
			if (may_lack(agent->profile, metric))
				add_missing(out, node, metric, "other_variant",
					    missing[ABI_MISSING_OTHER]);
		}
	}
}

static void collect_calls(struct agent *agent, uint64_t *const *cells,
			  const struct maps_flights *flights, struct metric_snapshot *out)
{
	for (size_t f = 0; f < agent->profile->n_funcs; f++) {
		for (size_t i = 0; i < agent->nodes.n; i++) {
			const struct node *node = agent->nodes.at[i];
			struct calls c = { .node = node,
					   .function = agent->profile->funcs[f].name,
					   .self = cells[i] + f * ABI_SELF_CELLS,
					   .flight = &flights->of[node->slot][f],
					   .ended_with_process =
						   node->lost[LOST_PROCESS_ENDED].calls[f],
					   .probes_off = node->lost[LOST_PROBES_OFF].calls[f] };

			if (collect_shows(agent, node, f))
				collect_call(out, &c);
		}
	}
}

/* --- nodes and programs ------------------------------------------------------------- */

static void collect_nodes(struct agent *agent, struct metric_snapshot *out)
{
	snapshot_family(out, "mpc_bpf_agent_target_up", METRIC_GAUGE, "",
			"1 while the node's process runs and is watched, 0 after it ended.");
	for (size_t i = 0; i < agent->nodes.n; i++) {
		struct metric_series *s = add(out, "mpc_bpf_agent_target_up", METRIC_GAUGE, "", "");

		series_label(s, "node_id", agent->nodes.at[i]->id);
		set_count(s, agent->nodes.at[i]->ended == 0);
	}
}

static void collect_program(const struct stats *st, const char *name, struct metric_snapshot *out)
{
	struct metric_series *s =
		add(out, "mpc_bpf_agent_program_run_seconds_total", METRIC_COUNTER, "seconds",
		    "Time spent in our kernel programs, counted while --program-stats or the host "
		    "asks for it.");

	series_label(s, "program", name);
	s->value = (double)st->run_time_ns / 1e9;
	s = add(out, "mpc_bpf_agent_program_runs_total", METRIC_COUNTER, "",
		"Runs of our kernel programs, counted while --program-stats or the host asks for "
		"it.");
	series_label(s, "program", name);
	set_count(s, st->run_cnt);
	s = add(out, "mpc_bpf_agent_program_misses_total", METRIC_COUNTER, "",
		"Runs that the kernel left out because the program was already running there.");
	series_label(s, "program", name);
	set_count(s, st->recursion_misses);
}

/* Start and end of calls, and by its tracepoint each one of the network. */
static void collect_programs(struct agent *agent, struct metric_snapshot *out)
{
	struct net_row rows[NET_ROWS_MAX];
	size_t n = agent->net ? net_rows(agent->net, rows, NET_ROWS_MAX) : 0;
	struct stats st;

	for (int start = 1; start >= 0; start--)
		if (stats_read(maps_program(agent->maps, start), &st, NULL) == 0)
			collect_program(&st, start ? "start" : "end", out);
	for (size_t i = 0; i < n; i++)
		if (net_stats(agent->net, i, &st) == 0)
			collect_program(&st, rows[i].name, out);
}

/* --- the process ------------------------------------------------------------------------ */

static uint64_t resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &size, &resident) != 2)
		resident = 0;
	fclose(f);
	return (uint64_t)resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint64_t n = 0;

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n > 3 ? n - 3 : 0; /* . and .. and the folder itself */
}

static void collect_process(const struct agent *agent, struct metric_snapshot *out)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	add(out, "process_cpu_seconds_total", METRIC_COUNTER, "seconds",
	    "Processor time of the agent in user and system mode.")
		->value = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
			  (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
	set_count(add(out, "process_resident_memory_bytes", METRIC_GAUGE, "bytes",
		      "Resident memory of the agent."),
		  resident_bytes());
	set_count(add(out, "process_open_fds", METRIC_GAUGE, "",
		      "Open file descriptors of the agent."),
		  open_files());
	add(out, "process_start_time_seconds", METRIC_GAUGE, "seconds",
	    "When the agent started, in seconds since 1970.")
		->value = agent->started;
}

void collect_self(struct agent *agent, uint64_t *const *cells, const struct maps_flights *flights,
		  const struct maps_spans *spans, struct metric_snapshot *out)
{
	struct metric_series *s;

	s = add(out, "mpc_bpf_agent_build_info", METRIC_INFO, "",
		"Version and revision of the agent.");
	series_label(s, "version", AGENT_VERSION);
	series_label(s, "revision", AGENT_REVISION);
	collect_nodes(agent, out);
	collect_calls(agent, cells, flights, out);
	collect_missing(agent, cells, out);
	collect_spans(agent, cells, spans, out);
	collect_stale(agent, cells, out);
	collect_probes(agent, out);
	collect_programs(agent, out);
	add(out, "mpc_bpf_agent_scrape_duration_seconds", METRIC_GAUGE, "seconds",
	    "How long the scrape before this one took to put together.")
		->value = agent->scrape_seconds;
	if (!agent->options->no_process)
		collect_process(agent, out);
}

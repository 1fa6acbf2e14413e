// SPDX-License-Identifier: BSD-2-Clause
/* Parses the command line from one table, which also makes the help text. */
#include "cmd/options.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/near.h"
#include "base/strbuf.h"

typedef int set_fn(struct options *o, const char *value, struct err *err);

struct option_row {
	const char *name;
	set_fn *set; /* NULL: --help and --version */
	bool flag;   /* takes no value */
};

static int set_listen(struct options *o, const char *value, struct err *err)
{
	if (o->n_listen == OPTIONS_LISTEN_MAX)
		return err_set(err, -EINVAL, "--web.listen-address is given more than %d times",
			       OPTIONS_LISTEN_MAX);
	o->listen[o->n_listen++] = value;
	return 0;
}

static int set_path(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->telemetry_path = value;
	return 0;
}

static int number(const char *name, const char *value, long max, long *out, struct err *err)
{
	char *end;

	errno = 0;
	*out = strtol(value, &end, 10);
	if (errno || *end || end == value || *out < 0 || *out > max)
		return err_set(err, -EINVAL, "%s takes a whole number up to %ld, not \"%s\"", name,
			       max, value);
	return 0;
}

static int set_max_requests(struct options *o, const char *value, struct err *err)
{
	long n;
	int r = number("--web.max-requests", value, 100000, &n, err);

	if (r == 0)
		o->max_requests = (unsigned)n;
	return r;
}

static int set_web_config(struct options *o, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL,
			       "--web.config.file is empty; name a file or leave it out");
	o->web_config = value;
	return 0;
}

static int set_systemd_socket(struct options *o, const char *value, struct err *err)
{
	(void)value, (void)err;
	o->systemd_socket = true;
	return 0;
}

static int set_no_process(struct options *o, const char *value, struct err *err)
{
	(void)value, (void)err;
	o->no_process = true;
	return 0;
}

static int set_profile(struct options *o, const char *value, struct err *err)
{
	if (o->n_profiles == PROFILE_PARTS_MAX)
		return err_set(err, -EINVAL, "--profile is given more than %d times",
			       PROFILE_PARTS_MAX);
	o->profiles[o->n_profiles++] = value;
	return 0;
}

int options_profile(const struct options *o, struct profile **out, struct err *err)
{
	static const char *const standard[] = { OPTIONS_DEFAULT_PROFILE };
	struct profile_faults faults = {};
	int r = o->n_profiles ? profile_load_all(o->profiles, o->n_profiles, out, &faults, err) :
				profile_load_all(standard, 1, out, &faults, err);

	profile_faults_free(&faults);
	return r;
}

static int set_exe(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->exe = value;
	return 0;
}

static int set_debug(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->debug = value;
	return 0;
}

/* One server: several URLs, or files by file://, are not for a flag of a root agent. */
static int set_debuginfod(struct options *o, const char *value, struct err *err)
{
	bool http = strncmp(value, "http://", 7) == 0 || strncmp(value, "https://", 8) == 0;

	if (!http || strpbrk(value, " \t\n"))
		return err_set(err, -EINVAL,
			       "--debuginfod takes the URL of a server, http://HOST or "
			       "https://HOST, not \"%s\"",
			       value);
	o->debuginfod = value;
	return 0;
}

static int set_twin(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->twin = value;
	return 0;
}

static int set_pack(struct options *o, const char *value, struct err *err)
{
	if (o->n_packs == OPTIONS_PACKS_MAX)
		return err_set(err, -EINVAL,
			       "--pack is given more than %d times; name a folder of packs",
			       OPTIONS_PACKS_MAX);
	o->packs[o->n_packs++] = value;
	return 0;
}

static int set_peer(struct options *o, const char *value, struct err *err)
{
	if (o->n_peers == OPTIONS_PEERS_MAX)
		return err_set(err, -EINVAL, "--peer is given more than %d times",
			       OPTIONS_PEERS_MAX);
	o->peers[o->n_peers++] = value;
	return 0;
}

static int set_pid(struct options *o, const char *value, struct err *err)
{
	long n;
	int r = number("--pid", value, INT_MAX, &n, err);

	if (r == 0 && n == 0)
		return err_set(err, -EINVAL, "--pid takes the number of a process, not 0");
	if (r == 0)
		o->pid = (pid_t)n;
	return r;
}

static int set_node_id(struct options *o, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--node-id is empty; give a name or leave it out");
	o->node_id = value;
	return 0;
}

static int set_output(struct options *o, const char *value, struct err *err)
{
	(void)err;
	o->output = value;
	return 0;
}

static int set_level(struct options *o, const char *value, struct err *err)
{
	if (!log_level_parse(value, &o->log.level))
		return err_set(err, -EINVAL,
			       "--log.level is debug, info, warn or error, not \"%s\"", value);
	return 0;
}

static int set_format(struct options *o, const char *value, struct err *err)
{
	if (strcmp(value, "logfmt") != 0 && strcmp(value, "json") != 0)
		return err_set(err, -EINVAL, "--log.format is logfmt or json, not \"%s\"", value);
	o->log.json = value[0] == 'j';
	return 0;
}

static int set_stats(struct options *o, const char *value, struct err *err)
{
	(void)value, (void)err;
	o->stats = true;
	return 0;
}

static int set_json(struct options *o, const char *value, struct err *err)
{
	(void)value, (void)err;
	o->json = true;
	return 0;
}

static int set_check(struct options *o, const char *value, struct err *err)
{
	(void)value, (void)err;
	o->check = true;
	return 0;
}

static const struct option_row rows[] = {
	{ "--web.listen-address", set_listen, false },
	{ "--web.telemetry-path", set_path, false },
	{ "--web.max-requests", set_max_requests, false },
	{ "--web.config.file", set_web_config, false },
	{ "--web.systemd-socket", set_systemd_socket, true },
	{ "--web.disable-exporter-metrics", set_no_process, true },
	{ "--profile", set_profile, false },
	{ "--exe", set_exe, false },
	{ "--pid", set_pid, false },
	{ "--debug", set_debug, false },
	{ "--debuginfod", set_debuginfod, false },
	{ "--pack", set_pack, false },
	{ "--twin", set_twin, false },
	{ "--node-id", set_node_id, false },
	{ "--peer", set_peer, false },
	{ "--output", set_output, false },
	{ "--log.level", set_level, false },
	{ "--log.format", set_format, false },
	{ "--program-stats", set_stats, true },
	{ "--json", set_json, true },
	{ "--config.check", set_check, true },
	{ "--help", NULL, true },
	{ "--version", NULL, true },
};

static const char help[] =
	"Usage: mpc-bpf-agent [run] [OPTION...]     watch nodes and serve their metrics\n"
	"       mpc-bpf-agent probes --exe FILE     what can be seen in an executable, and how\n"
	"       mpc-bpf-agent pack FILE -o PACK     save that as a pack (no root needed)\n"
	"       mpc-bpf-agent pack --twin DEBUG_BUILD FILE -o PACK\n"
	"                                           the same for a stripped FILE, from a rebuild of it\n"
	"       mpc-bpf-agent check PROFILE...      find the faults of profiles\n"
	"\n"
	"What to watch:\n"
	"  --profile NAME|FILE        functions and metrics, may be repeated\n"
	"                             (default: " OPTIONS_DEFAULT_PROFILE ", built in)\n"
	"  --exe FILE                 only processes of this executable\n"
	"  --pid PID                  only this process\n"
	"  --debug FILE               debug information of a stripped executable, a file of its own\n"
	"  --debuginfod URL           server to ask where no debug information is found\n"
	"  --pack FILE|FOLDER         packs of stripped executables, may be repeated\n"
	"  --node-id NAME             node_id of a process that does not name itself\n"
	"  --peer NAME=ADDR[:PORT]    who is at the other end, by name, may be repeated\n"
	"\n"
	"What to serve:\n"
	"  --web.listen-address ADDR  HOST:PORT, [IPV6]:PORT or :PORT, may be repeated\n"
	"                             (default: " OPTIONS_DEFAULT_LISTEN ")\n"
	"  --web.telemetry-path PATH  where the metrics are (default: /metrics)\n"
	"  --web.max-requests N       scrapes at once (default: 40, 0: no limit)\n"
	"  --web.config.file FILE     TLS, users and headers of what is served\n"
	"  --web.systemd-socket       listen on the sockets that systemd hands over\n"
	"  --web.disable-exporter-metrics\n"
	"                             leave out process_*, the metrics of the agent's own process\n"
	"\n"
	"  --config.check             attach, say what is attached, and exit\n"
	"  --program-stats            have the kernel count what our programs cost\n"
	"  --json                     print probes as JSON\n"
	"  --twin FILE                a rebuild with debug information, for pack\n"
	"  -o, --output FILE          where pack writes\n"
	"  --log.level LEVEL          debug, info, warn or error (default: info)\n"
	"  --log.format FORMAT        logfmt or json (default: logfmt)\n"
	"  -h, --help                 this text\n"
	"      --version              version and revision\n";

const char *options_help(void)
{
	return help;
}

static const struct option_row *find_row(const char *word, size_t len)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (strlen(rows[i].name) == len && strncmp(rows[i].name, word, len) == 0)
			return &rows[i];
	return NULL;
}

static int unknown_option(const char *word, size_t len, struct err *err)
{
	_free_ char *bad = mem_strndup(word, len);
	const char *names[ARRAY_SIZE(rows)];
	_strbuf_ struct strbuf hint = {};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		names[i] = rows[i].name;
	near_hint(&hint, bad, names, ARRAY_SIZE(names));
	return err_set(err, -EINVAL, "there is no option %s%s", bad,
		       hint.len ? hint.text : "; --help lists them");
}

static const char *long_name(const char *word)
{
	if (strcmp(word, "-o") == 0)
		return "--output";
	return strcmp(word, "-h") == 0 ? "--help" : word;
}

int options_parse(int argc, char **argv, struct options *out, struct err *err)
{
	struct options o = { .telemetry_path = "/metrics",
			     .max_requests = 40,
			     .log = { .level = LOG_INFO } };
	int r = 0;

	o.args = argv + 1;
	for (int i = 1; i < argc && r == 0; i++) {
		const char *word = long_name(argv[i]), *equals = strchr(word, '=');
		size_t len = equals ? (size_t)(equals - word) : strlen(word);
		const struct option_row *row;

		if (word[0] != '-' || !word[1]) {
			o.args[o.n_args++] = argv[i];
			continue;
		}
		row = find_row(word, len);
		if (!row)
			return unknown_option(word, len, err);
		if (row->flag && equals)
			return err_set(err, -EINVAL, "%s takes no value", row->name);
		if (!row->set)
			return strcmp(row->name, "--help") == 0 ? OPTIONS_HELP : OPTIONS_VERSION;
		if (!row->flag && !equals && i + 1 == argc)
			return err_set(err, -EINVAL, "%s wants a value", row->name);
		r = row->set(&o, row->flag ? NULL : equals ? equals + 1 : argv[++i], err);
	}
	if (r == 0 && o.n_listen && o.systemd_socket)
		return err_set(
			err, -EINVAL,
			"--web.listen-address and --web.systemd-socket exclude each other; the "
			"socket unit says where to listen");
	if (r == 0 && !o.n_listen)
		o.listen[o.n_listen++] = OPTIONS_DEFAULT_LISTEN;
	*out = o;
	return r;
}

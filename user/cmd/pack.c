// SPDX-License-Identifier: BSD-2-Clause
/* `pack`: saves the plan of an executable, for files that were stripped of what it is
 * made from. */
#include "symbol/pack.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/offline.h"
#include "cmd/probes.h"
#include "cmd/run.h"

static int write_file(const char *path, const struct strbuf *text, struct err *err)
{
	FILE *f = path ? fopen(path, "we") : stdout;

	if (!f)
		return err_set(err, -errno, "%s cannot be written: %s", path, strerror(errno));
	fwrite(text->text, 1, text->len, f);
	if (path ? fclose(f) : fflush(f))
		return err_set(err, -errno, "%s was not written whole: %s",
			       path ? path : "the pack", strerror(errno));
	return 0;
}

/* What was carried over and what was not, where the pack does not go. */
static void print_twin(const struct options *o, const struct offline *offline)
{
	const struct twin_summary *twin = &offline->twin;
	FILE *to = o->output ? stdout : stderr;

	fprintf(to,
		"%s: of its %u functions %u are in the rebuild %s to the last instruction, "
		"%u of them surely the same\n",
		offline->plan->binary, twin->functions, twin->equal, o->twin, twin->known);
	probes_print(to, offline->profile, offline->plan);
}

int cmd_pack(const struct options *options)
{
	_strbuf_ struct strbuf text = {};
	struct offline offline = {};
	struct err err = {};
	int r = options->twin ? offline_twin(options, &offline, &err) :
				offline_resolve(options, &offline, &err);

	if (r == 0) {
		pack_write(offline.plan, &text);
		r = write_file(options->output, &text, &err);
	}
	if (r == 0 && options->twin)
		print_twin(options, &offline);
	return offline_finish(r, &err, &offline);
}

/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which debug information an executable is resolved from: the file that the user
 * gave, a separate debug file, the executable's own, and where there is none its
 * symbol table. What comes first in this order and is of this very build is taken.
 */
#ifndef SYMBOL_SOURCE_H
#define SYMBOL_SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/strbuf.h"

/* What the user allows to look at. All zero: the executable alone. */
struct source_options {
	const char *debug;   /* a debug file, to be used and nothing else; or NULL */
	const char *folder;  /* of separate debug files, or NULL for none */
	const char *server;  /* URL of a debuginfod server, asked where nothing else is; or NULL */
	const char *library; /* it is the shared library of this name: only what it exports is
			      * looked for, and no debug information; or NULL */
	bool fetched;        /* the server has been asked, and this is its file: */
	int fetched_fd;
};

/* What has to be opened before privileges are given up. */
struct source_look {
	const char *debug, *folder_name, *server; /* server: debug_fd is its file */
	const char *library;
	int debug_fd, folder; /* -1 where there is none */
	char *dir;            /* the executable's own folder */
};

enum source_kind {
	SOURCE_NOTHING, /* the executable has neither debug information nor symbols */
	SOURCE_SYMBOLS, /* its symbol table alone */
	SOURCE_OWN,     /* its own debug information */
	SOURCE_FILE,    /* a file of debug information, open as source.fd */
	SOURCE_EXPORTS, /* what a shared library exports */
};

struct source {
	enum source_kind kind;
	int fd;              /* -1 unless there is a file */
	const char *library; /* of exports: its name in profiles */
	char *name;          /* for people: "debug file /usr/lib/debug/…" */
	struct strbuf not; /* what was found and not used, and why: sentences with "; " behind each */
};

/* Opens what @options names for the executable open as @exe. Fails where the file
 * that the user gave cannot be opened; that there is no folder is no failure. */
int source_look(const struct source_options *options, int exe, struct source_look *out,
		struct err *err);
void source_look_close(struct source_look *look);

/* Chooses. Fails, with a sentence about @path, where a file that the user gave is
 * not of this build or not readable by us. What else is wrong is in out->not. */
int source_find(const struct source_look *look, int exe, const char *path, struct source *out,
		struct err *err);
void source_close(struct source *source);

/* Whether a separate debug file seems to be there: one that need not be of any use. */
bool source_may_be(const struct source_options *options, int exe);

#endif

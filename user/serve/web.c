// SPDX-License-Identifier: BSD-2-Clause
/* Files are told apart by what stat() says of them, which is asked before they are read. */
#include "serve/web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/mem.h"

struct stamp {
	int error;
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec written, changed;
};

enum { STAMP_CERT, STAMP_KEY, STAMP_CLIENT_CA, STAMPS };

struct web {
	char *path;
	web_say_fn *say;
	void *ctx;
	bool https;
	struct stamp stamp;          /* of the file itself */
	struct stamp stamps[STAMPS]; /* of those that it names */
	struct web_config *latest;   /* the file as it could last be read … */
	struct web_config *current;  /* … and as it is used, with … */
	struct tls *tls;             /* … all that it names */
	struct err trouble;          /* code 0: none, and current is latest */
	bool of_files;               /* the trouble is with the files named */
	bool said;
	struct timespec since; /* of the trouble (monotonic) */
};

static struct stamp take_stamp(const char *path)
{
	struct stamp stamp = {};
	struct stat st;

	if (!path)
		return stamp;
	if (stat(path, &st) < 0) {
		stamp.error = errno;
		return stamp;
	}
	stamp.dev = st.st_dev;
	stamp.ino = st.st_ino;
	stamp.size = st.st_size;
	stamp.written = st.st_mtim;
	stamp.changed = st.st_ctim;
	return stamp;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

static bool same(const struct stamp *a, const struct stamp *b)
{
	return a->error == b->error && a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       same_time(&a->written, &b->written) && same_time(&a->changed, &b->changed);
}

/* Takes the stamps of what the file names. True when one is not what it was. */
static bool stamps_changed(struct web *web)
{
	const struct web_tls *tls = &web->latest->tls;
	const char *paths[STAMPS] = { tls->cert.path, tls->key.path, tls->client_ca.path };
	bool changed = false;

	for (size_t i = 0; i < STAMPS; i++) {
		struct stamp now = take_stamp(paths[i]);

		changed |= !same(&now, &web->stamps[i]);
		web->stamps[i] = now;
	}
	return changed;
}

/* ---- reading ----------------------------------------------------------------------- */

static int check_scheme(const struct web *web, const struct web_config *config, struct err *err)
{
	if (config->tls.on == web->https)
		return 0;
	return err_set(err, -EINVAL,
		       web->https ? "%s: tls_server_config is gone, but this agent began with TLS; "
				    "put it back, or restart the agent" :
				    "%s: tls_server_config was added, but this agent began without "
				    "TLS; restart the agent",
		       web->path);
}

static int read_config(struct web *web, struct err *err)
{
	_cleanup_(web_config_freep) struct web_config *config = NULL;
	int r = web_config_load(web->path, &config, err);

	if (r == 0 && web->current)
		r = check_scheme(web, config, err);
	if (r < 0)
		return r;
	if (web->latest != web->current)
		web_config_free(web->latest);
	web->latest = TAKE_PTR(config);
	return 0;
}

/* Once they could be read, they and what named them take the place of those before. */
static int read_files(struct web *web, struct err *err)
{
	struct tls *tls = NULL;
	int r = web->latest->tls.on ? tls_load(web->latest, &tls, err) : 0;

	if (r < 0)
		return r;
	if (web->latest != web->current)
		web_config_free(web->current);
	web->current = web->latest;
	tls_unref(web->tls);
	web->tls = tls;
	return 0;
}

/* ---- renewing ---------------------------------------------------------------------- */

static double seconds_since(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

/* What the file itself demands holds at once: then there is no going on as before. */
static bool has_grace(const struct web *web)
{
	return web->of_files && web->latest == web->current &&
	       seconds_since(&web->since) < WEB_GRACE_SECONDS;
}

static void tell(const struct web *web, bool good, const char *text)
{
	if (web->say)
		web->say(web->ctx, good, text);
}

static void take_outcome(struct web *web, bool of_files, const struct err *err)
{
	_free_ char *text = NULL;

	if (!err->code) {
		web->trouble = (struct err){};
		text = mem_printf("the web configuration %s was read anew", web->path);
		tell(web, true, text);
		return;
	}
	if (!web->trouble.code || !web->of_files || !of_files)
		clock_gettime(CLOCK_MONOTONIC, &web->since);
	web->said = web->said && !strcmp(web->trouble.text, err->text) && web->trouble.code;
	web->trouble = *err;
	web->of_files = of_files;
}

static void say_trouble(struct web *web)
{
	_free_ char *text = NULL;

	if (!web->trouble.code || web->said || has_grace(web))
		return;
	web->said = true;
	text = mem_printf("nothing is served until the web configuration is in order again: %s",
			  web->trouble.text);
	tell(web, false, text);
}

void web_renew(struct web *web)
{
	struct stamp now = take_stamp(web->path);
	bool changed = !same(&now, &web->stamp);
	struct err err = {};

	web->stamp = now;
	if (changed && read_config(web, &err) < 0) {
		take_outcome(web, false, &err);
	} else if (changed || !web->trouble.code || web->of_files) {
		/* in this order: the stamps are to be taken in any case */
		if (stamps_changed(web) || changed) {
			read_files(web, &err);
			take_outcome(web, true, &err);
		}
	}
	say_trouble(web);
}

bool web_holds(const struct web *web)
{
	return !web->trouble.code || has_grace(web);
}

const struct web_config *web_current(const struct web *web)
{
	return web->current;
}

struct tls *web_tls(const struct web *web)
{
	return web->tls;
}

/* ---- opening and closing ----------------------------------------------------------- */

int web_open(const char *path, web_say_fn *say, void *ctx, struct web **out, struct err *err)
{
	_cleanup_(web_closep) struct web *web = mem_alloc(sizeof(*web));
	int r;

	web->path = mem_strdup(path);
	web->say = say;
	web->ctx = ctx;
	web->stamp = take_stamp(path);
	r = read_config(web, err);
	if (r < 0)
		return r;
	web->https = web->latest->tls.on;
	stamps_changed(web);
	r = read_files(web, err);
	if (r < 0)
		return r;
	*out = TAKE_PTR(web);
	return 0;
}

void web_close(struct web *web)
{
	if (!web)
		return;
	if (web->latest != web->current)
		web_config_free(web->latest);
	web_config_free(web->current);
	tls_unref(web->tls);
	free(web->path);
	free(web);
}

void web_closep(struct web **web)
{
	web_close(*web);
	*web = NULL;
}

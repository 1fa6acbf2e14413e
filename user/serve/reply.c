// SPDX-License-Identifier: BSD-2-Clause
/* The routes: /metrics, /healthz, /probes and the landing page. */
#include "serve/reply.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "metric/expose.h"
#include "serve/gzip.h"
#include "serve/page_html.h"
#include "serve/page_json.h"

#define TEXT "text/plain; charset=utf-8"
#define GZIP_WORTHWHILE 512 /* bytes; less would not make fewer packets */

struct site {
	const struct serve_content *content;
	const char *telemetry_path;
};

static void add_header(struct reply *reply, const char *name, const char *value)
{
	assert(reply->n_headers < REPLY_HEADERS_MAX);
	reply->headers[reply->n_headers++] = (struct reply_header){ name, value };
}

static void answer(struct reply *reply, unsigned status, const char *type)
{
	reply->status = status;
	add_header(reply, "Content-Type", type);
}

static void answer_text(struct reply *reply, unsigned status, const char *text)
{
	answer(reply, status, TEXT);
	strbuf_printf(&reply->body, "%s\n", text);
}

/* ---- routes ---------------------------------------------------------------- */

static void serve_metrics(const struct site *site, const struct reply_request *request,
			  struct reply *reply)
{
	_snapshot_ struct metric_snapshot snap = {};
	enum expose_format format = expose_negotiate(request->accept);
	struct err err = {};

	if (request->busy) {
		answer_text(reply, 503, "too many scrapes at once; try again");
		add_header(reply, "Retry-After", "1");
		return;
	}
	reply->scrape = true;
	if (site->content->collect(site->content->ctx, &snap, &err) < 0) {
		answer_text(reply, 500,
			    *err.text ? err.text : "the metrics could not be collected");
		return;
	}
	answer(reply, 200, expose_content_type(format));
	expose_write(&snap, format, &reply->body);
}

static bool is_healthy(const struct site *site, struct strbuf *why)
{
	bool healthy = site->content->healthy(site->content->ctx, why);

	if (!healthy && !why->len)
		strbuf_puts(why, "not healthy");
	return healthy;
}

static void serve_health(const struct site *site, const struct reply_request *request,
			 struct reply *reply)
{
	_strbuf_ struct strbuf why = {};

	(void)request;
	if (is_healthy(site, &why))
		answer_text(reply, 200, "ok");
	else
		answer_text(reply, 503, why.text);
}

/* Text that the script and the style carry and nobody can guess. */
static bool make_nonce(char nonce[REPLY_NONCE_LEN + 1])
{
	unsigned char random[REPLY_NONCE_LEN / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(nonce + 2 * i, 3, "%02x", random[i]);
	return true;
}

/* Asks the caller for the rows and writes them as HTML, or JSON without @nonce. */
static void write_page(const struct site *site, const char *nonce, struct strbuf *out)
{
	_strbuf_ struct strbuf why = {};
	_page_ struct page page = {};

	page.now = (double)time(NULL);
	site->content->page(site->content->ctx, &page);
	page.telemetry_path = site->telemetry_path;
	page.healthy = is_healthy(site, &why);
	page.why = why.text;
	if (nonce)
		page_html(&page, nonce, out);
	else
		page_json(&page, out);
}

static void serve_landing(const struct site *site, const struct reply_request *request,
			  struct reply *reply)
{
	char nonce[REPLY_NONCE_LEN + 1];

	(void)request;
	if (!make_nonce(nonce)) {
		answer_text(reply, 500, "the system gave no random numbers");
		return;
	}
	answer(reply, 200, "text/html; charset=utf-8");
	snprintf(reply->policy, sizeof(reply->policy),
		 "default-src 'none'; style-src 'nonce-%s'; script-src 'nonce-%s'; "
		 "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; "
		 "frame-ancestors 'none'",
		 nonce, nonce);
	write_page(site, nonce, &reply->body);
}

static void serve_probes(const struct site *site, const struct reply_request *request,
			 struct reply *reply)
{
	(void)request;
	answer(reply, 200, "application/json");
	write_page(site, NULL, &reply->body);
}

/* ---- finding them ---------------------------------------------------------- */

typedef void (*route_fn)(const struct site *site, const struct reply_request *request,
			 struct reply *reply);

/* The telemetry path comes first: it may be "/", and then there is no landing page. */
static route_fn find_route(const struct site *site, const char *path)
{
	static const struct {
		const char *path;
		route_fn fn;
	} routes[] = {
		{ "/", serve_landing },
		{ "/healthz", serve_health },
		{ "/probes", serve_probes },
	};

	if (!strcmp(path, site->telemetry_path))
		return serve_metrics;
	for (size_t i = 0; i < ARRAY_SIZE(routes); i++)
		if (!strcmp(path, routes[i].path))
			return routes[i].fn;
	return NULL;
}

int reply_check_path(const char *telemetry_path, struct err *err)
{
	if (telemetry_path[0] != '/')
		return err_set(err, -EINVAL, "the telemetry path \"%s\" must begin with \"/\"",
			       telemetry_path);
	if (strpbrk(telemetry_path, "?#% \t\r\n"))
		return err_set(err, -EINVAL,
			       "the telemetry path \"%s\" may not contain ?, #, %% or spaces",
			       telemetry_path);
	if (!strcmp(telemetry_path, "/healthz") || !strcmp(telemetry_path, "/probes"))
		return err_set(err, -EINVAL, "the telemetry path %s is taken; choose another one",
			       telemetry_path);
	return 0;
}

/* What every answer carries. Numbers of a moment ago are of no use to a cache. */
static void finish(const struct reply_request *request, struct reply *reply)
{
	add_header(reply, "Cache-Control", "no-store");
	add_header(reply, "X-Content-Type-Options", "nosniff");
	add_header(reply, "Referrer-Policy", "no-referrer");
	add_header(reply, "Content-Security-Policy",
		   *reply->policy ? reply->policy : "default-src 'none'; frame-ancestors 'none'");
	add_header(reply, "Vary", "Accept, Accept-Encoding");
	if (reply->body.len >= GZIP_WORTHWHILE && gzip_wanted(request->accept_encoding) &&
	    gzip_pack(&reply->body))
		add_header(reply, "Content-Encoding", "gzip");
}

void reply_make(const struct serve_content *content, const char *telemetry_path,
		const struct reply_request *request, struct reply *out)
{
	struct site site = { content, telemetry_path };
	route_fn route = find_route(&site, request->path);

	*out = (struct reply){};
	if (!route) {
		answer_text(out, 404, "there is nothing here; see /");
	} else if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0) {
		answer_text(out, 405, "only GET and HEAD are answered here");
		add_header(out, "Allow", "GET, HEAD");
	} else {
		route(&site, request, out);
	}
	finish(request, out);
}

void reply_refuse(struct reply *out, unsigned status, const char *sentence)
{
	const struct reply_request nothing = {};

	*out = (struct reply){};
	answer_text(out, status, sentence);
	if (status == 401)
		add_header(out, "WWW-Authenticate", "Basic realm=\"mpc-bpf-agent\"");
	if (status == 429 || status == 503)
		add_header(out, "Retry-After", "1");
	finish(&nothing, out);
}

void reply_free(struct reply *reply)
{
	strbuf_free(&reply->body);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * Carries the answers of serve/reply with libmicrohttpd: one daemon per listening
 * socket, all of them and one timer behind one epoll descriptor. No thread, so
 * the callbacks need no lock. Where there is a web configuration, serve/gate is
 * asked first; a request whose password is being checked is suspended meanwhile.
 */
#include "serve/http.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/abstract.h>
#include <microhttpd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "serve/gate.h"
#include "serve/listen.h"

/* The library misses the end of a connection that comes in one piece with data
 * (its epoll mode takes a short read for the last one), so a client that is gone
 * may keep its place until the timeout: that is short, and places are many. A
 * Prometheus whose idle connection was closed opens a new one without a word. */
#define CONNECTIONS_DEFAULT 256
#define TIMEOUT_DEFAULT_S 10

#define ROUNDS_MAX 32 /* of one serve_run(), so that a busy client cannot hold the loop */

struct door {
	struct MHD_Daemon *daemon; /* owns the socket */
	char *address;
};

struct serve {
	struct serve_content content;
	char *telemetry_path;
	unsigned max_requests, max_connections, timeout_s;
	unsigned scrapes; /* on their way */
	VEC(struct door) doors;
	struct gate *gate;                    /* NULL: everybody may */
	VEC(struct MHD_Connection *) waiting; /* suspended */
	int epoll, timer;
};

/* ---- one request ----------------------------------------------------------- */

/* What the library keeps for us with each request. */
enum phase {
	PHASE_NEW, /* not seen yet */
	PHASE_HEADERS_READ,
	PHASE_WAITING, /* for its password to be checked */
	PHASE_SCRAPE,  /* being answered, and counted */
};

static const char *request_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

static bool has_body(struct MHD_Connection *connection)
{
	const char *length = request_header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       request_header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Headers of the web configuration stand in the place of ours. */
static void add_headers(const struct serve *serve, const struct reply *reply,
			struct MHD_Response *response)
{
	const struct web_config *config = serve->gate ? web_current(gate_web(serve->gate)) : NULL;

	for (size_t i = 0; i < reply->n_headers; i++)
		if (!config || !web_config_header(config, reply->headers[i].name))
			MHD_add_response_header(response, reply->headers[i].name,
						reply->headers[i].value);
	for (size_t i = 0; config && i < config->headers.n; i++)
		MHD_add_response_header(response, config->headers.at[i].name,
					config->headers.at[i].value);
}

/* Whether the connection was opened with what the files do not say any more: it gets this
 * answer and no other, so that who was shut out since does not stay for as long as he asks. */
static bool is_outdated(const struct serve *serve, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return serve->gate && info && info->socket_context != web_tls(gate_web(serve->gate));
}

static enum MHD_Result send_reply(const struct serve *serve, struct MHD_Connection *connection,
				  struct reply *reply)
{
	struct MHD_Response *response;
	size_t len = reply->body.len;
	enum MHD_Result r;

	response = MHD_create_response_from_buffer(len, strbuf_take(&reply->body),
						   MHD_RESPMEM_MUST_FREE);
	if (!response)
		return MHD_NO; /* out of memory: the library closes the connection */
	add_headers(serve, reply, response);
	if (is_outdated(serve, connection))
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
	r = MHD_queue_response(connection, reply->status, response);
	MHD_destroy_response(response);
	return r;
}

/* The name and the password that came with it, until the request is over. */
struct login {
	char *user, *password;
};

static void login_free(struct login *login)
{
	if (login->password)
		explicit_bzero(login->password, strlen(login->password));
	MHD_free(login->password);
	MHD_free(login->user);
}

static enum gate_verdict ask_gate(struct serve *serve, struct MHD_Connection *connection,
				  enum phase phase, struct reply *refusal)
{
	_cleanup_(login_free) struct login login = {};
	struct gate_request request = { .waited = phase == PHASE_WAITING,
					.body = phase == PHASE_NEW };

	if (!serve->gate)
		return GATE_OPEN;
	login.user = MHD_basic_auth_get_username_password(connection, &login.password);
	request.user = login.user;
	request.password = login.password;
	return gate_ask(serve->gate, &request, refusal);
}

/* The library calls this once when the headers are read, and again when the body
 * is. An answer to the first call also closes the connection, which is right
 * for what we refuse (nobody wants its body), but not for a scrape. A request that was
 * suspended comes here once more. */
static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *upload_data,
				  size_t *upload_data_size, void **context)
{
	struct serve *serve = cls;
	enum phase phase = (enum phase)(uintptr_t)*context;
	_reply_ struct reply reply = {};
	struct reply_request request = {
		.method = method,
		.path = url,
		.accept = request_header(connection, MHD_HTTP_HEADER_ACCEPT),
		.accept_encoding = request_header(connection, MHD_HTTP_HEADER_ACCEPT_ENCODING),
		.busy = serve->max_requests && serve->scrapes >= serve->max_requests,
	};

	(void)version, (void)upload_data, (void)upload_data_size;
	if (phase == PHASE_NEW) {
		*context = (void *)(uintptr_t)PHASE_HEADERS_READ;
		if (!has_body(connection) && (!strcmp(method, "GET") || !strcmp(method, "HEAD")))
			return MHD_YES;
	}
	switch (ask_gate(serve, connection, phase, &reply)) {
	case GATE_WAIT:
		*context = (void *)(uintptr_t)PHASE_WAITING;
		MHD_suspend_connection(connection);
		*VEC_ADD(&serve->waiting) = connection;
		return MHD_YES;
	case GATE_OPEN:
		reply_make(&serve->content, serve->telemetry_path, &request, &reply);
		break;
	case GATE_CLOSED:
		break;
	}
	if (send_reply(serve, connection, &reply) != MHD_YES)
		return MHD_NO;
	if (reply.scrape) {
		*context = (void *)(uintptr_t)PHASE_SCRAPE;
		serve->scrapes++;
	}
	return MHD_YES;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode code)
{
	struct serve *serve = cls;

	(void)connection, (void)code;
	if ((uintptr_t)*context == PHASE_SCRAPE)
		serve->scrapes--;
	*context = NULL;
}

/* ---- one connection ---------------------------------------------------------- */

/* Called before the handshake: it is made with what the files say now. Without that the
 * library has no certificate at all (see no_certificate). */
static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct serve *serve = cls;
	const union MHD_ConnectionInfo *info;
	struct tls *tls;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		tls_unref(*context);
		*context = NULL;
		return;
	}
	tls = serve->gate ? web_tls(gate_web(serve->gate)) : NULL;
	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (tls && info && tls_begin(tls, info->tls_session) == 0)
		*context = tls_ref(tls);
}

/* The library wants some way to certificates when it starts; each session gets its own
 * before it would ask here. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *authorities,
			  int n_authorities, const gnutls_pk_algorithm_t *algorithms,
			  int n_algorithms, gnutls_pcert_st **certificates, unsigned *n,
			  gnutls_privkey_t *key)
{
	(void)session, (void)authorities, (void)n_authorities, (void)algorithms;
	(void)n_algorithms, (void)certificates, (void)key;
	*n = 0;
	return -1;
}

/* ---- opening and closing --------------------------------------------------- */

static int watch(struct serve *serve, int fd, struct err *err)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(serve->epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		return err_set(err, -errno, "cannot watch a socket of the HTTP server: %s",
			       strerror(errno));
	return 0;
}

/* Starts answering on @fd, which is the library's from here on. (When the library
 * does not start, it is not told who closes the socket, so nobody does.) */
static int open_door(struct serve *serve, int fd, struct err *err)
{
	char *address = listen_name(fd);
	bool https = serve_is_https(serve);
	const struct MHD_OptionItem certificate[] = {
		{ https ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0,
		  (void *)no_certificate },
		{ MHD_OPTION_END, 0, NULL },
	};
	unsigned flags = MHD_USE_EPOLL | (https ? MHD_USE_TLS : 0) |
			 (serve->gate ? MHD_ALLOW_SUSPEND_RESUME : 0);
	const union MHD_DaemonInfo *info;
	struct MHD_Daemon *daemon;

	daemon = MHD_start_daemon(
		flags, 0, NULL, NULL, on_request, serve, MHD_OPTION_LISTEN_SOCKET, fd,
		MHD_OPTION_CONNECTION_LIMIT, serve->max_connections, MHD_OPTION_CONNECTION_TIMEOUT,
		serve->timeout_s, MHD_OPTION_NOTIFY_COMPLETED, on_completed, serve,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, serve, MHD_OPTION_STRICT_FOR_CLIENT, 1,
		MHD_OPTION_ARRAY, certificate, MHD_OPTION_END);
	if (!daemon) {
		err_set(err, -EIO, "the HTTP server did not start on %s", address);
		free(address);
		return -EIO;
	}
	*VEC_ADD(&serve->doors) = (struct door){ daemon, address };
	info = MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_EPOLL_FD);
	return watch(serve, info->epoll_fd, err);
}

static int open_address(struct serve *serve, const char *text, struct err *err)
{
	struct address address;
	int fd, r;

	r = address_parse(text, &address, err);
	if (r < 0)
		return r;
	fd = listen_open(&address, err);
	return fd < 0 ? fd : open_door(serve, fd, err);
}

/* A socket that the caller listens on: the library gets a descriptor of its own. */
static int open_socket(struct serve *serve, int socket, struct err *err)
{
	int fd = fcntl(socket, F_DUPFD_CLOEXEC, 3);

	if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return err_set(err, -errno, "descriptor %d cannot be listened on: %s", socket,
			       strerror(errno));
	return open_door(serve, fd, err);
}

static void on_say(void *ctx, bool good, const char *text)
{
	const struct serve *serve = ctx;

	if (serve->content.say)
		serve->content.say(serve->content.ctx, good, text);
}

static int prepare_gate(struct serve *serve, const char *path, struct err *err)
{
	int r = gate_open(path, on_say, serve, &serve->gate, err);

	return r < 0 ? r : watch(serve, gate_fd(serve->gate), err);
}

/* Everything but the doors. */
static int prepare(struct serve *serve, struct err *err)
{
	serve->epoll = epoll_create1(EPOLL_CLOEXEC);
	serve->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (serve->epoll < 0 || serve->timer < 0)
		return err_set(err, -errno, "cannot prepare the HTTP server: %s", strerror(errno));
	return watch(serve, serve->timer, err);
}

int serve_open(const struct serve_options *options, const struct serve_content *content,
	       struct serve **out, struct err *err)
{
	const char *path = options->telemetry_path ? options->telemetry_path : "/metrics";
	_cleanup_(serve_closep) struct serve *serve = NULL;
	int r;

	r = reply_check_path(path, err);
	if (r < 0)
		return r;
	serve = mem_alloc(sizeof(*serve));
	*serve = (struct serve){
		.content = *content,
		.telemetry_path = mem_strdup(path),
		.max_requests = options->max_requests,
		.max_connections = options->max_connections ?: CONNECTIONS_DEFAULT,
		.timeout_s = options->timeout_s ?: TIMEOUT_DEFAULT_S,
		.epoll = -1,
		.timer = -1,
	};
	r = prepare(serve, err);
	if (r == 0 && options->web_config)
		r = prepare_gate(serve, options->web_config, err);
	for (size_t i = 0; !r && i < options->n_addresses; i++)
		r = open_address(serve, options->addresses[i], err);
	for (size_t i = 0; !r && i < options->n_sockets; i++)
		r = open_socket(serve, options->sockets[i], err);
	if (r < 0)
		return r;
	serve_run(serve);
	*out = TAKE_PTR(serve);
	return 0;
}

/* All ask again; those whose password is still being checked will wait again. */
static void resume_waiting(struct serve *serve)
{
	size_t n = serve->waiting.n;

	serve->waiting.n = 0;
	for (size_t i = 0; i < n; i++)
		MHD_resume_connection(serve->waiting.at[i]);
}

void serve_close(struct serve *serve)
{
	if (!serve)
		return;
	resume_waiting(serve);
	for (size_t i = 0; i < serve->doors.n; i++) {
		MHD_stop_daemon(serve->doors.at[i].daemon);
		free(serve->doors.at[i].address);
	}
	free(serve->doors.at);
	free(serve->waiting.at);
	gate_close(serve->gate);
	fd_closep(&serve->timer);
	fd_closep(&serve->epoll);
	free(serve->telemetry_path);
	free(serve);
}

void serve_closep(struct serve **serve)
{
	serve_close(*serve);
	*serve = NULL;
}

/* ---- running --------------------------------------------------------------- */

/* Milliseconds until the library wants to run again, or -1: not before a socket stirs. */
static int64_t next_ms(const struct serve *serve)
{
	int64_t next = -1;

	for (size_t i = 0; i < serve->doors.n; i++) {
		MHD_UNSIGNED_LONG_LONG ms;

		if (MHD_get_timeout(serve->doors.at[i].daemon, &ms) != MHD_YES)
			continue;
		if (ms > INT32_MAX)
			ms = INT32_MAX;
		if (next < 0 || (int64_t)ms < next)
			next = (int64_t)ms;
	}
	return next;
}

static unsigned count_connections(const struct serve *serve)
{
	unsigned n = 0;

	for (size_t i = 0; i < serve->doors.n; i++)
		n += MHD_get_daemon_info(serve->doors.at[i].daemon,
					 MHD_DAEMON_INFO_CURRENT_CONNECTIONS)
			     ->num_connections;
	return n;
}

/* The library looks at its limit of connections when it begins to run, and closes
 * some when it ends: without another round it would not accept again. */
void serve_run(struct serve *serve)
{
	unsigned n = count_connections(serve), before;
	struct itimerspec when = {};
	int64_t ms;
	int round = 0;

	if (serve->gate && gate_ready(serve->gate))
		resume_waiting(serve);
	do {
		before = n;
		for (size_t i = 0; i < serve->doors.n; i++)
			MHD_run(serve->doors.at[i].daemon);
		n = count_connections(serve);
		ms = n == before ? next_ms(serve) : 0;
	} while (ms == 0 && ++round < ROUNDS_MAX);
	/* Setting the timer anew also takes back that it fired. All zeros stop it, so
	 * "at once" is a nanosecond. */
	if (ms >= 0) {
		when.it_value.tv_sec = ms / 1000;
		when.it_value.tv_nsec = ms % 1000 * 1000000 + (ms == 0);
	}
	timerfd_settime(serve->timer, 0, &when, NULL);
}

int serve_fd(const struct serve *serve)
{
	return serve->epoll;
}

bool serve_is_https(const struct serve *serve)
{
	return serve->gate && web_tls(gate_web(serve->gate));
}

size_t serve_n_addresses(const struct serve *serve)
{
	return serve->doors.n;
}

const char *serve_address(const struct serve *serve, size_t i)
{
	return serve->doors.at[i].address;
}

// SPDX-License-Identifier: BSD-2-Clause
/* `mpc-bpf-agent run`: the loop that watches and serves. */
#include "cmd/run.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "cmd/agent.h"
#include "cmd/collect.h"
#include "cmd/show.h"
#include "serve/http.h"
#include "serve/systemd.h"
#include "target/watch.h"

/* Without events from the kernel, /proc is looked at this often; with them, the
 * look only catches what an overflow of the ring may have hidden. */
#define LOOK_MS_ALONE 500
#define LOOK_MS_WITH_EVENTS 5000
/* Executables are looked at this often: for file systems without leases. */
#define CHECK_MS 500

struct loop {
	struct agent agent;
	struct serve *serve;
	struct watch *watch;
	int epoll, timer, signals;
	unsigned ticks; /* since /proc was looked at */
	bool stop;
};

static int on_collect(void *ctx, struct metric_snapshot *out, struct err *err)
{
	(void)err;
	collect(&((struct loop *)ctx)->agent, out);
	return 0;
}

static void on_page(void *ctx, struct page *page)
{
	show_page(&((struct loop *)ctx)->agent, page);
}

static bool on_healthy(void *ctx, struct strbuf *why)
{
	return show_healthy(&((struct loop *)ctx)->agent, why);
}

static void on_say(void *ctx, bool good, const char *text)
{
	const struct log *log = ((struct loop *)ctx)->agent.log;

	log_at(log, good ? LOG_INFO : LOG_ERROR, "%s", text);
}

static void on_process(enum abi_event_kind kind, pid_t tgid, void *arg)
{
	struct loop *loop = arg;

	if (kind == ABI_EVENT_EXEC)
		agent_saw_exec(&loop->agent, tgid);
	else
		agent_saw_exit(&loop->agent, tgid);
}

static int add_fd(struct loop *loop, int fd, struct err *err)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &ev) < 0)
		return err_set(err, -errno, "cannot wait for events: %s", strerror(errno));
	return 0;
}

static int open_timer(struct loop *loop, struct err *err)
{
	struct timespec ms = { CHECK_MS / 1000, CHECK_MS % 1000 * 1000000 };
	struct itimerspec every = { .it_interval = ms, .it_value = ms };

	loop->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (loop->timer < 0 || timerfd_settime(loop->timer, 0, &every, NULL) < 0)
		return err_set(err, -errno, "cannot set a timer: %s", strerror(errno));
	return add_fd(loop, loop->timer, err);
}

static int open_signals(struct loop *loop, struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGIO); /* somebody wants to write to an executable */
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (loop->signals < 0)
		return err_set(err, -errno, "cannot wait for signals: %s", strerror(errno));
	return add_fd(loop, loop->signals, err);
}

static int open_serve(struct loop *loop, struct err *err)
{
	const struct options *o = loop->agent.options;
	int sockets[SYSTEMD_SOCKETS_MAX];
	struct serve_options options = { .addresses = o->listen,
					 .n_addresses = o->n_listen,
					 .sockets = sockets,
					 .telemetry_path = o->telemetry_path,
					 .web_config = o->web_config,
					 .max_requests = o->max_requests };
	struct serve_content content = { loop, on_collect, on_page, on_healthy, on_say };
	int r = 0;

	if (o->systemd_socket) {
		r = systemd_sockets(sockets, err);
		options.n_addresses = 0;
		options.n_sockets = r < 0 ? 0 : (size_t)r;
	}
	if (r >= 0)
		r = serve_open(&options, &content, &loop->serve, err);
	for (size_t i = 0; i < options.n_sockets; i++)
		close(sockets[i]); /* the server has its own copies */
	return r < 0 ? r : add_fd(loop, serve_fd(loop->serve), err);
}

/* Events of processes are welcome but not needed. */
static int open_watch(struct loop *loop, struct err *err)
{
	struct err why = {};

	if (watch_open(&loop->watch, &why) < 0) {
		log_info(loop->agent.log, "new processes are found by looking at /proc: %s",
			 why.text);
		return 0;
	}
	return add_fd(loop, watch_fd(loop->watch), err);
}

/* The port first: a second agent on the same port must fail before it attaches. */
static int loop_open(struct loop *loop, const struct options *options, struct err *err)
{
	int r;

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return err_set(err, -errno, "cannot wait for events: %s", strerror(errno));
	r = agent_open(&loop->agent, options, err);
	if (r == 0)
		r = open_serve(loop, err);
	if (r == 0)
		r = open_watch(loop, err);
	if (r == 0)
		r = open_timer(loop, err);
	if (r == 0)
		r = open_signals(loop, err);
	if (r == 0)
		r = agent_look(&loop->agent, true, err);
	loop->agent.epoll = loop->epoll; /* from now on others wait to be served */
	return r;
}

static void loop_close(struct loop *loop)
{
	serve_close(loop->serve);
	watch_close(loop->watch);
	agent_close(&loop->agent);
	if (loop->timer >= 0)
		close(loop->timer);
	if (loop->signals >= 0)
		close(loop->signals);
	if (loop->epoll >= 0)
		close(loop->epoll);
}

/* What `systemctl status` shows; anew whenever /proc is looked at. */
static void notify(struct loop *loop, const char *state)
{
	size_t counted = 0, trouble = 0;
	_free_ char *text = NULL;
	struct err err = {};

	for (size_t i = 0; i < loop->agent.nodes.n; i++)
		counted += !loop->agent.nodes.at[i]->ended;
	for (size_t i = 0; i < loop->agent.binaries.n; i++)
		trouble += loop->agent.binaries.at[i]->ours && loop->agent.binaries.at[i]->trouble;
	text = mem_printf("%sSTATUS=watching %zu nodes%s", state, counted,
			  trouble ? "; an executable cannot be probed, see the log" : "");
	if (systemd_notify(text, &err) < 0)
		log_debug(loop->agent.log, "%s", err.text);
}

static void on_timer(struct loop *loop)
{
	struct err err = {};
	uint64_t ticks;

	if (read(loop->timer, &ticks, sizeof(ticks)) < 0)
		return;
	agent_check_files(&loop->agent);
	agent_sweep(&loop->agent, NULL);
	if (++loop->ticks < (loop->watch ? LOOK_MS_WITH_EVENTS : LOOK_MS_ALONE) / CHECK_MS)
		return;
	loop->ticks = 0;
	if (agent_look(&loop->agent, false, &err) < 0)
		log_warn(loop->agent.log, "%s", err.text);
	agent_forget(&loop->agent);
	notify(loop, "");
}

static void on_signals(struct loop *loop)
{
	struct signalfd_siginfo info;

	while (read(loop->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGIO)
			agent_check_files(&loop->agent);
		else
			loop->stop = true;
	}
}

static void on_ready(struct loop *loop, int fd)
{
	if (fd == loop->signals)
		on_signals(loop);
	else if (fd == loop->timer)
		on_timer(loop);
	else if (loop->watch && fd == watch_fd(loop->watch))
		watch_events(loop->watch, on_process, loop);
	else if (fd == serve_fd(loop->serve))
		serve_run(loop->serve);
	else
		agent_take_resolved(&loop->agent);
}

static int loop_run(struct loop *loop, struct err *err)
{
	struct epoll_event ready[8];

	while (!loop->stop) {
		int n = epoll_wait(loop->epoll, ready, ARRAY_SIZE(ready),
				   shared_wait(&loop->agent));

		if (n < 0 && errno != EINTR)
			return err_set(err, -errno, "waiting for events: %s", strerror(errno));
		if (n == 0)
			shared_look(&loop->agent);
		for (int i = 0; i < n && !loop->stop; i++)
			on_ready(loop, ready[i].data.fd);
	}
	return 0;
}

/* Where it serves, and what to do where there is nothing to see yet. */
static void greet(const struct loop *loop, const struct options *o)
{
	agent_say_net(&loop->agent);
	for (size_t i = 0; i < serve_n_addresses(loop->serve); i++)
		log_info(&o->log, "serving %s://%s%s, %zu nodes",
			 serve_is_https(loop->serve) ? "https" : "http",
			 serve_address(loop->serve, i), o->telemetry_path, loop->agent.nodes.n);
	agent_say_empty(&loop->agent);
}

int cmd_run(const struct options *options)
{
	struct loop loop = { .epoll = -1, .timer = -1, .signals = -1 };
	struct err err = {};
	int r = loop_open(&loop, options, &err);

	if (r == 0) {
		greet(&loop, options);
		notify(&loop, "READY=1\n");
		if (!options->check)
			r = loop_run(&loop, &err);
		notify(&loop, "STOPPING=1\n");
	}
	if (r < 0)
		log_error(&options->log, "%s", err.text);
	loop_close(&loop);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

// SPDX-License-Identifier: BSD-2-Clause
/* The order of the questions is that of the exporters' toolkit: rate, then password. */
#include "serve/gate.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "serve/limit.h"
#include "serve/password.h"

struct gate {
	struct web *web;
	struct passwords *passwords;
	struct limit limit;
};

int gate_open(const char *path, web_say_fn *say, void *ctx, struct gate **out, struct err *err)
{
	struct gate *gate = mem_alloc(sizeof(*gate));
	int r = web_open(path, say, ctx, &gate->web, err);

	if (r == 0)
		r = passwords_open(&gate->passwords, err);
	if (r < 0)
		gate_close(gate);
	else
		*out = gate;
	return r;
}

void gate_close(struct gate *gate)
{
	if (!gate)
		return;
	passwords_close(gate->passwords);
	web_close(gate->web);
	free(gate);
}

struct web *gate_web(const struct gate *gate)
{
	web_renew(gate->web);
	return gate->web;
}

static enum gate_verdict close_with(struct reply *refusal, unsigned status, const char *sentence)
{
	reply_refuse(refusal, status, sentence);
	return GATE_CLOSED;
}

static bool has_room(struct gate *gate, const struct web_config *config)
{
	struct timespec now;

	if (!config->rate_interval_ns)
		return true;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return limit_take(&gate->limit, config->rate_interval_ns, config->rate_burst,
			  (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec);
}

/* For a name that nobody has: a check that takes as long as the longest. The cost is the
 * two digits behind "$2y$". */
static const struct web_user *slowest(const struct web_config *config)
{
	const struct web_user *found = &config->users.at[0];

	for (size_t i = 1; i < config->users.n; i++)
		if (strncmp(config->users.at[i].hash + 4, found->hash + 4, 2) > 0)
			found = &config->users.at[i];
	return found;
}

static enum gate_verdict ask_password(struct gate *gate, const struct web_config *config,
				      const struct gate_request *request, struct reply *refusal)
{
	static const char who[] = "a user and a password are wanted here";
	const struct web_user *user;
	bool known;

	if (!request->user || !request->password)
		return close_with(refusal, 401, who);
	user = web_config_user(config, request->user);
	known = user != NULL;
	if (!user)
		user = slowest(config);
	switch (password_ask(gate->passwords, request->user, user->hash, known,
			     request->password)) {
	case PASSWORD_RIGHT:
		return GATE_OPEN;
	case PASSWORD_LATER:
		return GATE_WAIT;
	case PASSWORD_BUSY:
		return close_with(refusal, 503, "too many passwords wait to be checked; try again");
	case PASSWORD_FAILED:
		return close_with(refusal, 503, "the password could not be checked; try again");
	case PASSWORD_WRONG:
		break;
	}
	return close_with(refusal, 401, who);
}

enum gate_verdict gate_ask(struct gate *gate, const struct gate_request *request,
			   struct reply *refusal)
{
	const struct web_config *config = web_current(gate_web(gate));

	if (!web_holds(gate->web))
		return close_with(refusal, 503,
				  "the web configuration of this agent is not in order, so nothing "
				  "is served; its log says what is wrong");
	if (!request->waited && !has_room(gate, config))
		return close_with(refusal, 429,
				  "too many requests; the web configuration has a "
				  "rate_limit");
	if (!config->users.n)
		return GATE_OPEN;
	if (request->body)
		return close_with(refusal, 400, "no request with a body is answered here");
	return ask_password(gate, config, request, refusal);
}

int gate_fd(const struct gate *gate)
{
	return password_fd(gate->passwords);
}

bool gate_ready(struct gate *gate)
{
	return password_ready(gate->passwords);
}

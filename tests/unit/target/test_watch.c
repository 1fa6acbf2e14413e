// SPDX-License-Identifier: BSD-2-Clause
#include "target/watch.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"

struct heard {
	pid_t tgid;
	int execs, exits, out_of_order;
};

static void hear(enum abi_event_kind kind, pid_t tgid, void *arg)
{
	struct heard *heard = arg;

	if (tgid != heard->tgid)
		return;
	if (kind == ABI_EVENT_EXEC) {
		heard->execs++;
		heard->out_of_order += heard->exits > 0;
	} else {
		heard->exits++;
	}
}

/* Where it may be loaded, it hears; where not, there is one sentence. */
static void hears_children(void **state)
{
	_cleanup_(watch_closep) struct watch *watch = NULL;
	struct heard heard = {};
	struct err err = {};
	struct pollfd pollfd;
	int status;

	(void)state;
	if (watch_open(&watch, &err)) {
		assert_true(err.text[0] != '\0');
		assert_null(strchr(err.text, '\n'));
		skip();
	}
	heard.tgid = fork();
	if (heard.tgid == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	assert_int_equal(waitpid(heard.tgid, &status, 0), heard.tgid);
	pollfd = (struct pollfd){ .fd = watch_fd(watch), .events = POLLIN };
	assert_int_equal(poll(&pollfd, 1, 5000), 1);
	assert_true(watch_events(watch, hear, &heard) >= 2);
	assert_int_equal(heard.execs, 1);
	assert_true(heard.exits >= 1);
	assert_int_equal(heard.out_of_order, 0);
	assert_int_equal(watch_lost(watch), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hears_children),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_names.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names_errors(void **state)
{
	(void)state;
	assert_string_equal(net_error_name(ETIMEDOUT), "ETIMEDOUT");
	assert_string_equal(net_error_name(ABI_NET_UNKNOWN), "unknown");
	assert_string_equal(net_result_name(0), "ok");
	assert_string_equal(net_result_name(ESRCH), "ESRCH");
	assert_string_equal(net_result_name(ABI_NET_CANCELLED), "cancelled");
	assert_string_equal(net_result_name(5000), "unknown");
}

/* The same numbers have the same names in the profiles of the TLS libraries. */
static void names_alerts(void **state)
{
	(void)state;
	assert_string_equal(net_alert_name(0), "close_notify");
	assert_string_equal(net_alert_name(48), "unknown_ca");
	assert_string_equal(net_alert_name(121), "ech_required");
	assert_string_equal(net_alert_name(1), "unknown");
	assert_string_equal(net_alert_name(255), "unknown");
}

static void names_the_rest(void **state)
{
	(void)state;
	assert_string_equal(net_protocol_name(IPPROTO_TCP), "tcp");
	assert_string_equal(net_protocol_name(IPPROTO_UDP), "udp");
	assert_string_equal(net_direction_name(ABI_NET_IS_RECEIVED), "received");
	assert_string_equal(net_direction_name(2), "unknown");
	assert_string_equal(net_role_name(ABI_NET_ROLE_UNKNOWN), "unknown");
	assert_string_equal(net_role_name(ABI_NET_SERVER), "server");
	assert_string_equal(net_record_name(ABI_NET_MIXED), "mixed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_errors),
		cmocka_unit_test(names_alerts),
		cmocka_unit_test(names_the_rest),
	};

	return cmocka_run_group_tests_name("probe/net_names", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* The table of what the kernel can be asked for. */
#include "profile/fact.h"

#include <string.h>

#define L(label) (1u << FACT_LABEL_##label)

const struct fact facts[FACTS] = {
	[FACT_BYTES] = { "bytes", PROFILE_COUNTER, "bytes", L(DIRECTION) | L(PROTOCOL) | L(PEER) },
	[FACT_PACKETS] = { "packets", PROFILE_COUNTER, "", L(DIRECTION) | L(PROTOCOL) | L(PEER) },
	[FACT_RETRANSMITS] = { "tcp_retransmits", PROFILE_COUNTER, "", L(PEER) },
	[FACT_RETRANSMITTED_BYTES] = { "tcp_retransmitted_bytes", PROFILE_COUNTER, "bytes",
				       L(PEER) },
	[FACT_CONNECTIONS] = { "tcp_connections", PROFILE_COUNTER, "", L(DIRECTION) | L(PEER) },
	[FACT_CONNECT_FAILURES] = { "tcp_connect_failures", PROFILE_COUNTER, "",
				    L(ERROR) | L(PEER) },
	[FACT_DURATION] = { "tcp_duration", PROFILE_HISTOGRAM, "seconds", L(PEER) },
	[FACT_RTT] = { "tcp_rtt", PROFILE_HISTOGRAM, "seconds", L(PEER) },
	[FACT_RESETS] = { "tcp_resets", PROFILE_COUNTER, "", L(DIRECTION) | L(PEER) },
	[FACT_SOCKETS] = { "tcp_sockets", PROFILE_GAUGE, "", L(STATE) },
	[FACT_ERRORS] = { "socket_errors", PROFILE_COUNTER, "", L(PROTOCOL) | L(ERROR) },
	[FACT_DROPS] = { "drops", PROFILE_COUNTER, "", L(PROTOCOL) | L(REASON) },
	[FACT_QUEUE_FAILURES] = { "udp_queue_failures", PROFILE_COUNTER, "", L(ERROR) },
	[FACT_BAD_CHECKSUMS] = { "tcp_bad_checksums", PROFILE_COUNTER, "", 0, .host = true },
	[FACT_KTLS_HANDSHAKES] = { "ktls_handshakes", PROFILE_COUNTER, "", L(ROLE) | L(RESULT),
				   .host = true },
	[FACT_KTLS_HANDSHAKE_DURATION] = { "ktls_handshake_duration", PROFILE_HISTOGRAM, "seconds",
					   0, .host = true },
	[FACT_KTLS_ALERTS] = { "ktls_alerts", PROFILE_COUNTER, "", L(DIRECTION) | L(ALERT),
			       .host = true },
	[FACT_KTLS_OFFLOADS] = { "ktls_offloads", PROFILE_COUNTER, "", L(DIRECTION) | L(RESULT) },
	[FACT_KTLS_RECORDS] = { "ktls_records", PROFILE_COUNTER, "", L(RESULT) },
	[FACT_KTLS_RESYNCS] = { "ktls_resyncs", PROFILE_COUNTER, "", L(DIRECTION) },
};

const char *fact_label_name(enum fact_label label)
{
	static const char *const names[FACT_LABELS] = {
		[FACT_LABEL_DIRECTION] = "direction", [FACT_LABEL_PROTOCOL] = "protocol",
		[FACT_LABEL_ROLE] = "role",           [FACT_LABEL_RESULT] = "result",
		[FACT_LABEL_ALERT] = "alert",         [FACT_LABEL_STATE] = "state",
		[FACT_LABEL_ERROR] = "error",         [FACT_LABEL_REASON] = "reason",
		[FACT_LABEL_PEER] = "peer",
	};

	return names[label];
}

const struct fact *fact_find(const char *name)
{
	for (size_t i = 0; i < FACTS; i++)
		if (strcmp(facts[i].name, name) == 0)
			return &facts[i];
	return NULL;
}

bool fact_any(const struct profile *profile)
{
	for (size_t m = 0; m < profile->n_metrics; m++)
		if (profile->metrics[m].fact)
			return true;
	return false;
}

bool fact_wanted(const struct profile *profile, enum fact_id id,
		 const struct profile_metric **metric)
{
	for (size_t m = 0; m < profile->n_metrics; m++) {
		if (profile->metrics[m].fact != &facts[id])
			continue;
		if (metric)
			*metric = &profile->metrics[m];
		return true;
	}
	return false;
}

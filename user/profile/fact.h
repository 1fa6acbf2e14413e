/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the kernel knows of a node's network, by the names that a profile uses for it:
 * `kernel: tcp_rtt`. A fact has a type and labels; the profile gives it a name, a help and
 * buckets. docs/network.md says what each one means.
 */
#ifndef PROFILE_FACT_H
#define PROFILE_FACT_H

#include <stdbool.h>
#include <stddef.h>

#include "profile/profile.h"

enum fact_id {
	FACT_BYTES,
	FACT_PACKETS,
	FACT_RETRANSMITS,
	FACT_RETRANSMITTED_BYTES,
	FACT_CONNECTIONS,
	FACT_CONNECT_FAILURES,
	FACT_DURATION,
	FACT_RTT,
	FACT_RESETS,
	FACT_SOCKETS,
	FACT_ERRORS,
	FACT_DROPS,
	FACT_QUEUE_FAILURES,
	FACT_BAD_CHECKSUMS,
	FACT_KTLS_HANDSHAKES,
	FACT_KTLS_HANDSHAKE_DURATION,
	FACT_KTLS_ALERTS,
	FACT_KTLS_OFFLOADS,
	FACT_KTLS_RECORDS,
	FACT_KTLS_RESYNCS,
	FACTS,
};

/* Where a fact can be split. The order is that of the labels of a series. */
enum fact_label {
	FACT_LABEL_DIRECTION,
	FACT_LABEL_PROTOCOL,
	FACT_LABEL_ROLE,
	FACT_LABEL_STATE,
	FACT_LABEL_ERROR,
	FACT_LABEL_REASON,
	FACT_LABEL_RESULT,
	FACT_LABEL_ALERT,
	FACT_LABEL_PEER,
	FACT_LABELS,
};

struct fact {
	const char *name;
	enum profile_metric_type type;
	const char *unit; /* that its name must end in: "seconds", "bytes" or "" */
	unsigned labels;  /* mask: 1 << enum fact_label; the peer's only where peers are named */
	bool host;        /* of the whole host, and no node's: its series have no node_id */
};

/* All of them, by enum fact_id. */
extern const struct fact facts[FACTS];

const char *fact_label_name(enum fact_label label);

/* The fact of that name, or NULL. */
const struct fact *fact_find(const char *name);

/* Whether the profile asks the kernel for anything, or for this fact (then @metric, which
 * may be NULL, is the first metric that does). */
bool fact_any(const struct profile *profile);
bool fact_wanted(const struct profile *profile, enum fact_id id,
		 const struct profile_metric **metric);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Words for the numbers that net.bpf.c counts by. Pure; the names are static. */
#ifndef PROBE_NET_NAMES_H
#define PROBE_NET_NAMES_H

#include <stdint.h>

#include "bpf/net_abi.h"

/* "tcp" or "udp", of IPPROTO_…. */
const char *net_protocol_name(unsigned protocol);

/* "ECONNREFUSED", or "unknown". */
const char *net_error_name(uint32_t error);

/* "ok" for 0, "cancelled" for ABI_NET_CANCELLED, else the errno's name. */
const char *net_result_name(uint32_t result);

/* The description of a TLS alert, in small letters: "close_notify", … (RFC 8446, 6). One
 * that is not in IANA's registry is "unknown". */
const char *net_alert_name(uint32_t description);

/* Of enum abi_net_direction, abi_net_role, abi_net_record; "unknown" for another number. */
const char *net_direction_name(uint32_t direction);
const char *net_role_name(uint32_t role);
const char *net_record_name(uint32_t record);

#endif

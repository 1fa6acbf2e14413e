// SPDX-License-Identifier: BSD-2-Clause
#include "probe/net_names.h"

#include <netinet/in.h>
#include <string.h>

#include "base/mem.h"

static const char *name_of(const char *const names[], size_t n, uint32_t which)
{
	return which < n && names[which] ? names[which] : "unknown";
}

const char *net_protocol_name(unsigned protocol)
{
	return protocol == IPPROTO_UDP ? "udp" : "tcp";
}

const char *net_error_name(uint32_t error)
{
	const char *name = strerrorname_np((int)error);

	return name ? name : "unknown";
}

const char *net_result_name(uint32_t result)
{
	return !result ? "ok" : result == ABI_NET_CANCELLED ? "cancelled" : net_error_name(result);
}

const char *net_alert_name(uint32_t description)
{
	static const char *const names[] = {
		[0] = "close_notify",
		[10] = "unexpected_message",
		[20] = "bad_record_mac",
		[21] = "decryption_failed",
		[22] = "record_overflow",
		[30] = "decompression_failure",
		[40] = "handshake_failure",
		[41] = "no_certificate",
		[42] = "bad_certificate",
		[43] = "unsupported_certificate",
		[44] = "certificate_revoked",
		[45] = "certificate_expired",
		[46] = "certificate_unknown",
		[47] = "illegal_parameter",
		[48] = "unknown_ca",
		[49] = "access_denied",
		[50] = "decode_error",
		[51] = "decrypt_error",
		[52] = "too_many_cids_requested",
		[60] = "export_restriction",
		[70] = "protocol_version",
		[71] = "insufficient_security",
		[80] = "internal_error",
		[86] = "inappropriate_fallback",
		[90] = "user_canceled",
		[100] = "no_renegotiation",
		[109] = "missing_extension",
		[110] = "unsupported_extension",
		[111] = "certificate_unobtainable",
		[112] = "unrecognized_name",
		[113] = "bad_certificate_status_response",
		[114] = "bad_certificate_hash_value",
		[115] = "unknown_psk_identity",
		[116] = "certificate_required",
		[120] = "no_application_protocol",
		[121] = "ech_required",
	};

	return name_of(names, ARRAY_SIZE(names), description);
}

const char *net_direction_name(uint32_t direction)
{
	static const char *const names[] = {
		[ABI_NET_IS_SENT] = "sent", [ABI_NET_IS_RECEIVED] = "received"
	};

	return name_of(names, ARRAY_SIZE(names), direction);
}

const char *net_role_name(uint32_t role)
{
	static const char *const names[] = {
		[ABI_NET_CLIENT] = "client", [ABI_NET_SERVER] = "server"
	};

	return name_of(names, ARRAY_SIZE(names), role);
}

const char *net_record_name(uint32_t record)
{
	static const char *const names[] = { [ABI_NET_DECRYPTED] = "decrypted",
					     [ABI_NET_ENCRYPTED] = "encrypted",
					     [ABI_NET_MIXED] = "mixed" };

	return name_of(names, ARRAY_SIZE(names), record);
}

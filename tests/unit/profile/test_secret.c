// SPDX-License-Identifier: BSD-2-Clause
#include "profile/secret.h"

#include "expect.h"

static void finds_secrets(void **state)
{
	static const struct {
		const char *path, *segment;
	} secrets[] = {
		{ "SecretKey", "SecretKey" },
		{ "self.secret_share", "secret_share" },
		{ "self.SECRET", "SECRET" },
		{ "signing_share.0", "signing_share" },
		{ "frost::keys::SigningShare", "SigningShare" },
		{ "share.KeyShare", "KeyShare" },
		{ "self.key_share.i", "key_share" },
		{ "keyshare", "keyshare" },
		{ "self.signing_key", "signing_key" },
		{ "private_key", "private_key" },
		{ "PrivKey", "PrivKey" },
		{ "self.key", "key" },
		{ "self.keys", "keys" },
		{ "key_pair", "key_pair" },
		{ "key_bytes", "key_bytes" },
		{ "nonces.hiding", "nonces" },
		{ "SigningNonces", "SigningNonces" },
		{ "nonce", "nonce" },
		{ "k.Scalar", "Scalar" },
		{ "generic_ec::Scalar<E>", "Scalar<E>" },
		{ "seed", "seed" },
		{ "wallet.seed_bytes", "seed_bytes" },
		{ "mnemonic", "mnemonic" },
		{ "user.password", "password" },
		{ "DBPasswordHash", "DBPasswordHash" },
		{ "passphrase", "passphrase" },
		{ "message.plaintext", "plaintext" },
		{ "zeroize::Zeroizing<u8>", "zeroize" },
		{ "presignature", "presignature" },
		{ "presig.k", "presig" },
		{ "Presignature", "Presignature" },
		{ "self.presignatures", "presignatures" },
		{ "presignature_data", "presignature_data" },
		{ "api_token", "api_token" },
		{ "credentials", "credentials" },
		{ "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_seed",
		  "a_b_c_d_e_f_g_h_i_j_k_l_m_n_o_p_q_seed" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
		const char *path = secrets[i].path;
		size_t at = 0, size = 0;

		if (!secret_in_path(path, &at, &size))
			fail_msg("\"%s\" was taken", path);
		assert_int_equal(size, strlen(secrets[i].segment));
		assert_memory_equal(path + at, secrets[i].segment, size);
	}
}

static void passes_what_is_none(void **state)
{
	static const char *const open[] = {
		"vote.approve",
		"violation.violation_type",
		"new_state",
		"protocol",
		"self.pool.len",
		"self.presig_pool.len",
		"self.presignatures.len",
		"presignature_id",
		"PresignatureId",
		"self.presignature_count",
		"threshold_orchestrator::presig_service::PresignatureStats",
		"stats.current_size",
		"vote.public_key",
		"verifying_key",
		"key_id",
		"frost_core::keys::PublicKeyPackage",
		"self.keys.len",
		"keygen_round",
		"monkey.value",
		"announced",
		"exceeded",
		"share.index",
		"signature_share.identifier",
		"",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(open); i++) {
		size_t at, size;

		if (secret_in_path(open[i], &at, &size))
			fail_msg("\"%s\" was refused", open[i]);
	}
}

static void knows_variables(void **state)
{
	static const char *const secrets[] = {
		"SECRET",
		"NODE_KEY",
		"API_TOKEN",
		"PGPASSWORD",
		"DB_PASS",
		"MNEMONIC",
		"WALLET_SEED",
		"APIKEY",
		"TLS_PRIVATE",
		"POSTGRES_URL",
		"DATABASE_DSN",
		"node_key",
		"AWS_SECRET_ACCESS_KEY",
		"KEYSTORE_PASSWORD",
		"credentials",
	};
	static const char *const open[] = { "NODE_ID",   "HOSTNAME",  "POD_NAME",
					    "MONKEY_ID", "PASSENGER", "" };
	size_t at, size;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(secrets); i++)
		if (!secret_in_variable(secrets[i], &at, &size))
			fail_msg("\"%s\" was taken", secrets[i]);
	for (size_t i = 0; i < ARRAY_SIZE(open); i++)
		if (secret_in_variable(open[i], &at, &size))
			fail_msg("\"%s\" was refused", open[i]);
}

/* Longer than anything that reaches it: no overflow, whatever it says. */
static void survives_long_names(void **state)
{
	_free_ char *much = mem_alloc(5001);
	size_t at, size;

	(void)state;
	for (size_t i = 0; i < 5000; i++)
		much[i] = i % 2 ? 'A' : 'a';
	secret_in_path(much, &at, &size);
	memset(much, '_', 5000);
	secret_in_path(much, &at, &size);
	memset(much, 'x', 5000);
	assert_false(secret_in_variable(much, &at, &size));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_secrets),
		cmocka_unit_test(passes_what_is_none),
		cmocka_unit_test(knows_variables),
		cmocka_unit_test(survives_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

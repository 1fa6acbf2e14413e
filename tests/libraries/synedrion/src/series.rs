// SPDX-License-Identifier: BSD-2-Clause
//! The series of the two profiles.

use std::time::Duration;

use manul::protocol::RoundId;

pub const ROUNDS_STARTED: &str = "mpc_manul_rounds_started_total";
pub const TERMINATED: &str = "mpc_manul_sessions_terminated_total";

/// Longer than a call takes that could not be timed.
pub const UNKNOWN: Duration = Duration::from_secs(20);

fn timed(family: &str, labels: &str, took: Duration) {
    books::one(format!("{family}_count{labels}"));
    books::add(format!("{family}_sum{labels}"), took.as_secs_f64());
}

fn messages(protocol: &str, result: &str) -> String {
    format!("mpc_synedrion_messages_total{{protocol=\"{protocol}\",result=\"{result}\"}}")
}

/// Messages of a round of manul's own.
pub fn echoes(n: f64) {
    books::add("mpc_manul_echoes_total{result=\"accepted\"}", n);
}

/// A message that a round of the protocol took in: accepted, as long as nobody says otherwise.
pub fn message(protocol: &str, took: Duration) {
    books::one(messages(protocol, "accepted"));
    timed("mpc_synedrion_message_duration_seconds", &format!("{{protocol=\"{protocol}\"}}"), took);
}

/// One of those was not accepted after all, and its sender is convicted of it.
pub fn conviction(protocol: &str, result: &str) {
    books::add(messages(protocol, "accepted"), -1.0);
    books::one(messages(protocol, result));
    books::one("mpc_manul_provable_faults_total");
}

/// Shares that do not add up: this party shows what it did.
pub fn dispute() {
    books::one("mpc_synedrion_disputes_total{about=\"nonce\"}");
}

/// A round of the protocol that came to its end, the last one with what the protocol is for. Named by
/// itself or by manul's round for its echoes.
pub fn round(protocol: &str, id: &RoundId, took: Duration) {
    let name = id.to_string();
    let round = name.split(' ').nth(1).expect("Round 1, or Round 1 (echo)");
    books::one(format!("mpc_synedrion_rounds_total{{protocol=\"{protocol}\",result=\"success\",round=\"{round}\"}}"));
    let labels = format!("{{protocol=\"{protocol}\",round=\"{round}\"}}");
    timed("mpc_synedrion_round_duration_seconds", &labels, took);
    match (protocol, round) {
        ("interactive_signing", "4") => books::one("mpc_synedrion_signatures_total{result=\"success\"}"),
        ("aux_gen", "3") => books::one("mpc_synedrion_aux_infos_total{result=\"success\"}"),
        ("key_init" | "key_refresh", "3") | ("key_resharing", "1") => {
            books::one(format!("mpc_synedrion_dkgs_total{{kind=\"{protocol}\",result=\"success\"}}"));
        }
        _ => {}
    }
}

/// A session that one of manul's own loops brought to its end.
pub fn session(took: Duration) {
    books::one("mpc_manul_sessions_total{result=\"success\"}");
    timed("mpc_manul_session_duration_seconds", "", took);
}

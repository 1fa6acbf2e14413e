#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a live agent serves: both formats and gzip, the landing page, /healthz and
/probes, `probes --json`; and a counter of the user's own, beside the first agent.
"""
# must-run-on-reference
# timeout: 200

import json
import shutil
import subprocess
import sys
from collections import Counter

import live
from books import Scrape

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
# A counter of one's own, in less than ten lines.
OWN_PROFILE = """profile: mine
node_id: {env: NODE_ID}
metrics:
  mpc_signature_shares_total:
    type: counter
    help: Signature shares of peers that were processed.
    from: threshold_orchestrator::signing_coordinator::SigningCoordinator::handle_signature_share
"""


def check_formats(report, agent):
    plain = live.get(agent.address, "/metrics")
    faults = [] if plain.headers["content-type"].startswith("text/plain; version=0.0.4") else [str(plain.headers)]
    promtool = shutil.which("promtool")
    if promtool:
        done = subprocess.run([promtool, "check", "metrics"], input=plain.text, capture_output=True, text=True,
                              timeout=60, check=False)
        report.check("promtool check metrics", (done.stdout + done.stderr).splitlines() if done.returncode or
                     done.stderr.strip() else [])
    else:
        report.skip("promtool check metrics", "promtool is missing; scripts/setup e2e brings it")
    report.check("/metrics as text", faults)

    scrape = Scrape(plain.text)
    modern = live.get(agent.address, "/metrics", Accept=OPENMETRICS)
    faults = [] if modern.headers["content-type"].startswith("application/openmetrics-text") else [str(modern.headers)]
    if not modern.text.endswith("# EOF\n"):
        faults.append(f"it ends with {modern.text[-30:]!r}")
    samples = [line.split(" # ")[0] for line in modern.text.splitlines() if not line.startswith("#")]
    books = {name for name in scrape.samples if not name.startswith("process_")}
    names = {line.split("{")[0].split(" ")[0] for line in samples}
    faults += [f"{name} is missing" for name in sorted(books - names)]
    faults += [f"{line}: a family of counters with _total" for line in modern.text.splitlines()
               if line.startswith("# TYPE ") and line.endswith(" counter") and line.split()[2].endswith("_total")]
    report.check("/metrics as OpenMetrics, when asked for", faults)

    packed = live.get(agent.address, "/metrics", Accept_Encoding="gzip")
    faults = [] if packed.headers.get("content-encoding") == "gzip" else [str(packed.headers)]
    if len(packed.raw) * 3 > len(packed.text):
        faults.append(f"{len(packed.raw)} bytes of {len(packed.text)}")
    report.check("/metrics packed, when asked for", faults + ([] if Scrape(packed.text).types == scrape.types else
                                                             ["not the same families"]))
    both = live.get(agent.address, "/metrics", Accept=OPENMETRICS, Accept_Encoding="gzip")
    report.check("both at once", [] if both.text.endswith("# EOF\n") and "content-encoding" in both.headers
                 else [str(both.headers)])


def check_pages(report, agent, cluster):
    health = live.get(agent.address, "/healthz")
    report.check("/healthz", [] if health.status == 200 and health.text == "ok\n" else [f"{health.status} {health.text}"])

    page = live.get(agent.address, "/", Accept="text/html")
    wanted = ["<!doctype html>", "process_vote", "run_frost_dkg", "mpc_votes_total", "<a href=\"metrics\">"]
    wanted += [str(member["pid"]) for member in cluster.members]
    faults = [f"{word} is missing" for word in wanted if word not in page.text.replace("<wbr>", "")]
    if page.status != 200 or "nonce-" not in page.headers.get("content-security-policy", ""):
        faults.append(f"{page.status} {page.headers}")
    report.check("the landing page", faults)

    probes = live.get(agent.address, "/probes")
    shown = json.loads(probes.text)
    faults = [] if shown["healthy"] else [f"not healthy: {shown['why']}"]
    faults += [] if len(shown["nodes"]) == 5 else [f"{len(shown['nodes'])} nodes"]
    done = live.run(live.AGENT, "probes", "--exe", cluster.node, "--json")
    said = {(r["function"], r["where"], r["state"], r["how"], r["reads"], r["reason"]) for r in json.loads(done.stdout)}
    seen = {(f["name"], i["where"], i["state"], i["how"], i["reads"], i["reason"]) for f in shown["functions"]
            for i in f["instances"]}
    faults += [f"only probes --json: {row}" for row in sorted(said - seen, key=str)]
    faults += [f"only /probes: {row}" for row in sorted(seen - said, key=str)]
    faults += [] if done.returncode == 0 else [f"probes ends with {done.returncode}"]
    report.check("/probes shows the rows of probes --json", faults)

    rows = Counter((str(cluster.node), r["function"], r["where"], r["state"]) for r in json.loads(done.stdout))
    states = Scrape(agent.metrics()).samples["mpc_bpf_agent_probe_state"]
    shown = Counter({tuple(dict(labels)[name] for name in ("binary", "function", "where", "state")): int(n)
                     for labels, n in states.items()})
    report.check("mpc_bpf_agent_probe_state has the rows of probes",
                 [f"only probes: {row}" for row in rows - shown] + [f"only the metric: {row}" for row in shown - rows])
    report.check("what is not there is a 404", [] if live.get(agent.address, "/nothing").status == 404 else ["it is not"])


def check_own_profile(report, programs, folder, cluster):
    """Beside the first agent, from now on."""
    path = folder / "mine.yaml"
    path.write_text(OWN_PROFILE)
    done = live.run(live.AGENT, "check", path)
    report.check("check of a profile of one's own", [done.stdout + done.stderr] if done.returncode else [])
    before = cluster.truths()
    with live.Agent(folder, "--exe", programs / "mpc-node", "--profile", path, name="own") as own:
        cluster.load("--seed", 3, "--transactions", 100, "--faults", "none", "--settle")
        scrape, after, faults, all_shares = Scrape(own.metrics()), cluster.truths(), [], 0
        for node, truth in after.items():
            shares = (truth["functions"]["handle_signature_share"]["finished"]
                      - before[node]["functions"]["handle_signature_share"]["finished"])
            ours = scrape.get("mpc_signature_shares_total", node_id=node)
            faults += [] if ours == shares else [f"node {node}: books {shares}, agent {ours:g}"]
            all_shares += shares
        report.note(f"{all_shares} signature shares in a profile of {len(OWN_PROFILE.splitlines())} lines")
        faults += [] if all_shares else ["nothing was signed"]
        faults += [] if len(OWN_PROFILE.splitlines()) < 10 else ["ten lines or more"]
        report.check("a counter of one's own counts as the books do", faults)


def main():
    report = live.Report()
    live.need_root(report, "serving")
    with report.part("serving"):
        folder = live.scratch()
        programs = live.built("thin", folder)
        with live.Cluster(programs, folder / "cluster") as cluster, \
                live.Agent(folder, "--exe", cluster.node) as agent:
            cluster.load("--transactions", 100, "--faults", "all", "--fault-percent", 20, "--settle")
            check_formats(report, agent)
            check_pages(report, agent, cluster)
            check_own_profile(report, programs, folder, cluster)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: BSD-2-Clause
"""What 60-kernels.py runs under each kernel: kernel_guest.py PROGRAMS. Writes what it
found to $OUT/result.json."""

import json
import os
import subprocess
import sys
from pathlib import Path

import live
from books import Comparison, Scrape, check_never, compare_functions

PROFILE = Path(__file__).with_name("shapes.yaml")
TIMES = 20
PATIENCE = 300  # an emulated processor is slow
NET_SECONDS = 900


def numbers(programs, folder):
    """All calls of mpc-shapes, as the agent counts them under this kernel."""
    shapes = live.Shapes(programs, folder, TIMES)
    agent = live.Agent(folder, "--exe", programs / "mpc-shapes", "--profile", PROFILE, wait=False)
    agent.address = agent.until_said(r"serving http://(127\.0\.0\.1:\d+)/", PATIENCE)[1]
    with agent:
        live.wait_for("the agent sees mpc-shapes", lambda: Scrape(agent.metrics()).get(
            "mpc_bpf_agent_target_up", node_id="shapes"), PATIENCE)
        shapes.go()
        truth = shapes.finish(PATIENCE)
        live.wait_for("the agent sees its end", lambda: not Scrape(agent.metrics()).sum("mpc_bpf_agent_target_up"),
                      PATIENCE)
        scrape = Scrape(agent.metrics())
        links = sum(kind == "link" for kind, _ in live.kernel_objects(agent.pid))
    sites = int(scrape.sum("mpc_bpf_agent_sites_attached"))
    result = Comparison()
    check_never(result, scrape)
    compare_functions(result, scrape, truth, "shapes")
    return {
        "release": os.uname().release, "compared": result.compared, "differences": result.differences,
        "calls": sum(f["started"] for f in truth["functions"].values()),
        # A uprobe_multi link has many sites, a perf event one.
        "sites": sites, "attached": "perf events" if links >= sites else "uprobe_multi links",
        "said": [line for line in agent.said().splitlines() if "level=info" not in line],
    }


def network(test, out):
    """Tests of the network, and what this kernel gives."""
    given = out / f"{test}.json"
    done = subprocess.run([sys.executable, Path(__file__).with_name(test), given], text=True, capture_output=True,
                          timeout=NET_SECONDS, check=False, env={**os.environ, "MPC_BPF_AGENT_PATIENCE": str(PATIENCE)})
    return {"lines": [line for line in done.stdout.splitlines() if not line.startswith(" ")],
            "trouble": done.stderr.splitlines()[-3:],
            "given": json.loads(given.read_text()) if given.exists() else None}


def main():
    programs, out = Path(sys.argv[1]), Path(os.environ["OUT"])
    checked = subprocess.run([live.AGENT, "run", "--config.check", "--web.listen-address", "127.0.0.1:0"],
                             capture_output=True, text=True, timeout=PATIENCE, check=False)
    result = {"release": os.uname().release, "status": checked.returncode, "said": checked.stderr.splitlines()}
    if checked.returncode == 0:
        result |= numbers(programs, live.scratch())
        result["network"] = network("50-net.py", out)
        result["ktls"] = network("kernel_ktls.py", out)
    (out / "result.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

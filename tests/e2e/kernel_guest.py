# SPDX-License-Identifier: BSD-2-Clause
"""What 60-kernels.py runs under each kernel: kernel_guest.py PROGRAMS. Writes what it
found to $OUT/result.json; exits with the agent's status where that does not start."""

import json
import os
import subprocess
import sys
from pathlib import Path

import live
from books import Comparison, Scrape, check_never, compare_functions

PROFILE = Path(__file__).with_name("shapes.yaml")
TIMES = 20
PATIENCE = 150  # an emulated processor is slow


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


def main():
    programs, out = Path(sys.argv[1]), Path(os.environ["OUT"])
    checked = subprocess.run([live.AGENT, "run", "--config.check", "--web.listen-address", "127.0.0.1:0"],
                             capture_output=True, text=True, timeout=PATIENCE, check=False)
    result = {"release": os.uname().release, "status": checked.returncode, "said": checked.stderr.splitlines()}
    if checked.returncode == 0:
        result |= numbers(programs, live.scratch())
    (out / "result.json").write_text(json.dumps(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())

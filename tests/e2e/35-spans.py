#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Spans between calls of different functions with the same key: opened once, also by four
threads at once, ended once, not opened again by who comes late. Counts and buckets are equal
to the books of spans.rs, lengths within what probes cost; what is never ended, has no
beginning, no key or no room is counted as that, and opened = ended + expired + open + lost.
Once from its own debug information and once from a pack, stripped, begun while the program
was running.

35-spans.py
"""
# must-run-on-reference
# timeout: 400

import json
import subprocess
import sys
import time
from pathlib import Path

import live
from books import NEVER, Scrape
from cost import Meter

SOURCE = Path(__file__).with_name("spans.rs")
PROFILE = Path(__file__).with_name("spans.yaml")
NODE_PLACES = 8192  # ABI_SPAN_NODE_MAX
JOB_WITHIN, JOB_LATE = 5, 1  # seconds, of job_seconds
LABEL = {"round_seconds": "result", "job_seconds": "quality", "session_seconds": None}


class Watched(live.Process):
    def __init__(self, program, folder, name):
        super().__init__(program, log=folder / f"{name}.log", env={"NODE_ID": "spans"}, stdin=subprocess.PIPE)
        self.folder = folder
        self.until_said("ready")
        live.never_interrupted([self.pid])

    def tell(self, *words):
        line = " ".join(str(w) for w in words)
        before = self.said().count(f"did {line}\n")
        self.child.stdin.write(f"{line}\n".encode())
        self.child.stdin.flush()
        live.wait_for(line, lambda: self.said().count(f"did {line}\n") > before, 60)

    def books(self):
        path = self.folder / "books.json"
        self.tell("books", path)
        return json.loads(path.read_text())

    def quit(self):
        self.child.stdin.close()
        if self.child.wait(30):
            raise RuntimeError(f"it ended with {self.child.returncode}: {self.said()[-300:]}")


class Book:
    """What the agent says of one metric of spans."""

    def __init__(self, scrape, metric):
        def get(name, **labels):
            return scrape.get(f"mpc_bpf_agent_spans_{name}", node_id="spans", metric=metric, **labels)
        self.opened, self.ended, self.expired = get("opened_total"), get("ended_total"), get("expired_total")
        self.open, self.oldest = get("open"), get("open_oldest_seconds")
        self.full, self.gone, self.off = (get("lost_total", reason=r) for r in
                                          ("table_full", "process_ended", "probes_off"))
        self.no_beginning, self.late = get("ends_without_beginning_total"), get("late_total")
        self.unread_from, self.unread_to = (get("keys_unread_total", side=s) for s in ("from", "to"))

    def unbalanced(self, metric):
        rest = self.ended + self.expired + self.open + self.full + self.gone + self.off
        return [] if self.opened == rest else [f"{metric}: opened {self.opened:g}, all others {rest:g}: {vars(self)}"]


def books_of(agent):
    scrape = Scrape(agent.metrics())
    return {metric: Book(scrape, metric) for metric in LABEL}


def differ(what, **pairs):
    """Of each name (books, agent), which should be the same."""
    return [f"{what} {name}: books {ours:g}, agent {theirs:g}" for name, (ours, theirs) in pairs.items()
            if ours != theirs]


def series_faults(scrape, metric, label, ours, cost):
    labels = {"node_id": "spans", **({LABEL[metric]: label} if label else {})}
    what, count = f"{metric}{labels}", scrape.get(f"{metric}_count", **labels)
    faults = differ(what, count=(ours["count"], count))
    buckets = [n for _, n in scrape.buckets(metric, labels)]
    wants = [sum(ours["buckets"][:i + 1]) for i in range(len(ours["buckets"]))]
    if buckets != wants:
        faults.append(f"{what}: buckets {wants} in the books, {buckets} of the agent")
    total, most = scrape.get(f"{metric}_sum", **labels), ours["high"] + cost.of(ours["count"])
    if not ours["low"] - 1e-6 <= total < most:
        faults.append(f"{what}: sum {total:.6f} s is not between {ours['low']:.6f} and {most:.6f} s ({cost})")
    return faults


def faults_of(scrape, truth, cost):
    """What differs from the books: all series, and what became of the spans that were opened."""
    faults = differ("votes", total=(truth["votes"], scrape.get("votes_total", node_id="spans")))
    faults += [f"{name} is {scrape.sum(name):g}" for name in NEVER if scrape.sum(name)]
    for metric, label in LABEL.items():
        ours, theirs = truth[metric], Book(scrape, metric)
        faults += theirs.unbalanced(metric)
        faults += differ(metric, opened=(ours["opened"], theirs.opened), late=(ours["late"], theirs.late),
                         no_beginning=(ours["no_beginning"], theirs.no_beginning),
                         unread_from=(ours["unread_from"], theirs.unread_from),
                         unread_to=(ours["unread_to"], theirs.unread_to),
                         ended=(sum(s["count"] for s in ours["series"].values()), theirs.ended),
                         expired=(0, theirs.expired), lost=(0, theirs.full + theirs.gone + theirs.off))
        for text, series in ours["series"].items():
            faults += series_faults(scrape, metric, text, series, cost)
        for labels in scrape.samples.get(f"{metric}_count", {}):
            if label and dict(labels).get(label) not in (*ours["series"], "reached", "aborted", "good", "bad"):
                faults.append(f"{metric} has a series {dict(labels)}")
    return faults


def measured(report, name, agent, watched, meter, begun_before):
    """All that has an end, against the books."""
    mark = meter.mark()
    watched.tell("rounds", 600)
    watched.tell("storm", 300)
    watched.tell("slow", 40)
    watched.tell("slow", 13)
    watched.tell("ends", 20)
    watched.tell("odd")
    time.sleep(0.5)
    truth, cost = watched.books(), meter.cost(mark)
    truth["votes"] -= begun_before
    truth["round_seconds"]["opened"] -= begun_before
    report.note(f"{name}: {cost}")
    report.check(f"{name}, spans of threads and keys of 4 to 128 bytes are those of the books",
                 faults_of(Scrape(agent.metrics()), truth, cost))


def late_and_expired(report, name, agent, watched):
    """The kernel looks at the time itself, before anybody has tidied up."""
    before = books_of(agent)["job_seconds"]
    watched.tell("enqueue", 1, 7)
    watched.tell("finish", 1, 7)
    watched.tell("enqueue", 1, 7)  # late
    time.sleep(JOB_LATE + 0.3)
    watched.tell("enqueue", 2, 7)  # 7 again, and 8
    watched.tell("finish", 1, 7)
    time.sleep(JOB_WITHIN + 0.3)
    watched.tell("finish", 1, 8)  # too late
    after = books_of(agent)["job_seconds"]
    faults = differ("jobs", opened=(3, after.opened - before.opened), ended=(2, after.ended - before.ended),
                    late=(1, after.late - before.late), expired=(1, after.expired - before.expired),
                    no_beginning=(1, after.no_beginning - before.no_beginning), open=(0, after.open))
    report.check(f"{name}, a key is known for the time that the profile says", faults + after.unbalanced("jobs"))


def never_ended(report, name, agent, watched):
    before = books_of(agent)
    known = before["round_seconds"].opened + before["session_seconds"].opened  # none is forgotten yet
    began = time.time()
    watched.tell("enqueue", 9000, 100000)
    books = books_of(agent)
    job, fits = books["job_seconds"], NODE_PLACES - known
    took = time.time() - began
    if took > JOB_WITHIN - 1:
        raise RuntimeError(f"9,000 calls took {took:.1f} s")
    faults = differ("jobs", open=(fits, job.open), opened=(9000, job.opened - before["job_seconds"].opened),
                    full=(9000 - fits, job.full), expired=(before["job_seconds"].expired, job.expired))
    if not 0 < job.oldest <= took + 1:
        faults.append(f"the oldest is {job.oldest} s old, after {took} s")
    report.check(f"{name}, what finds no room is counted", faults + job.unbalanced("jobs"))

    page = {m["name"]: m["note"] for m in json.loads(live.get(agent.address, "/probes", Accept="application/json").text)
            ["metrics"]}
    note = page["job_seconds"] or ""
    report.check(f"{name}, and the page says so",
                 [] if f"{int(job.full)} spans found no room" in note else [f"the page says {note!r}"])

    live.wait_for("they expire", lambda: books_of(agent)["job_seconds"].open == 0, JOB_WITHIN + 30)
    after, faults = books_of(agent)["job_seconds"], []
    if time.time() - began < JOB_WITHIN:
        faults.append(f"after {time.time() - began:.1f} s")
    faults += differ("jobs", expired=(before["job_seconds"].expired + fits, after.expired), full=(job.full, after.full))
    watched.tell("enqueue", 100, 200000)
    watched.tell("finish", 100, 200000)
    again = books_of(agent)["job_seconds"]
    faults += differ("jobs after them", opened=(after.opened + 100, again.opened), ended=(after.ended + 100, again.ended))
    report.check(f"{name}, what is never ended expires and gives its room back", faults + again.unbalanced("jobs"))


def restart(report, name, agent, watched, program, folder):
    watched.tell("enqueue", 4, 300000)
    before = books_of(agent)
    watched.quit()
    up = lambda: Scrape(agent.metrics()).get("mpc_bpf_agent_target_up", node_id="spans")  # noqa: E731
    live.wait_for("the agent sees its end", lambda: up() == 0)
    books, faults = books_of(agent), []
    for metric, book in books.items():
        faults += book.unbalanced(metric) + differ(metric, open=(0, book.open),
                                                   gone=(before[metric].open, book.gone))
    if before["job_seconds"].open != 4:
        faults.append(f"{before['job_seconds'].open:g} jobs were open, not 4")
    report.check(f"{name}, spans that are open when a node ends are lost", faults)
    again = Watched(program, folder, f"{name}-again")
    live.wait_for("the agent sees it again", lambda: up() == 1)
    again.tell("finish", 4, 300000)
    again.tell("rounds", 6)  # the very keys that the first one began with
    last = books_of(agent)
    faults = differ("rounds", opened=(books["round_seconds"].opened + 6, last["round_seconds"].opened),
                    ended=(books["round_seconds"].ended + 6, last["round_seconds"].ended))
    faults += differ("jobs", opened=(books["job_seconds"].opened, last["job_seconds"].opened),
                     no_beginning=(books["job_seconds"].no_beginning + 4, last["job_seconds"].no_beginning))
    for metric, book in last.items():
        faults += book.unbalanced(metric)
    again.quit()
    report.check(f"{name}, and begin anew when it comes back", faults)


def one_run(report, folder, name, program, *options, early=False):
    watched, begun_before = None, 5 if early else 0
    if early:  # what was there before is not known
        watched = Watched(program, folder, name)
        watched.tell("begin", begun_before)
        watched.tell("enqueue", 3, 1000)
    meter = Meter(folder)
    with live.Agent(folder, "--exe", program, "--profile", PROFILE, *options, name=f"{name}-agent") as agent:
        watched = watched or Watched(program, folder, name)
        live.wait_for("the agent sees it", lambda: Scrape(agent.metrics()).get("mpc_bpf_agent_target_up",
                                                                               node_id="spans"))
        measured(report, name, agent, watched, meter, begun_before)
        meter.close()
        late_and_expired(report, name, agent, watched)
        never_ended(report, name, agent, watched)
        if early:
            earlier = books_of(agent)["job_seconds"]
            watched.tell("finish", 3, 1000)
            report.check(f"{name}, what began before the agent has no beginning",
                         differ("jobs", no_beginning=(earlier.no_beginning + 3,
                                                      books_of(agent)["job_seconds"].no_beginning)))
        restart(report, name, agent, watched, program, folder)


def main():
    report = live.Report()
    live.need_root(report, "spans")
    folder = live.scratch()
    with report.part("spans"):
        program = folder / "spans"
        done = live.run("rustc", "--edition", "2021", "-C", "opt-level=3", "-g", "-o", program, SOURCE)
        if done.returncode:
            raise RuntimeError(f"rustc {SOURCE.name}: {done.stderr.strip()[-300:]}")
        one_run(report, folder, "own debug information", program)
        pack, stripped = folder / "spans.pack", folder / "stripped"
        done = live.run(live.AGENT, "pack", program, "--profile", PROFILE, "-o", pack)
        if done.returncode:
            raise RuntimeError(f"pack: {done.stderr.strip()[-300:]}")
        subprocess.run(["strip", "-s", "-o", stripped, program], check=True)
        one_run(report, folder, "pack", stripped, "--pack", pack, early=True)
    return report.status()


if __name__ == "__main__":
    sys.exit(main())

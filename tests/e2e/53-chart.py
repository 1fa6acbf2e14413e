#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The Helm chart, read by Helm 3 and Helm 4: every mode is rendered, and every object of it is checked against the
schemas of Kubernetes, of several versions, and of the Prometheus operator, unknown fields being faults.

The values that cannot be meant are refused with a sentence. Its alerts and dashboards are those of deploy/ and
dashboards/, its packaged archive holds them, the README is what values.yaml says, and the chart of a wallet that
includes the sidecar renders. No cluster runs here: what a kubelet does with the objects is not tried.
"""
# must-run-on-reference

import json
import re
import shutil
import sys

import live
import tools

CHART = live.ROOT / "helm" / "mpc-bpf-agent"
CASES = sorted((CHART / "ci").glob("*-values.yaml"))
KUBERNETES = ("1.25", "1.30", "1.37")
NEEDS = {"apparmor-values.yaml": "1.30", "wallet": "1.28"}  # where a field is that new

# What it must refuse, and a word of the sentence.
REFUSED = {
    "an unknown value": (["agent.prot=1"], "prot"),
    "an unknown mode": (["mode=statefulset"], "mode"),
    "a port that is none": (["agent.port=70000"], "agent.port|/agent/port"),
    "a tag with a slash": (["image.tag=a/b"], "image.tag|/image/tag"),
    "a digest that is none": (["image.digest=sha256:12"], "digest"),
    "a capability with its prefix": (["extraCapabilities={CAP_SYS_ADMIN}"], "extraCapabilities"),
    "an interval without unit": (["serviceMonitor.interval=10"], "interval"),
    "a switch that is a text": (["dashboards.enabled=perhaps"], "dashboards"),
    "a flag that is none": (["agent.extraArgs={verbose}"], "extraArgs"),
    "a ServiceMonitor for sidecars": (["mode=sidecar", "serviceMonitor.enabled=true"], "use podMonitor.enabled"),
    "a NetworkPolicy for sidecars": (["mode=sidecar", "networkPolicy.enabled=true"], "cut the nodes off"),
    "both monitors": (["serviceMonitor.enabled=true", "podMonitor.enabled=true"], "count twice"),
    "packs from two places": (["packs.configMap=a", "packs.hostPath=/b"], "one place"),
    "a volume without a node's pod": (["packs.volume=a"], "mode sidecar"),
    "an alert that does not exist": (["prometheusRule.enabled=true", "prometheusRule.disabled={Nope}"], "no such alert"),
}


class Helm:
    def __init__(self, name):
        self.name, self.path = name, tools.program(name)

    def __call__(self, *words):
        return live.run(self.path, *words)

    def render(self, chart, *options, version="1.37"):
        """The objects that come out, or RuntimeError."""
        import yaml  # not before tools.libraries()
        done = self("template", "agents", chart, "--namespace", "mpc", "--kube-version", version, *options)
        if done.returncode:
            raise RuntimeError(f"{self.name} template: {said(done)}")
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        return [document for document in yaml.load_all(done.stdout, loader) if document]


def said(done):
    """What Helm said, without its word on each link of the chart."""
    return "\n".join(line for line in (done.stdout + done.stderr).splitlines() if "symbolic link" not in line).strip()


# ---- schemas ---------------------------------------------------------------------

def unknown_fields(given, kept, where):
    """Fields that a model has not taken over."""
    if isinstance(given, dict):
        for name, value in given.items():
            if not isinstance(kept, dict) or name not in kept:
                yield f"{where}.{name}: no such field"
            else:
                yield from unknown_fields(value, kept[name], f"{where}.{name}")
    elif isinstance(given, list) and isinstance(kept, list):
        for n, pair in enumerate(zip(given, kept)):
            yield from unknown_fields(*pair, f"{where}[{n}]")


def object_faults(document, version):
    """What a schema has to say about an object."""
    import kubernetes_validate
    where = f"{document['kind']} {document['metadata']['name']}"
    if not document["apiVersion"].startswith("monitoring.coreos.com/"):
        try:
            kubernetes_validate.validate(document, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            yield f"{where}, Kubernetes {version}: {error.message} at {'.'.join(map(str, error.path))}"
        return
    from cloudcoil.models.prometheus_operator import v1
    from pydantic import ValidationError
    try:
        model = getattr(v1, document["kind"]).model_validate(document)
    except ValidationError as error:
        yield f"{where}: {error}"
        return
    yield from unknown_fields(document, model.model_dump(by_alias=True, exclude_unset=True, mode="json"), where)


def check_schemas_see(report, documents):
    """That the schemas catch what they are here for."""
    daemonset = next(d for d in documents if d["kind"] == "DaemonSet")
    monitor = next(d for d in documents if d["kind"] == "ServiceMonitor")
    broken = [json.loads(json.dumps(d)) for d in (daemonset, monitor, monitor)]
    broken[0]["spec"]["template"]["spec"]["hostPIDD"] = True
    broken[1]["spec"]["endpoints"][0]["intervall"] = "3s"
    broken[2]["spec"]["endpoints"][0]["interval"] = "3 seconds"
    report.check("the schemas refuse a wrong field and a wrong value",
                 [f"not seen in {d['kind']} {n}" for n, d in enumerate(broken) if not list(object_faults(d, "1.37"))])


# ---- what the chart is ---------------------------------------------------------------

def check_modes(report, helms):
    for case in CASES:
        faults, shown = [], []
        for helm in helms:
            for version in KUBERNETES:
                if NEEDS.get(case.name, "1.0") > version:
                    continue
                try:
                    documents = helm.render(CHART, "-f", case, version=version)
                except RuntimeError as error:
                    faults.append(str(error))
                    continue
                shown.append(documents)
                faults += [fault for document in documents for fault in object_faults(document, version)]
        faults += ["Helm 3 and 4 do not render the same"] if any(
            sorted(map(json.dumps, d)) != sorted(map(json.dumps, shown[0])) for d in shown) else []
        report.check(f"{case.name.removesuffix('-values.yaml')}: Kubernetes {', '.join(KUBERNETES)} and the operator know every field",
                     faults or ([] if shown else ["nothing was rendered"]))


def check_lint(report, helms):
    faults = []
    for helm in helms:
        for case in (None, *CASES):
            done = helm("lint", "--strict", CHART, "--kube-version", "1.37", *(("-f", case) if case else ()))
            faults += [f"{helm.name}, {case.name if case else 'no values'}: {said(done)}"] if done.returncode else []
    report.check("helm lint --strict", faults)


def check_refusals(report, helms):
    faults = []
    for helm in helms:
        for name, (values, words) in REFUSED.items():
            done = helm("template", "x", CHART, "--kube-version", "1.29", *(w for v in values for w in ("--set", v)))
            faults += [f"{helm.name} takes {name}"] if done.returncode == 0 else \
                [] if re.search(words, said(done)) else [f"{helm.name}, {name}: {said(done)[:200]}"]
        done = helm("template", "x", CHART, "--kube-version", "1.24")
        faults += [f"{helm.name} takes Kubernetes 1.24"] if done.returncode == 0 else []
        done = helm("template", "x", CHART, "--kube-version", "1.29", "--set", "appArmorProfile=Unconfined")
        faults += [f"{helm.name} takes appArmorProfile before 1.30"] if done.returncode == 0 else []
    report.check("values that cannot be meant are refused in words", faults)


def check_rights(report, documents):
    """The container of mode daemonset has the least rights; privileged is all or nothing."""
    pod = next(d for d in documents if d["kind"] == "DaemonSet")["spec"]["template"]["spec"]
    container, context = pod["containers"][0], pod["containers"][0]["securityContext"]
    unit = (live.ROOT / "deploy/systemd/mpc-bpf-agent.service").read_text()
    host = set(re.search(r"(?m)^AmbientCapabilities=(.*)$", unit)[1].replace("CAP_", "").split())
    faults = [f"it may {context['capabilities']}"] if context["capabilities"] != {
        "drop": ["ALL"], "add": context["capabilities"]["add"]} or set(context["capabilities"]["add"]) != \
        host | {"SETUID", "SETGID"} else []
    wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "seccompProfile": {"type": "RuntimeDefault"}}
    faults += [f"{name} is {context.get(name)}" for name, value in wanted.items() if context.get(name) != value]
    faults += [] if pod["hostPID"] and not pod.get("hostNetwork") and pod["automountServiceAccountToken"] is False else ["the pod"]
    faults += [] if not pod.get("volumes") and not container.get("volumeMounts") else ["it mounts something"]
    report.check("an agent gets the rights of the systemd unit, those to read debug information as nobody, and no others",
                 faults)


def check_truth(report, documents, values):
    """Alerts, dashboards and the values."""
    import yaml
    rules = next(d for d in documents if d["kind"] == "PrometheusRule")["spec"]["groups"]
    text = "".join((live.ROOT / "deploy/prometheus/rules" / f).read_text().replace("groups:", f"{f[0]}:")
                   for f in ("recording.yml", "alerts.yml"))
    text = text.replace("https://runbooks.example.org", "https://git.example.org/wallet/monitoring").replace(
        "http://localhost:3000", "https://grafana.example.org")
    both = yaml.safe_load(text)
    report.check("its rules are those of deploy/, with the addresses of the values",
                 [] if rules == both["r"] + both["a"] else ["they are others"])
    boards = {n: t for d in documents if d["kind"] == "ConfigMap" for n, t in d["data"].items() if n.endswith(".json")}
    files = {p.name: p.read_text() for p in (live.ROOT / "dashboards").glob("*.json")}
    labels = [d["metadata"]["labels"].get("grafana_dashboard") for d in documents if d["kind"] == "ConfigMap"]
    report.check("its dashboards are those of dashboards/, with Grafana's label",
                 [n for n in {*boards, *files} if boards.get(n) != files.get(n)] +
                 ([] if labels == ["1"] * len(files) else [f"labels {labels}"]))

    schema = json.loads((CHART / "values.schema.json").read_text())

    def paths(value, node, at=""):
        for name in sorted({*value, *node.get("properties", {})}):
            here = f"{at}.{name}".lstrip(".")
            if name not in value or name not in node.get("properties", {}):
                yield here
            elif "properties" in node["properties"][name]:
                yield from paths(value[name], node["properties"][name], here)
    report.check("schema and values.yaml know the same values",
                 [p for p in paths(values, schema) if p not in ("global", "resources.requests", "resources.limits")])
    done = live.run(live.ROOT / "scripts" / "chart-readme", "--check")
    report.check("its README is what its values say", [done.stderr.strip()] if done.returncode else [])
    version = (live.ROOT / "VERSION").read_text().strip()
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    report.check("its appVersion is the agent's", [] if chart["appVersion"] == version else [chart["appVersion"]])


def check_notes(report, helm):
    faults = []
    for values, words in {"mode=daemonset": "port-forward daemonset/agents-mpc-bpf-agent", "mode=sidecar": "- name: mpc-bpf-agent",
                          "privileged=true": "try privileged=false"}.items():
        done = helm("install", "agents", CHART, "--dry-run=client", "--set", values)
        faults += [] if done.returncode == 0 and words in done.stdout.partition("NOTES:")[2] else [f"{values}: {said(done)[-200:]}"]
    report.check("the notes say what to do next", faults)


def check_sidecar(report, helms, folder):
    """The chart of a wallet, from the chart as `helm package` makes it."""
    for helm in helms:
        copy = folder / helm.name / "mpc-bpf-agent"
        shutil.copytree(CHART, copy)
        done = helm("package", copy, "-d", folder / helm.name)
        wallet = copy / "examples" / "wallet"
        built = helm("dependency", "build", wallet)
        faults = [said(d) for d in (done, built) if d.returncode]
        if not faults:
            documents = helm.render(wallet)
            pod = next(d for d in documents if d["kind"] == "StatefulSet")["spec"]["template"]["spec"]
            names = [c["name"] for c in pod["containers"]]
            faults += [] if pod["shareProcessNamespace"] and names == ["mpc-node", "mpc-bpf-agent"] else [f"containers {names}"]
            faults += [] if pod["containers"][1]["volumeMounts"][0]["name"] in [v["name"] for v in pod["volumes"]] else ["no packs"]
            faults += ["the agent's trouble would take the node out of service"] if "readinessProbe" in pod["containers"][1] else []
            faults += [] if any(d["kind"] == "PrometheusRule" for d in documents) else ["no alerts"]
            faults += [f for v in KUBERNETES if v >= NEEDS["wallet"] for d in documents for f in object_faults(d, v)]
        report.check(f"a wallet's chart gets its sidecars, {helm.name}", faults)


def main():
    report = live.Report()
    if live.run(sys.executable, "-m", "pip", "--version").returncode:
        report.skip("the Helm chart", "pip is missing; scripts/setup ship brings it")
        return 0
    with report.part("the programs"):
        helms = [Helm("helm3"), Helm("helm4")]
        tools.libraries()
    if report.failed:
        return report.status()
    with report.part("the chart"):
        check_lint(report, helms)
        check_refusals(report, helms)
        check_modes(report, helms)
    with report.part("what it holds"):
        import yaml
        documents = helms[1].render(CHART, "-f", CHART / "ci" / "daemonset-values.yaml")
        check_schemas_see(report, documents)
        check_rights(report, documents)
        check_truth(report, documents, yaml.safe_load((CHART / "values.yaml").read_text()))
        check_notes(report, helms[1])
        check_sidecar(report, helms, live.scratch())
    return report.status()


if __name__ == "__main__":
    sys.exit(main())

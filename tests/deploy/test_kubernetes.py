"""The manifests, without a cluster: what they say of nodes is what nodes take, and their parts agree."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from server.leaving import leaves_within_s
from server.settings import Settings
from tests.deploy.files import DEPLOY, KUBERNETES, Yaml, accepted, assignments, documents

SECRETS = {
    "EARSHOT_PUBLIC_URL": "https://speech.example.org",
    "EARSHOT_ACCESS_TOKEN": "0" * 32,
    "EARSHOT_SHARED_SECRET": "1" * 32,
    "EARSHOT_DATABASE_URL": "postgresql+asyncpg://earshot:secret@postgres.example.org/earshot",
    "EARSHOT_REDIS_URL": "rediss://:secret@redis.example.org:6379/0",
    "EARSHOT_S3_ENDPOINT": "https://s3.example.org",
    "EARSHOT_S3_PUBLIC_ENDPOINT": "https://s3.example.org",
    "EARSHOT_S3_ACCESS_KEY_ID": "key",
    "EARSHOT_S3_SECRET_ACCESS_KEY": "secret",
    "EARSHOT_TURN_URLS": "turn:turn.example.org:3478,turns:turn.example.org:443?transport=tcp",
    "EARSHOT_TURN_SECRET": "2" * 32,
}
FIELDS = {"metadata.name": "earshot-1", "status.hostIP": "192.0.2.11"}


def resources() -> dict[tuple[str, str], Yaml]:
    listed = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"]
    found = [each for name in listed for each in documents(KUBERNETES / name)]
    return {(each["kind"], each["metadata"]["name"]): each for each in found}


def node() -> Yaml:
    spec: Yaml = resources()["StatefulSet", "earshot"]["spec"]["template"]["spec"]
    return spec


def container() -> Yaml:
    told: Yaml = node()["containers"][0]
    return told


def environment() -> dict[str, str]:
    """As a kubelet makes it."""
    told = {**assignments(KUBERNETES / "settings.env"), **SECRETS}
    for each in container()["env"]:
        source = each.get("valueFrom", {})
        if "fieldRef" in source:
            told[each["name"]] = FIELDS[source["fieldRef"]["fieldPath"]]
        elif "secretKeyRef" in source:
            told[each["name"]] = SECRETS[source["secretKeyRef"]["key"]]
        else:
            told[each["name"]] = re.sub(r"\$\((\w+)\)", lambda match: told[match[1]], each["value"])
    return told


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    return accepted(environment(), monkeypatch)


def test_the_example_names_every_secret_and_gives_none() -> None:
    example = assignments(KUBERNETES / "secrets.env.example")
    assert set(example) == set(SECRETS)
    assert set(example.values()) == {""}


def test_nodes_take_their_settings(settings: Settings) -> None:
    assert settings.node_url == "https://speech.example.org/nodes/earshot-1"
    assert settings.public_addresses == ("192.0.2.11",)
    ports = {port["name"]: port for port in container()["ports"]}
    assert ports["http"]["containerPort"] == settings.port
    assert ports["webrtc"]["containerPort"] == ports["webrtc"]["hostPort"] == settings.udp_port
    policy = resources()["NetworkPolicy", "earshot"]["spec"]["ingress"]
    allowed = [(port["protocol"], port["port"]) for rule in policy for port in rule["ports"]]
    assert allowed == [("TCP", settings.port), ("UDP", settings.udp_port)]


def test_a_service_of_the_namespace_is_not_told_as_a_setting_that_there_is_none_of() -> None:
    named = [name for kind, name in resources() if kind == "Service"]
    assert any(name.startswith("earshot-") for name in named)
    assert node()["enableServiceLinks"] is False


def test_who_is_leaving_is_alive_and_not_ready_and_has_time_for_it(settings: Settings) -> None:
    assert container()["livenessProbe"]["httpGet"]["path"] == "/health/live"
    assert container()["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert container()["readinessProbe"]["httpGet"]["path"] == "/health"
    assert node()["terminationGracePeriodSeconds"] > leaves_within_s(settings.drain_deadline_s)


def test_nodes_are_counted_by_the_load_and_leave_one_by_one() -> None:
    scaler = resources()["HorizontalPodAutoscaler", "earshot"]["spec"]
    assert scaler["scaleTargetRef"]["kind"] == "StatefulSet"
    assert "replicas" not in resources()["StatefulSet", "earshot"]["spec"]
    metric = scaler["metrics"][0]["pods"]["metric"]["name"]
    assert f"| `{metric}` |" in (DEPLOY.parent / "docs" / "operations.md").read_text()
    rules = documents(KUBERNETES / "optional" / "adapter-rules.yaml")[0]["rules"]["custom"]
    assert [rule["name"]["as"] for rule in rules] == [metric]
    assert resources()["PodDisruptionBudget", "earshot"]["spec"]["maxUnavailable"] == 1
    # nginx chooses among those that there are: it asks for the service's port by its name.
    conf = (KUBERNETES / "nginx.conf").read_text()
    [port] = resources()["Service", "earshot-nodes"]["spec"]["ports"]
    assert f"server earshot-nodes.earshot.svc.cluster.local service={port['name']} " in conf
    assert resources()["StatefulSet", "earshot"]["spec"]["serviceName"] == "earshot-nodes"
    assert resources()["Service", "earshot-nodes"]["spec"]["clusterIP"] == "None"


@pytest.mark.parametrize(("kind", "name"), [("StatefulSet", "earshot"), ("Deployment", "earshot-proxy")])
def test_pods_may_do_no_more_than_they_must(kind: str, name: str) -> None:
    pod = resources()[kind, name]["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert not pod.get("hostNetwork", False)
    for each in pod["containers"]:
        context = each["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert {"requests", "limits"} <= each["resources"].keys()
        mounted = {mount["name"] for mount in each["volumeMounts"]}
        claims = resources()[kind, name]["spec"].get("volumeClaimTemplates", ())
        assert mounted == {each["name"] for each in (*pod["volumes"], *(claim["metadata"] for claim in claims))}


def test_every_selector_finds_pods() -> None:
    told = resources()
    pods = [
        each["spec"]["template"]["metadata"]["labels"]
        for (kind, _), each in told.items()
        if kind in ("StatefulSet", "Deployment")
    ]
    for (kind, name), each in told.items():
        spec = each.get("spec", {})
        selector = spec.get("podSelector") or spec.get("selector") or {}
        labels = selector.get("matchLabels", selector)
        if labels:
            assert any(labels.items() <= pod.items() for pod in pods), (kind, name)


def test_the_monitor_asks_a_service_for_the_figures() -> None:
    monitor = documents(KUBERNETES / "optional" / "monitor.yaml")[0]["spec"]
    service = resources()["Service", "earshot-nodes"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    endpoint = monitor["endpoints"][0]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert endpoint["path"] == "/metrics"
    assert endpoint["authorization"]["credentials"]["key"] in SECRETS
    job = service["metadata"]["labels"][monitor["jobLabel"]]
    assert f'up{{job="{job}"}}' in (DEPLOY / "prometheus" / "alerts.yaml").read_text()


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="no kubectl here, which has kustomize")
def test_kustomize_puts_them_together(tmp_path: Path) -> None:
    folder = tmp_path / "kubernetes"
    shutil.copytree(KUBERNETES, folder)
    command = ["kubectl", "kustomize", str(folder)]
    without = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert without.returncode != 0, "secrets must not have defaults"
    (folder / "secrets.env").write_text("".join(f"{name}={value}\n" for name, value in SECRETS.items()))
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    found = [each for each in yaml.safe_load_all(made.stdout) if each]
    assert {each["kind"] for each in found} >= {kind for kind, _ in resources()} | {"ConfigMap", "Secret"}
    assert {each["metadata"].get("namespace", "earshot") for each in found} == {"earshot"}
    # The settings that pods name are those that were made, by their names of now.
    made_names = {each["metadata"]["name"] for each in found if each["kind"] in ("ConfigMap", "Secret")}
    [stateful] = [each for each in found if each["kind"] == "StatefulSet"]
    sources = stateful["spec"]["template"]["spec"]["containers"][0]["envFrom"]
    assert {next(iter(source.values()))["name"] for source in sources} <= made_names
    # So does the monitor, where it is wanted.
    wanted = folder / "kustomization.yaml"
    wanted.write_text(wanted.read_text().replace("# - optional/monitor.yaml", "- optional/monitor.yaml"))
    made = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert made.returncode == 0, made.stderr
    [monitor] = [each for each in yaml.safe_load_all(made.stdout) if each["kind"] == "ServiceMonitor"]
    assert monitor["spec"]["endpoints"][0]["authorization"]["credentials"]["name"] in made_names

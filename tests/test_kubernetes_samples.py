"""The manifests in samples/kubernetes: as Kubernetes' own schemas want them, with options that the agent has."""

from __future__ import annotations

import ipaddress
import re
from pathlib import Path
from typing import Any

import click
import kubernetes_validate
import pytest
import yaml

from rli_agent.cli import group
from rli_agent.commands.watch import command as watch

SAMPLES = Path(__file__).parents[1] / "samples" / "kubernetes"
FOLDERS = sorted(path for path in SAMPLES.iterdir() if path.is_dir())
MANIFESTS = sorted(path for path in SAMPLES.glob("*/*.yaml") if path.name != "kustomization.yaml")
#: The first version with native sidecars on, and the newest that there is a schema of.
VERSIONS = ("1.29", kubernetes_validate.latest_version())
#: What is no part of Kubernetes itself (prometheus-operator 0.7x): the fields that are used.
POD_MONITOR = {"selector": dict, "podMetricsEndpoints": list}


def load(path: Path) -> dict[str, Any]:
    (manifest,) = yaml.safe_load_all(path.read_text())
    assert isinstance(manifest, dict)
    return manifest


def agents() -> list[Any]:
    """The agents' containers, with their pod's labels."""
    pods = [(path.parent.name, load(path)["spec"]["template"]) for path in MANIFESTS if "template:" in path.read_text()]
    return [
        pytest.param(container, pod, id=name)
        for name, pod in pods
        for container in (*pod["spec"].get("initContainers", ()), *pod["spec"]["containers"])
        if container["name"] == "rli-agent"
    ]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_schema_holds(path: Path, version: str) -> None:
    manifest = load(path)
    if manifest["apiVersion"].startswith("monitoring.coreos.com/"):
        assert {key: type(value) for key, value in manifest["spec"].items()} == POD_MONITOR
        return
    kubernetes_validate.validate(manifest, version, strict=True)


def test_a_field_that_does_not_exist_is_found() -> None:
    manifest = load(SAMPLES / "daemonset" / "daemonset.yaml")
    manifest["spec"]["template"]["spec"]["containers"][0]["command_line"] = "x"
    with pytest.raises(kubernetes_validate.ValidationError, match="command_line"):
        kubernetes_validate.validate(manifest, "1.29", strict=True)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_kustomize_finds_what_it_names_and_every_file_is_named(folder: Path) -> None:
    settings = load(folder / "kustomization.yaml")
    assert settings["kind"] == "Kustomization"
    assert {path.name for path in folder.glob("*.yaml")} == {"kustomization.yaml", *settings["resources"]}
    text = "".join((folder / name).read_text() for name in settings["resources"])
    assert {image["name"] for image in settings.get("images", [])} == set(re.findall(r"image: (\S+)", text))


@pytest.mark.parametrize(("container", "template"), agents())
def test_the_agent_takes_its_arguments(container: dict[str, Any], template: dict[str, Any]) -> None:
    command, *arguments = [str(argument) for argument in container["args"]]
    assert group.get_command(click.Context(group), command) is watch
    given = watch.make_context("watch", ["--config=/dev/null", *arguments]).params
    host, port = given["listen"].split(":")
    assert ipaddress.ip_address(host).is_unspecified
    assert [one["containerPort"] for one in container["ports"]] == [int(port)]
    mounts = {mount["mountPath"]: mount for mount in container["volumeMounts"]}
    assert all(mounts[str(path)].get("readOnly") for path in given["paths"])
    assert not mounts[str(given["state_dir"])].get("readOnly")
    volumes = {volume["name"] for volume in template["spec"]["volumes"]}
    assert {mount["name"] for mount in container["volumeMounts"]} <= volumes


@pytest.mark.parametrize(("container", "template"), agents())
def test_the_monitor_finds_the_agent(container: dict[str, Any], template: dict[str, Any]) -> None:
    spec = load(SAMPLES / "monitoring" / "podmonitor.yaml")["spec"]
    assert spec["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (endpoint,) = spec["podMetricsEndpoints"]
    assert endpoint["honorLabels"]
    assert endpoint["port"] in {port["name"] for port in container["ports"]}


def test_the_pods_of_the_job_have_the_names_that_the_agents_know() -> None:
    job = load(SAMPLES / "sidecar" / "job.yaml")
    service = load(SAMPLES / "sidecar" / "service.yaml")
    pod = job["spec"]["template"]
    nodes = f"--nodes={job['metadata']['name']}-[0-{job['spec']['completions'] - 1}]"
    assert nodes in pod["spec"]["initContainers"][0]["args"]
    assert pod["spec"]["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()

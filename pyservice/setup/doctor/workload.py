"""Checks whether Kubernetes may move a controller to another node: reads `kubectl … -o json`."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pyservice.errors import ConfigurationError
from pyservice.setup.doctor.finding import Finding
from pyservice.setup.doctor.findings import KNOWN

_HOST = "kubernetes.io/hostname"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
"""A little wider than Kubernetes' own rule (RFC 1123)."""
_OWNERS = {"StatefulSet": "statefulset", "ReplicaSet": "deployment", "Deployment": "deployment"}

Json = Mapping[str, Any]


def examine(text: str) -> list[Finding]:
    """Return a finding if the controller may move, else none.

    Args:
        text: a StatefulSet, a Deployment or a pod of one, as JSON.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        workload = json.loads(text)
        metadata = workload["metadata"]
        if workload["kind"] == "Pod":
            kind, name, spec, node = _owner(metadata, workload["spec"])
        else:
            kind, name = workload["kind"], metadata["name"]
            spec, node = workload["spec"]["template"]["spec"], "NODE"
        if kind not in _OWNERS or _is_pinned(spec):
            # A pod without an owner is never made anew elsewhere; a DaemonSet's stays.
            return []
        return [_finding(_OWNERS[kind], name, metadata.get("namespace", "default"), node)]
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ConfigurationError(
            "--workload needs the output of `kubectl get statefulset NAME -o json`, or that of a "
            "deployment or a pod."
        ) from None


def _owner(metadata: Json, spec: Json) -> tuple[str, str, Json, str]:
    """Return the kind and the name of a pod's owner, the pod's own demands, and its node."""
    owner = (metadata.get("ownerReferences") or [{"kind": "Pod", "name": ""}])[0]
    kind, name = owner["kind"], owner["name"]
    if kind == "ReplicaSet":
        name = name.removesuffix(f"-{metadata.get('labels', {}).get('pod-template-hash')}")
    # Its nodeName is what the scheduler chose this time, and no demand.
    return kind, name, {**spec, "nodeName": None}, spec.get("nodeName", "NODE")


def _finding(kind: str, name: str, namespace: str, node: str) -> Finding:
    for text in (name, namespace):
        if not _NAME.fullmatch(text):
            raise ValueError(text)
    if not _NAME.fullmatch(node):
        node = "NODE"
    unpinned = KNOWN["controller-not-pinned"]
    return unpinned.finding(workload=f"{kind}/{name}", namespace=namespace, node=node)


def _is_pinned(spec: Json) -> bool:
    """Return whether such a pod can run on one node only."""
    if spec.get("nodeName") or _HOST in (spec.get("nodeSelector") or {}):
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [_nodes(term) for term in required.get("nodeSelectorTerms", [])]
    # A node needs to match one term only, and within a term everything.
    return bool(terms) and all(terms) and len(set().union(*terms)) == 1


def _nodes(term: Json) -> set[str]:
    """Return the nodes that a term names; empty: it may be any."""
    names = [
        rule["values"]
        for rule in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        if rule["key"] in {_HOST, "metadata.name"} and rule["operator"] == "In"
    ]
    return set(names[0]) if names else set()

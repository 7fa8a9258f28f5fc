"""Whether Kubernetes may move a controller to another node, by what `kubectl … -o json` prints."""

import json
import re
from collections.abc import Mapping
from typing import Any

from pyservice.errors import ConfigurationError
from pyservice.setup.doctor.findings import KNOWN, Finding

_HOST = "kubernetes.io/hostname"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
"""Kubernetes' own rule, a little wider (RFC 1123)."""
_OWNERS = {"StatefulSet": "statefulset", "ReplicaSet": "deployment", "Deployment": "deployment"}

Json = Mapping[str, Any]


def examine(text: str) -> list[Finding]:
    """Whether it may move: one finding, or none.

    Args:
        text: a StatefulSet, a Deployment or a pod of one, as JSON.

    Raises:
        ConfigurationError: it is something else.
    """
    try:
        found = json.loads(text)
        kind, labels = found["kind"], found["metadata"].get("labels", {})
        owner, node = found["metadata"], "NODE"
        spec = found["spec"] if kind == "Pod" else found["spec"]["template"]["spec"]
        if kind == "Pod":
            # Its nodeName is what the scheduler chose this time.
            node, spec = spec.get("nodeName", node), {**spec, "nodeName": None}
            owner = (found["metadata"].get("ownerReferences") or [{"kind": "Pod"}])[0]
            kind = owner["kind"]
        if kind not in _OWNERS or _is_pinned(spec):
            # A pod that nobody owns is never made anew elsewhere; a DaemonSet's stays.
            return []
        name = owner["name"]
        if kind == "ReplicaSet":
            name = name.removesuffix(f"-{labels.get('pod-template-hash')}")
        return [_finding(_OWNERS[kind], name, found["metadata"].get("namespace", "default"), node)]
    except (ValueError, LookupError, TypeError, AttributeError):
        raise ConfigurationError(
            "--workload wants what `kubectl get statefulset NAME -o json` prints, or of a "
            "deployment or a pod of them."
        ) from None


def _finding(kind: str, name: str, namespace: str, node: str) -> Finding:
    for text in (name, namespace):
        if not _NAME.fullmatch(text):
            raise ValueError(text)
    if not _NAME.fullmatch(node):
        node = "NODE"
    unpinned = KNOWN["controller-not-pinned"]
    return unpinned.found(workload=f"{kind}/{name}", namespace=namespace, node=node)


def _is_pinned(spec: Json) -> bool:
    """Whether a pod of this kind can run on one node only."""
    if spec.get("nodeName") or _HOST in (spec.get("nodeSelector") or {}):
        return True
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = [_nodes(term) for term in required.get("nodeSelectorTerms", [])]
    # One term is enough for a node; within one, all hold.
    return bool(terms) and all(terms) and len(set().union(*terms)) == 1


def _nodes(term: Json) -> set[str]:
    """The nodes that a term names; empty: it may be any."""
    named = [
        one
        for one in (*(term.get("matchExpressions") or ()), *(term.get("matchFields") or ()))
        if one["key"] in {_HOST, "metadata.name"} and one["operator"] == "In"
    ]
    return set(named[0]["values"]) if named else set()

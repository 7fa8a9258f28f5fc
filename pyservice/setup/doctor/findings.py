"""What can be wrong on the path from a container to the relay host, and what cures it.

The catalogue has each finding once, for the doctor, the scripts for bare pods and docs/doctor.md.
"""

from pyservice.setup.doctor.finding import Finding, Known
from pyservice.setup.doctor.report_findings import REPORT_FINDINGS

__all__ = ["CATALOGUE", "KNOWN", "Finding", "Known"]

CATALOGUE = (
    Known(
        "no-bridge",
        "error",
        "This machine has no container bridge (docker0, cni0, podman0, br-… and the like). Where "
        "containers need none, as with Calico, give the node's own address: --address.",
        "systemctl start {engine}",
    ),
    Known(
        "bridge-without-address",
        "error",
        "{interface} has no address: it gets one from its container engine.",
        "systemctl restart {engine}",
    ),
    Known(
        "no-address",
        "error",
        "This container can't know the node's address: it has neither NODE_IP nor a default "
        "gateway that is the node.",
        "notify-email doctor --print-script --address "
        "\"$(kubectl get pod POD -o jsonpath='{{.status.hostIP}}')\" | kubectl exec -i POD -- bash",
        "anywhere",
    ),
    Known(
        "postfix-missing",
        "error",
        "There is no Postfix: nothing listens on port {port}, at {address} or at localhost.",
        "apt-get install postfix || dnf install postfix",
    ),
    Known(
        "postfix-down",
        "error",
        "Postfix is not running: nothing listens on port {port}, at {address} or at localhost.",
        "systemctl start postfix",
    ),
    Known(
        "refused",
        "error",
        "Nothing listens at {address}:{port}: Postfix does not serve that address "
        "(inet_interfaces), or is not running, or a firewall rejects the connection.",
        "notify-email relay apply --address {address}",
    ),
    Known(
        "stale-address",
        "error",
        "inet_interfaces names {addresses}, which no interface of this machine has, as after a "
        "bridge got another address: Postfix does not start, and the node's own mail stops, too.",
        "notify-email relay apply",
    ),
    Known(
        "bridge-not-served",
        "note",
        "{interface} ({address}) is up, and Postfix takes no mail from its containers.",
        "notify-email relay apply --bridge {interface}",
    ),
    Known(
        "filtered",
        "error",
        "Packets to {address}:{port} do not get through ({text}): a firewall drops them, or a "
        "route leads elsewhere.",
        "{iptables} -I INPUT -s {network} -p tcp --dport {port} -j ACCEPT",
    ),
    Known(
        "not-postfix",
        "error",
        "The server at {address}:{port} is not Postfix: {text}",
        "ss -ltnp sport = :{port}",
    ),
    Known(
        "greeting-slow",
        "error",
        "Postfix' greeting took {seconds} s: it looks up the client's name first, or has no "
        "process free.",
        "postconf -e smtpd_peername_lookup=no && postfix reload",
    ),
    Known(
        "sender-refused",
        "error",
        "Postfix refuses the sender {sender}: {text}",
        "notify-email doctor --from SENDER",
        "anywhere",
    ),
    Known(
        "relay-denied",
        "error",
        "Postfix relays nothing for {seen}, which is not in mynetworks: {text}",
        "notify-email relay apply --network {network}",
    ),
    Known(
        "client-refused",
        "error",
        "Postfix relays nothing for {seen}: it is not in mynetworks, or a restriction list refuses "
        "all containers: {text}",
        "notify-email relay apply --network {network}",
    ),
    Known(
        "restriction",
        "error",
        "{sentence}",
        "postconf -e LIST='permit_mynetworks, VALUE' && postfix reload",
    ),
    Known(
        "invalid-interface",
        "error",
        "{sentence}",
        "postconf -e inet_interfaces=ADDRESSES && notify-email relay apply",
    ),
    Known(
        "invalid-network",
        "error",
        "{sentence}",
        "postconf -e mynetworks=NETWORKS && postfix reload",
    ),
    Known(
        "open-network",
        "error",
        "{sentence}",
        "postconf -e mynetworks=NETWORKS && postfix reload",
    ),
    Known(
        "disk-full",
        "error",
        "Postfix has too little space for its queue: {text}",
        'df -h "$(postconf -h queue_directory)"',
    ),
    Known(
        "rejected",
        "error",
        "Postfix refuses the mail at {command}: {text}",
        "postconf -n | grep -e restrictions -e milters",
    ),
    Known(
        "deferred",
        "error",
        "The relay {relay} does not take {queue_id} yet: {text}",
        "postqueue -f",
    ),
    Known(
        "bounced",
        "error",
        "The relay {relay} refused {queue_id} for good: {text}",
        "notify-email doctor --from SENDER --send-to ADDRESS",
        "anywhere",
    ),
    Known(
        "unanswered",
        "note",
        "Postfix has {queue_id}; after {seconds} s its log has no answer of the relay.",
        "postqueue -p",
    ),
    Known(
        "log-missing",
        "note",
        "Postfix has {queue_id}; whether the relay takes it is not known here, since Postfix' log "
        "is not at hand. {text}",
        "journalctl -u 'postfix*' | grep {queue_id}",
    ),
    Known(
        "open-relay",
        "error",
        "Strangers reach port {port} ({how}), and {gateway} is in mynetworks: they may relay if "
        "their source is rewritten to it, as docker-proxy does.",
        "postconf -e mynetworks={networks} && postfix reload",
    ),
    Known(
        "gateway-trusted",
        "note",
        "{gateway} itself is in mynetworks: if port {port} is ever published, or sources are "
        "rewritten, strangers seem to come from there, and may relay.",
        "postconf -e mynetworks={networks} && postfix reload",
    ),
    Known(
        "bare-newline",
        "note",
        "Postfix takes a bare newline for the end of a line, so a second mail can be smuggled in "
        "(CVE-2023-51764).",
        "notify-email relay apply --harden",
    ),
    Known(
        "controller-not-pinned",
        "note",
        "{workload} may move to another node, whose bridge may have another address.",
        "kubectl patch {workload} --namespace {namespace} --type merge -p "
        """'{{"spec":{{"template":{{"spec":{{"nodeSelector":"""
        """{{"kubernetes.io/hostname":"{node}"}}}}}}}}}}'""",
        "anywhere",
    ),
    *REPORT_FINDINGS,
)

KNOWN = {known.id: known for known in CATALOGUE}

"""Plans how any Postfix becomes a send-only relay that containers may use. Pure."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.postfix.mynetworks import Address, Network, NetworkEntry, address_or_none
from pyservice.setup.relay import boot, hardening
from pyservice.setup.relay.changes import ManagedFile, RelayPlan, RelayPlanBuilder, RelayState

TLS_LEVELS = ("may", "encrypt", "verify", "secure")
"""The values of `smtp_tls_security_level` that make sense to a relay host."""


@dataclass(frozen=True)
class DesiredRelay:
    """What the relay should be; None and empty mean: leave it as it is."""

    address: Address
    """Where containers reach it."""
    networks: tuple[Network, ...]
    """The networks that it relays for."""
    bridge: str | None = None
    """The interface with that address."""
    unit: str | None = None
    """The systemd unit that starts the default instance."""
    relayhost: str | None = None
    myhostname: str | None = None
    myorigin: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    """`user:password` for the relay host."""
    tls: str | None = None
    tls_ca_file: Path | None = None
    narrow: bool = False
    """Listen on loopback and at this address only."""
    harden: bool = False
    senders: tuple[str, ...] = ()
    """The only senders that containers may use."""
    boot_safe: bool = False
    restart: bool = True
    allow_broad: tuple[Network, ...] = ()


def managed_files(desired: DesiredRelay, folder: Path) -> tuple[Path, ...]:
    """Return all the files beside main.cf and master.cf that a plan may touch."""
    return (*boot.managed_files(desired.unit, str(desired.address)), sasl_file(folder))


def sasl_file(folder: Path) -> Path:
    """Return the file that holds the password for the relay host."""
    return folder / "notify-email.sasl_passwd"


def plan_relay(state: RelayState, desired: DesiredRelay) -> RelayPlan:
    """Return what to change so that a Postfix becomes the desired relay.

    Raises:
        SetupError: that is impossible or unsafe; the message says why, and what to do.
    """
    _check_postfix(state)
    _check_networks(state, desired)
    _check_protocols(state, desired)
    builder = RelayPlanBuilder(state)
    needs_address = _listen(builder, desired)
    _check_master_networks(builder, desired)
    _admit_networks(builder, desired)
    if needs_address:
        boot.wait_for_docker(builder, desired.unit, desired.bridge)
    _set_names(builder, desired)
    _secure_relay_host(builder, desired)
    _harden(builder, desired)
    return builder.build(serves=desired.restart)


def _check_postfix(state: RelayState) -> None:
    configuration = state.configuration
    if not configuration.is_at_least(2, 10):
        raise SetupError(f"Postfix {configuration.version} is too old: 2.10 is the oldest.")
    if configuration.linked:
        raise SetupError(
            f"{configuration.linked[0]} in {configuration.folder} is a symbolic link, which "
            "postconf would replace: name the directory that it leads to, or make it a file."
        )


def _check_networks(state: RelayState, desired: DesiredRelay) -> None:
    for network in desired.networks:
        objection = mynetworks.find_objection(network, state.addresses)
        if objection and network not in desired.allow_broad:
            raise SetupError(
                f"{network} {objection}. Give a narrower --network, or insist: "
                f"--allow-broad {network}"
            )


def _check_protocols(state: RelayState, desired: DesiredRelay) -> None:
    protocols = state.configuration.effective["inet_protocols"]
    version = {"ipv4": 4, "ipv6": 6}.get(protocols)
    if version is None:
        return
    for place in (desired.address, *desired.networks):
        if place.version != version:
            raise SetupError(
                f"inet_protocols = {protocols}, so Postfix can't serve {place}: "
                "set it to `all`, or give an address of that kind."
            )


def _listen(builder: RelayPlanBuilder, desired: DesiredRelay) -> bool:
    """Have Postfix listen at the address; return whether it then starts only if that is there."""
    effective, address = builder.effective("inet_interfaces"), str(desired.address)
    if effective == "all" and not desired.narrow:
        builder.add_note(
            "inet_interfaces = all: Postfix listens at every address of this machine, so that a "
            "firewall and mynetworks are all that protects it. --narrow leaves loopback and "
            f"{address}."
        )
        return False
    if desired.boot_safe:
        narrowed = (
            "loopback-only" if effective == "all" else boot.remove_address(effective, address)
        )
        if narrowed != effective:
            why = "The address has a listener of its own, which starts without it."
            builder.set_parameter("inet_interfaces", narrowed, why)
        boot.listen_before_address_exists(builder, address)
        return False
    own_service, services = f"{boot.listener_name(address)}/inet", builder.configuration.services
    if own_service in services:
        return False
    if not {"smtp/inet", "25/inet"} & services.keys():
        raise SetupError(
            "master.cf has no service smtp/inet, so nothing listens at port 25: add it "
            f"(postconf -c {builder.configuration.folder} -M "
            "'smtp/inet=smtp inet n - y - - smtpd'), or give --boot-safe."
        )
    if desired.restart and desired.address not in builder.state.addresses:
        raise SetupError(
            f"No interface of this machine has {address}, and Postfix would not start with it: "
            "start Docker first, or give --boot-safe."
        )
    why = "Containers reach this node by that address; loopback stays for the node's own mail."
    builder.set_parameter("inet_interfaces", _with_address(builder, address), why)
    return True


def _with_address(builder: RelayPlanBuilder, address: str) -> str:
    effective = builder.effective("inet_interfaces")
    named = mynetworks.split_list(effective)
    others = [name for name in named if address_or_none(name) != address_or_none(address)]
    if effective in {"all", "loopback-only"} or not others:
        # `loopback-only` beside an address is fatal. With its address alone, Postfix would also
        # send from it, which no relay host can answer. And where IPv6 is switched off, `localhost`
        # is fatal, too, as /etc/hosts goes on to name ::1.
        is_ipv4 = builder.effective("inet_protocols") == "ipv4"
        has_ipv6 = ip_address("::1") in builder.state.addresses
        return f"{'localhost' if is_ipv4 or has_ipv6 else '127.0.0.1'}, {address}"
    if len(others) < len(named):
        return effective
    return mynetworks.append_to_list(builder.written("inet_interfaces"), [address])


def _check_master_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    for name in ("smtp/inet", "25/inet", f"{boot.listener_name(str(desired.address))}/inet"):
        if "-o mynetworks=" in builder.configuration.services.get(name, ""):
            raise SetupError(
                f"master.cf sets mynetworks for {name} itself (-o mynetworks=…), so main.cf's does "
                f"not count there: take it out (postconf -PX {name}/mynetworks)."
            )


def _admit_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    listed = builder.state.mynetworks
    for network in desired.networks:
        _check_exclusions(builder, network)
    _warn_of_listed_networks(builder, desired)
    missing = [net for net in desired.networks if not mynetworks.covers(listed, net)]
    if not missing:
        return
    value = mynetworks.append_to_list(
        builder.written("mynetworks"), map(mynetworks.format_network, missing)
    )
    why = "Mail from the containers' addresses is relayed."
    if "mynetworks" not in builder.configuration.written:
        style = builder.effective("mynetworks_style")
        why += f" What mynetworks_style = {style} gave so far is written out."
    builder.set_parameter("mynetworks", value, why)


def _check_exclusions(builder: RelayPlanBuilder, network: Network) -> None:
    exclusions = mynetworks.find_exclusions(builder.state.mynetworks, network)
    for entry in exclusions:
        if entry.network is not None and _contains(entry.network, network):
            raise SetupError(
                f"mynetworks excludes {network} ({entry.text}): take that entry out first."
            )
    for entry in exclusions:
        builder.add_note(f"mynetworks excludes {entry.text[1:]}, and still will.")


def _warn_of_listed_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    for entry in builder.state.mynetworks:
        if entry.is_excluded:
            continue
        if entry.network is None:
            builder.add_note(f"mynetworks also takes what {entry.text} holds, which is not read.")
        elif entry.network not in (*desired.allow_broad, *desired.networks):
            objection = mynetworks.find_objection(entry.network, builder.state.addresses)
            if objection:
                builder.add_note(f"mynetworks holds {entry.text} already, which {objection}.")
    if any(desired.address in network for network in desired.networks):
        builder.add_note(
            f"{desired.address} is in mynetworks itself: never publish port 25 in a way that makes "
            "strangers come from it (docker run -p 25:25), or Postfix relays for them."
        )


def _set_names(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    for name, value, why in (
        ("relayhost", desired.relayhost, "All mail leaves through it."),
        ("myhostname", desired.myhostname, "Postfix greets, and says EHLO, by that name."),
        ("myorigin", desired.myorigin, "It completes senders without a domain."),
    ):
        if value is None:
            continue
        if not value or set(value) & set(" \t\r\n"):
            raise SetupError(f"--{name} {value!r}: give one word.")
        builder.set_parameter(name, value, why)


def _secure_relay_host(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    if desired.tls is not None and desired.tls not in TLS_LEVELS:
        raise SetupError(f"--tls {desired.tls}: give one of {', '.join(TLS_LEVELS)}.")
    _set_certificates(builder, desired)
    before = builder.effective("smtp_tls_security_level")
    level = before
    if desired.tls is not None:
        level = desired.tls
    elif desired.sasl_password is not None and before in {"", "none", "may"}:
        level = "encrypt"
    if level != before:
        why = "It protects what is handed to the relay host."
        if desired.sasl_password is not None:
            why = "The password must not go out in the clear."
        builder.set_parameter("smtp_tls_security_level", level, why)
    if desired.sasl_password is not None:
        _authenticate(builder, desired.relayhost, desired.sasl_password)


def _set_certificates(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    if desired.tls_ca_file is not None:
        why = "The relay host's certificate is checked by it."
        builder.set_parameter("smtp_tls_CAfile", str(desired.tls_ca_file), why)
        return
    has_certificates = builder.effective("smtp_tls_CAfile") or builder.effective("smtp_tls_CApath")
    if desired.tls in {"verify", "secure"} and not has_certificates:
        raise SetupError(f"--tls {desired.tls} needs certificates to check by: give --tls-ca-file.")


def _authenticate(builder: RelayPlanBuilder, relayhost: str | None, password: str) -> None:
    host = relayhost or builder.effective("relayhost")
    if len(mynetworks.split_list(host)) != 1:
        raise SetupError("The password needs a relay host to log in to: give --relayhost.")
    path = sasl_file(builder.configuration.folder)
    table = f"{builder.effective('default_database_type')}:{path}"
    secret = ManagedFile(
        path,
        f"{host} {password}\n",
        f"{host} wants it.",
        mode=0o600,
        shown_as="a password, which is not shown",
    )
    builder.set_file(secret, table=table)
    builder.set_parameter("smtp_sasl_auth_enable", "yes", f"Postfix logs in to {host}.")
    builder.set_parameter("smtp_sasl_password_maps", table, "The password is there.")
    builder.set_parameter(
        "smtp_sasl_security_options", "noanonymous", "No login without a password."
    )


def _harden(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    if desired.harden:
        hardening.harden(builder)
        if not desired.senders:
            builder.add_note("Containers may use any sender: --allow-sender names those they may.")
    elif not hardening.has_relay_restriction(builder):
        builder.add_note(
            "Nothing greets like this: neither smtpd_relay_restrictions nor "
            "smtpd_recipient_restrictions refuses strangers, without which Postfix' smtpd does not "
            "start. --harden sets the former."
        )
    if desired.senders:
        hardening.allow_senders(builder, desired.senders)


def _contains(outer: Network, inner: Network) -> bool:
    return mynetworks.covers((NetworkEntry("", outer),), inner)

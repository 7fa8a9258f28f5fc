"""Plans how any Postfix becomes a send-only relay that containers may use. Pure."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import access, mynetworks, restrictions
from pyservice.postfix.mynetworks import Address, Network, NetworkEntry
from pyservice.setup.relay import boot, faults, hardening, listening, other_bridges, stale
from pyservice.setup.relay.changes import (
    Action,
    ManagedFile,
    RelayPlan,
    RelayPlanBuilder,
    RelayState,
)
from pyservice.setup.relay.relay_host import check_domain, check_relay_host

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
    return (*boot.managed_files(desired.unit, desired.address), sasl_file(folder))


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
    gone = stale.remove_stale(builder, desired.address, desired.networks)
    stale.note_unknown_addresses(builder, desired.address)
    needs_address = listening.listen(
        builder,
        desired.address,
        narrow=desired.narrow,
        boot_safe=desired.boot_safe,
        restart=desired.restart,
    )
    _check_master_networks(builder, desired)
    _admit_networks(builder, desired)
    if needs_address:
        boot.wait_for_bridge(builder, desired.unit, desired.bridge)
    _set_names(builder, desired)
    _secure_relay_host(builder, desired)
    _harden(builder, desired)
    faults.find_faults(builder, str(desired.address), desired.allow_broad)
    unserved = other_bridges.find_unserved(builder, desired.bridge, desired.networks)
    action = builder.action_to_serve() if desired.restart else Action.NOTHING
    return replace(builder.build(action), stale=gone, unserved=unserved)


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
                f"{network} {objection}. Give another --network, or insist: --allow-broad {network}"
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


def _check_master_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    configuration = builder.configuration
    name = configuration.smtpd_at(str(desired.address))
    if name and "mynetworks" in restrictions.overrides(configuration.services[name]):
        raise SetupError(
            f"master.cf sets mynetworks for {name} itself (-o mynetworks=…), so main.cf's does not "
            f"count there: take it out (postconf -PX {name}/mynetworks)."
        )


def _admit_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    listed = builder.mynetworks
    for network in desired.networks:
        _check_exclusions(builder, network)
    _warn_of_listed_networks(builder, desired)
    missing = [net for net in desired.networks if not mynetworks.covers(listed, net)]
    if not missing:
        return
    added = [mynetworks.format_network(network) for network in missing]
    value = mynetworks.append_to_list(builder.written("mynetworks"), added)
    why = "Mail from the containers' addresses is relayed."
    if "mynetworks" not in builder.configuration.written:
        style = builder.effective("mynetworks_style")
        why += f" What mynetworks_style = {style} gave so far is written out."
    builder.set_parameter("mynetworks", value, why, added=added)


def _check_exclusions(builder: RelayPlanBuilder, network: Network) -> None:
    exclusions = mynetworks.find_exclusions(builder.mynetworks, network)
    for entry in exclusions:
        if entry.network is not None and _contains(entry.network, network):
            raise SetupError(
                f"mynetworks excludes {network} ({entry.text}): take that entry out first."
            )
    for entry in exclusions:
        builder.add_note(f"mynetworks excludes {entry.text[1:]}, and still will.")


def _warn_of_listed_networks(builder: RelayPlanBuilder, desired: DesiredRelay) -> None:
    for entry in builder.mynetworks:
        if entry.is_excluded:
            continue
        if entry.is_opaque:
            builder.add_note(f"mynetworks also takes what {entry.text} holds, which is not read.")
        elif entry.is_ignored:
            builder.add_note(f"mynetworks holds {entry.text}, which no client's address is.")
        elif entry.network and entry.network not in (*desired.allow_broad, *desired.networks):
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
        if name == "relayhost":
            check_relay_host(value)
        else:
            check_domain(f"--{name}", value)
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
    elif not _refuses_strangers(builder, desired):
        builder.add_note(
            "Nothing greets like this: neither smtpd_relay_restrictions nor "
            "smtpd_recipient_restrictions refuses strangers, without which Postfix' smtpd does not "
            "start. --harden sets the former."
        )
    if desired.senders:
        hardening.allow_senders(builder, desired.senders)


def _refuses_strangers(builder: RelayPlanBuilder, desired: DesiredRelay) -> bool:
    settings = access.settings_at(builder.configuration, str(desired.address))
    return restrictions.refuses_strangers(settings)


def _contains(outer: Network, inner: Network) -> bool:
    return mynetworks.covers((NetworkEntry("", outer),), inner)

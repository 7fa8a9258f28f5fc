"""From any Postfix to a send-only relay that containers may use: what differs, as a draft. Pure."""

from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.postfix.mynetworks import Address, Network, address_or_none
from pyservice.setup.relay import boot, hardening
from pyservice.setup.relay.changes import Draft, Drafting, File, State

TLS_LEVELS = ("may", "encrypt", "verify", "secure")
"""Of `smtp_tls_security_level`, the ones that make sense to a relay host."""


@dataclass(frozen=True)
class Wanted:
    """What the relay is to be; None and empty: leave it as it is."""

    address: Address
    """Where containers meet it."""
    networks: tuple[Network, ...]
    """Whose mail it takes."""
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
    """Listen at no other address than loopback's and this one."""
    harden: bool = False
    senders: tuple[str, ...] = ()
    """The only ones that containers may use."""
    boot_safe: bool = False
    restart: bool = True
    allow_broad: tuple[Network, ...] = ()


def files(wanted: Wanted, folder: Path) -> tuple[Path, ...]:
    """All the files beside main.cf and master.cf that a draft may touch."""
    return (*boot.files(wanted.unit, str(wanted.address)), sasl_file(folder))


def sasl_file(folder: Path) -> Path:
    """Where the password for the relay host is kept."""
    return folder / "notify-email.sasl_passwd"


def draft(state: State, wanted: Wanted) -> Draft:
    """What is to be done.

    Raises:
        SetupError: it can't or must not be done; says why and what to do.
    """
    _refuse(state, wanted)
    drafting = Drafting(state)
    needs_address = _listen(drafting, wanted)
    _admit(drafting, wanted)
    if needs_address:
        boot.wait_for_docker(drafting, wanted.unit, wanted.bridge)
    _hand_on(drafting, wanted)
    if wanted.harden:
        hardening.add(drafting)
        if not wanted.senders:
            drafting.note("Containers may use any sender: --allow-sender names those they may.")
    elif not hardening.lets_smtpd_run(drafting):
        drafting.note(
            "Nothing greets like this: neither smtpd_relay_restrictions nor "
            "smtpd_recipient_restrictions refuses strangers, without which Postfix' smtpd does not "
            "start. --harden sets the former."
        )
    if wanted.senders:
        hardening.allow_senders(drafting, wanted.senders)
    return drafting.finish(serves=wanted.restart)


def _refuse(state: State, wanted: Wanted) -> None:
    configuration = state.configuration
    if not configuration.is_at_least(2, 10):
        raise SetupError(f"Postfix {configuration.version} is too old: 2.10 is the oldest.")
    if configuration.linked:
        raise SetupError(
            f"{configuration.linked[0]} in {configuration.folder} is a symbolic link, which "
            "postconf would replace: name the directory that it leads to, or make it a file."
        )
    for network in wanted.networks:
        why = mynetworks.too_broad(network, state.addresses)
        if why and network not in wanted.allow_broad:
            raise SetupError(
                f"{network} {why}. Give a narrower --network, or insist: --allow-broad {network}"
            )
    protocols = configuration.effective["inet_protocols"]
    for kind, version in (("ipv4", 4), ("ipv6", 6)):
        wrong = [it for it in (wanted.address, *wanted.networks) if it.version != version]
        if protocols == kind and wrong:
            raise SetupError(
                f"inet_protocols = {kind}, so Postfix can't serve {wrong[0]}: "
                "set it to `all`, or give an address of that kind."
            )


def _listen(drafting: Drafting, wanted: Wanted) -> bool:
    """Whether Postfix then starts only where the address is there."""
    effective, address = drafting.effective("inet_interfaces"), str(wanted.address)
    own_service = f"{boot.listener(address)}/inet"
    services = drafting.configuration.services
    if effective == "all" and not wanted.narrow:
        drafting.note(
            "inet_interfaces = all: Postfix listens at every address of this machine, so that a "
            "firewall and mynetworks are all that protects it. --narrow leaves loopback and "
            f"{address}."
        )
        return False
    if not {"smtp/inet", "25/inet", own_service} & services.keys() and not wanted.boot_safe:
        raise SetupError(
            "master.cf has no service smtp/inet, so nothing listens at port 25: add it "
            f"(postconf -c {drafting.configuration.folder} -M "
            "'smtp/inet=smtp inet n - y - - smtpd'), or give --boot-safe."
        )
    if wanted.boot_safe:
        narrowed = "loopback-only" if effective == "all" else boot.without(effective, address)
        if narrowed != effective:
            why = "The address has a listener of its own, which starts without it."
            drafting.set("inet_interfaces", narrowed, why)
        boot.listen_regardless(drafting, address)
        return False
    if own_service in services:
        return False
    if wanted.restart and wanted.address not in drafting.state.addresses:
        raise SetupError(
            f"No interface of this machine has {address}, and Postfix would not start with it: "
            "start Docker first, or give --boot-safe."
        )
    why = "Containers reach this node by that address; loopback stays for the node's own mail."
    drafting.set("inet_interfaces", _with_address(drafting, address), why)
    return True


def _with_address(drafting: Drafting, address: str) -> str:
    effective = drafting.effective("inet_interfaces")
    named = mynetworks.tokens(effective)
    others = [token for token in named if address_or_none(token) != address_or_none(address)]
    if effective in {"all", "loopback-only"} or not others:
        # `loopback-only` beside an address is fatal. With its address alone, Postfix would also
        # send from it, which no relay host can answer. And where IPv6 is switched off, `localhost`
        # is fatal, too, as /etc/hosts goes on to name ::1.
        is_ipv4 = drafting.effective("inet_protocols") == "ipv4"
        has_ipv6 = ip_address("::1") in drafting.state.addresses
        return f"{'localhost' if is_ipv4 or has_ipv6 else '127.0.0.1'}, {address}"
    if len(others) < len(named):
        return effective
    return mynetworks.appended(_written(drafting, "inet_interfaces"), [address])


def _admit(drafting: Drafting, wanted: Wanted) -> None:
    for name in ("smtp/inet", "25/inet", f"{boot.listener(str(wanted.address))}/inet"):
        if "-o mynetworks=" in drafting.configuration.services.get(name, ""):
            raise SetupError(
                f"master.cf sets mynetworks for {name} itself (-o mynetworks=…), so main.cf's does "
                f"not count there: take it out (postconf -PX {name}/mynetworks)."
            )
    listed = drafting.state.mynetworks
    missing = []
    for network in wanted.networks:
        gaps = mynetworks.excluded(listed, network)
        for gap in gaps:
            if gap.network is not None and _holds(gap.network, network):
                raise SetupError(
                    f"mynetworks excludes {network} ({gap.text}): take that entry out first."
                )
        for gap in gaps:
            drafting.note(f"mynetworks excludes {gap.text[1:]}, and still will.")
        if not mynetworks.covers(listed, network):
            missing.append(network)
    _warn(drafting, wanted)
    if not missing:
        return
    value = mynetworks.appended(_written(drafting, "mynetworks"), map(mynetworks.written, missing))
    why = "Mail from the containers' addresses is relayed."
    if "mynetworks" not in drafting.configuration.written:
        style = drafting.effective("mynetworks_style")
        why += f" What mynetworks_style = {style} gave so far is written out."
    drafting.set("mynetworks", value, why)


def _warn(drafting: Drafting, wanted: Wanted) -> None:
    own = drafting.state.addresses
    for entry in drafting.state.mynetworks:
        if entry.network is None and not entry.is_excluded:
            drafting.note(
                f"mynetworks also takes what {entry.text} holds, which is not looked into."
            )
        elif entry.network is not None and not entry.is_excluded:
            why = mynetworks.too_broad(entry.network, own)
            if why and entry.network not in (*wanted.allow_broad, *wanted.networks):
                drafting.note(f"mynetworks holds {entry.text} already, which {why}.")
    if any(_holds_address(network, wanted.address) for network in wanted.networks):
        drafting.note(
            f"{wanted.address} is in mynetworks itself: never publish port 25 in a way that makes "
            "strangers come from it (docker run -p 25:25), or Postfix relays for them."
        )


def _hand_on(drafting: Drafting, wanted: Wanted) -> None:
    for name, value, why in (
        ("relayhost", wanted.relayhost, "All mail leaves by way of it."),
        ("myhostname", wanted.myhostname, "It greets, and says EHLO, by that name."),
        ("myorigin", wanted.myorigin, "It completes senders without a domain."),
    ):
        if value is not None:
            if not value or set(value) & set(" \t\r\n"):
                raise SetupError(f"--{name} {value!r}: give one word.")
            drafting.set(name, value, why)
    level = drafting.effective("smtp_tls_security_level")
    if wanted.tls is not None:
        if wanted.tls not in TLS_LEVELS:
            raise SetupError(f"--tls {wanted.tls}: give one of {', '.join(TLS_LEVELS)}.")
        level = wanted.tls
    elif wanted.sasl_password is not None and level in {"", "none", "may"}:
        level = "encrypt"
    if wanted.tls_ca_file is not None:
        why = "Certificates of the relay host are checked against it."
        drafting.set("smtp_tls_CAfile", str(wanted.tls_ca_file), why)
    elif wanted.tls in {"verify", "secure"} and not (
        drafting.effective("smtp_tls_CAfile") or drafting.effective("smtp_tls_CApath")
    ):
        raise SetupError(f"--tls {wanted.tls} needs certificates to check by: give --tls-ca-file.")
    if level != drafting.effective("smtp_tls_security_level"):
        why = "It protects what is handed to the relay host."
        if wanted.sasl_password is not None:
            why = "The password must not go out in the clear."
        drafting.set("smtp_tls_security_level", level, why)
    if wanted.sasl_password is not None:
        _authenticate(drafting, wanted.relayhost, wanted.sasl_password)


def _authenticate(drafting: Drafting, relayhost: str | None, password: str) -> None:
    host = relayhost or drafting.effective("relayhost")
    if len(mynetworks.tokens(host)) != 1:
        raise SetupError("A password for which relay host? Give --relayhost.")
    path = sasl_file(drafting.configuration.folder)
    table = f"{drafting.effective('default_database_type')}:{path}"
    why = f"{host} wants it."
    drafting.file(
        File(path, f"{host} {password}\n", why, mode=0o600, told="a password, which is not shown"),
        table=table,
    )
    drafting.set("smtp_sasl_auth_enable", "yes", f"Postfix logs in to {host}.")
    drafting.set("smtp_sasl_password_maps", table, "The password is there.")
    drafting.set("smtp_sasl_security_options", "noanonymous", "No login without a password.")


def _written(drafting: Drafting, name: str) -> str:
    """What main.cf says, with its `$names`; else the default, which depends on the moment."""
    return drafting.configuration.written.get(name, drafting.effective(name))


def _holds(outer: Network, inner: Network) -> bool:
    return mynetworks.covers((mynetworks.Entry("", outer),), inner)


def _holds_address(network: Network, address: Address) -> bool:
    return mynetworks.is_listed((mynetworks.Entry("", network),), address)

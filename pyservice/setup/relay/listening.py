"""Has Postfix listen where containers reach it, at an address that is there or comes later."""

from ipaddress import ip_address

from pyservice.errors import SetupError
from pyservice.postfix import mynetworks
from pyservice.postfix.mynetworks import Address, address_or_none
from pyservice.setup.relay import boot
from pyservice.setup.relay.changes import RelayPlanBuilder


def listen(
    builder: RelayPlanBuilder, address: Address, *, narrow: bool, boot_safe: bool, restart: bool
) -> bool:
    """Have Postfix listen at an address; return whether it then starts only if that is there.

    Args:
        builder: of the plan.
        address: where containers reach it.
        narrow: replace `inet_interfaces = all`.
        boot_safe: let Postfix start without the address. Once that was chosen it stays so.
        restart: whether Postfix is to use it at once.

    Raises:
        SetupError: nothing would listen, or Postfix would not start.
    """
    effective = builder.effective("inet_interfaces")
    if effective == "all" and not narrow:
        builder.add_note(
            "inet_interfaces = all: Postfix listens at every address of this machine, so that a "
            "firewall and mynetworks are all that protects it. --narrow leaves loopback and "
            f"{address}."
        )
        return False
    services = builder.configuration.services
    if boot_safe:
        _listen_before_addresses_exist(builder, address)
        return False
    if boot.listener_name(address) in services:
        return False
    if any(name in services for name in builder.state.added_services):
        _listen_before_addresses_exist(builder, address)
        return False
    if not {"smtp/inet", "25/inet"} & services.keys():
        raise SetupError(
            "master.cf has no service smtp/inet, so nothing listens at port 25: add it "
            f"(postconf -c {builder.configuration.folder} -M "
            "'smtp/inet=smtp inet n - y - - smtpd'), or give --boot-safe."
        )
    if restart and address not in builder.state.addresses:
        raise SetupError(
            f"No interface of this machine has {address}, and Postfix would not start with it: "
            "start the container engine first, or give --boot-safe."
        )
    why = "Containers reach this node by that address; loopback stays for the node's own mail."
    value = _with_address(builder, address)
    builder.set_parameter("inet_interfaces", value, why, added=[str(address)])
    return True


def _listen_before_addresses_exist(builder: RelayPlanBuilder, address: Address) -> None:
    """Give the address, and each that an earlier apply added, a listener of its own."""
    effective = builder.effective("inet_interfaces")
    added = map(address_or_none, builder.added("inet_interfaces"))
    ours = dict.fromkeys(each for each in (*added, address) if each is not None)
    narrowed = "loopback-only" if effective == "all" else boot.remove_addresses(effective, ours)
    if narrowed != effective:
        why = "The address has a listener of its own, which starts without it."
        builder.set_parameter("inet_interfaces", narrowed, why)
    for each in ours:
        boot.listen_before_address_exists(builder, each)


def _with_address(builder: RelayPlanBuilder, address: Address) -> str:
    effective = builder.effective("inet_interfaces")
    named = mynetworks.split_list(effective)
    others = [name for name in named if address_or_none(name) != address]
    if effective in {"all", "loopback-only"} or not others:
        # `loopback-only` beside an address is fatal. With its address alone, Postfix would also
        # send from it, which no relay host can answer.
        return f"{_loopback(builder)}, {address}"
    if len(others) < len(named):
        return effective
    return mynetworks.append_to_list(builder.written("inet_interfaces"), [str(address)])


def _loopback(builder: RelayPlanBuilder) -> str:
    """Return the names of all of loopback; an address that two of them mean does no harm."""
    if builder.effective("inet_protocols") == "ipv4":
        return "localhost"
    if ip_address("::1") in builder.state.addresses:
        return "localhost, [::1]"  # some /etc/hosts have another name for ::1
    return "127.0.0.1"  # where IPv6 is switched off, /etc/hosts goes on to name ::1 localhost

"""Keeps Postfix starting at a boot at which the bridge has no address yet.

Postfix does not start while an address of inet_interfaces is missing. So either systemd starts it
after Docker, and again when it failed (a drop-in), or Postfix listens whether the address is there
or not (`--boot-safe`).
"""

from collections.abc import Collection
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix.mynetworks import Address, address_or_none, split_list
from pyservice.setup.relay.changes import ManagedFile, RelayPlanBuilder

UNIT_FOLDERS = (
    Path("/etc/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
DROP_INS = Path("/etc/systemd/system")
SYSCTL_FILE = Path("/etc/sysctl.d/60-notify-email.conf")

_DEFAULT_LISTENER = "smtp inet n - n - - smtpd"
_LOOPBACK_NAMES = {"localhost", "[::1]", "loopback-only"}


def unit(folders: tuple[Path, ...] = UNIT_FOLDERS) -> str | None:
    """Return the systemd unit that really starts the default instance; None: there is none.

    Debian's postfix.service up to Debian 12 runs /bin/true and leaves the work to
    postfix@-.service; elsewhere postfix.service does it, though the template may exist.
    """
    main, template = (
        _read_first(folders, name) for name in ("postfix.service", "postfix@.service")
    )
    if template is not None and (main is None or "ExecStart=/bin/true" in main):
        return "postfix@-.service"
    return "postfix.service" if main is not None else None


def managing_unit(
    *,
    is_default: bool,
    folders: tuple[Path, ...] = UNIT_FOLDERS,
    systemd_folder: Path = Path("/run/systemd/system"),
) -> str | None:
    """Return the unit that restarts an instance; None: Postfix' own command does.

    systemd would not know of a Postfix that was restarted behind its back.

    Args:
        is_default: whether this is the machine's main instance.
        folders: the folders of systemd's units.
        systemd_folder: a folder that exists where systemd is the init (sd_booted(3)).
    """
    return unit(folders) if is_default and systemd_folder.is_dir() else None


def managed_files(unit_name: str | None, address: Address) -> tuple[Path, ...]:
    """Return all the files that this module may write."""
    drop_in = (_drop_in_path(unit_name),) if unit_name else ()
    return (*drop_in, SYSCTL_FILE, _kernel_setting(address))


def wait_for_bridge(builder: RelayPlanBuilder, unit_name: str | None, bridge: str | None) -> None:
    """Have systemd start Postfix again when the address was missing, and after the engine."""
    if not builder.configuration.is_default:
        builder.add_note(
            "At boot this instance does not start before the bridge has its address: order it "
            "yourself, or give --boot-safe."
        )
        return
    if unit_name is None:
        builder.add_note(
            "There is no systemd unit of Postfix here: start Postfix after the container engine at "
            "boot, or give --boot-safe."
        )
        return
    is_dockers = bridge is not None and bridge.startswith(("docker", "br-"))
    order = "After=docker.service\nWants=docker.service\n" if is_dockers else ""
    content = (
        "# Written by `notify-email relay apply`; `notify-email relay revert` takes it away.\n"
        f"[Unit]\n{order}StartLimitIntervalSec=0\n\n"
        "[Service]\nRestart=on-failure\nRestartSec=5\n"
    )
    why = "Postfix does not start while the bridge has no address, as early at boot."
    builder.set_file(ManagedFile(_drop_in_path(unit_name), content, why))


def listen_before_address_exists(builder: RelayPlanBuilder, address: Address) -> None:
    """Listen at an address that may come later, by a service of its own and ip_nonlocal_bind.

    Raises:
        SetupError: this Postfix is too old for that.
    """
    configuration = builder.configuration
    if not configuration.is_at_least(2, 11):
        raise SetupError(
            f"Postfix {configuration.version} can't edit master.cf by postconf, which --boot-safe "
            "needs (2.11): leave it out, or update Postfix."
        )
    name = listener_name(address)
    builder.set_service(name, _listener_line(builder, name), "It listens for the containers.")
    setting = f"net.ipv{address.version}.ip_nonlocal_bind"
    why = "Postfix may listen at an address that comes later."
    builder.set_file(
        ManagedFile(SYSCTL_FILE, f"{setting} = 1\n", f"{why[:-1]}, also after a boot.")
    )
    builder.set_file(ManagedFile(_kernel_setting(address), "1\n", why))


def remove_addresses(value: str, addresses: Collection[Address]) -> str:
    """Return inet_interfaces without addresses that have a listener of their own.

    An address that both name would keep Postfix from starting.
    """
    names = split_list(value)
    kept = [name for name in names if address_or_none(name) not in addresses]
    if kept == names:
        return value
    return ", ".join(kept) if set(kept) - _LOOPBACK_NAMES else "loopback-only"


def listener_name(address: Address) -> str:
    """Return the name of the address' service in master.cf: `172.22.91.1:25/inet`."""
    return f"[{address}]:25/inet" if address.version == 6 else f"{address}:25/inet"


def listener_address(name: str) -> Address | None:
    """Return the address that is in a service's name; None: it names none."""
    return address_or_none(name.removesuffix("/inet").rpartition(":")[0])


def _listener_line(builder: RelayPlanBuilder, name: str) -> str:
    """Return a line like the usual listener's, chroot and options alike, if that is an smtpd."""
    usual = builder.configuration.services.get("smtp/inet", _DEFAULT_LISTENER)
    fields = usual.split()
    if fields[7] != "smtpd":
        fields = _DEFAULT_LISTENER.split()
    return " ".join([name.removesuffix("/inet"), *fields[1:]])


def _kernel_setting(address: Address) -> Path:
    return Path(f"/proc/sys/net/ipv{address.version}/ip_nonlocal_bind")


def _drop_in_path(unit_name: str) -> Path:
    return DROP_INS / f"{unit_name}.d" / "notify-email.conf"


def _read_first(folders: tuple[Path, ...], name: str) -> str | None:
    files = (folder / name for folder in folders)
    return next((file.read_text(errors="replace") for file in files if file.is_file()), None)

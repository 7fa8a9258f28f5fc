"""A boot at which docker0 has no address yet must not lose Postfix.

Postfix does not start while an address of inet_interfaces is missing. So either systemd starts it
after Docker and again when it failed (a drop-in), or Postfix listens without asking whether the
address is there (`--boot-safe`).
"""

from ipaddress import ip_address
from pathlib import Path

from pyservice.errors import SetupError
from pyservice.postfix.mynetworks import address_or_none, tokens
from pyservice.setup.relay.changes import Drafting, File

UNIT_FOLDERS = (
    Path("/etc/systemd/system"),
    Path("/usr/lib/systemd/system"),
    Path("/lib/systemd/system"),
)
DROP_INS = Path("/etc/systemd/system")
SYSTEMD_RUNS = Path("/run/systemd/system")
"""It exists where systemd is the init (sd_booted(3))."""
SYSCTL_FILE = Path("/etc/sysctl.d/60-notify-email.conf")

_DEFAULT_LISTENER = "smtp inet n - n - - smtpd"
_LOOPBACK_NAMES = {"localhost", "loopback-only"}


def unit(folders: tuple[Path, ...] = UNIT_FOLDERS) -> str | None:
    """The systemd unit that really starts the default instance; None: there is none.

    Debian's postfix.service up to Debian 12 runs /bin/true and leaves the work to
    postfix@-.service; elsewhere postfix.service does it, though the template may exist.
    """
    main, template = (_first(folders, name) for name in ("postfix.service", "postfix@.service"))
    if template is not None and (main is None or "ExecStart=/bin/true" in main):
        return "postfix@-.service"
    return "postfix.service" if main is not None else None


def manager(*, is_default: bool, folders: tuple[Path, ...] = UNIT_FOLDERS) -> str | None:
    """The unit by which to restart an instance; None: by Postfix' own command.

    systemd would not know of a Postfix that was restarted behind its back.
    """
    return unit(folders) if is_default and SYSTEMD_RUNS.is_dir() else None


def files(drop_in_for: str | None, address: str) -> tuple[Path, ...]:
    """All that this module may write."""
    drop_in = (_drop_in_path(drop_in_for),) if drop_in_for else ()
    return (*drop_in, SYSCTL_FILE, _live(address))


def wait_for_docker(drafting: Drafting, unit_name: str | None, bridge: str | None) -> None:
    """Have systemd start Postfix after Docker, and again when the address was missing."""
    if not drafting.configuration.is_default:
        drafting.note(
            "At boot this instance does not start before the bridge has its address: order it "
            "yourself, or give --boot-safe."
        )
        return
    if unit_name is None:
        drafting.note(
            "There is no systemd unit of Postfix here: start Postfix after Docker at boot, or give "
            "--boot-safe."
        )
        return
    is_dockers = bridge is None or bridge == "docker0" or bridge.startswith("br-")
    order = "After=docker.service\nWants=docker.service\n" if is_dockers else ""
    content = (
        "# Written by `notify-email relay apply`; `notify-email relay revert` takes it away.\n"
        f"[Unit]\n{order}StartLimitIntervalSec=0\n\n"
        "[Service]\nRestart=on-failure\nRestartSec=5\n"
    )
    why = "Postfix does not start while the bridge has no address, as at boot before Docker."
    drafting.file(File(_drop_in_path(unit_name), content, why))


def listen_regardless(drafting: Drafting, address: str) -> None:
    """Listen at an address that may come later: a service of its own and ip_nonlocal_bind.

    Raises:
        SetupError: this Postfix can't.
    """
    configuration = drafting.configuration
    if not configuration.is_at_least(2, 11):
        raise SetupError(
            f"Postfix {configuration.version} can't edit master.cf by postconf, which --boot-safe "
            "needs (2.11): leave it out, or update Postfix."
        )
    name = listener(address)
    drafting.service(f"{name}/inet", _line(drafting, name), "It listens for the containers.")
    version = ip_address(address).version
    setting = f"net.ipv{version}.ip_nonlocal_bind"
    why = "Postfix may listen at an address that comes later."
    drafting.file(File(SYSCTL_FILE, f"{setting} = 1\n", f"{why[:-1]}, also after a boot."))
    drafting.file(File(_live(address), "1\n", why))


def without(value: str, address: str) -> str:
    """inet_interfaces for that: an address named there as well would keep Postfix from starting."""
    if address_or_none(address) not in map(address_or_none, tokens(value)):
        return value
    kept = [token for token in tokens(value) if address_or_none(token) != ip_address(address)]
    return ", ".join(kept) if set(kept) - _LOOPBACK_NAMES else "loopback-only"


def listener(address: str) -> str:
    """A service's name in master.cf: `172.22.91.1:25`."""
    return f"[{address}]:25" if ":" in address else f"{address}:25"


def _line(drafting: Drafting, name: str) -> str:
    """As the usual listener is, chroot and options alike, if that is an smtpd itself."""
    usual = drafting.configuration.services.get("smtp/inet", _DEFAULT_LISTENER)
    fields = usual.split()
    if fields[7] != "smtpd":
        fields = _DEFAULT_LISTENER.split()
    return " ".join([name, *fields[1:]])


def _live(address: str) -> Path:
    return Path(f"/proc/sys/net/ipv{ip_address(address).version}/ip_nonlocal_bind")


def _drop_in_path(unit_name: str) -> Path:
    return DROP_INS / f"{unit_name}.d" / "notify-email.conf"


def _first(folders: tuple[Path, ...], name: str) -> str | None:
    found = (folder / name for folder in folders)
    return next((file.read_text(errors="replace") for file in found if file.is_file()), None)

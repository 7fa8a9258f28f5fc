"""Jenkins' own test mail: how Jenkins answers, and the mail's delivery in Postfix' log."""

import re
from html import unescape

from pyservice.errors import SetupError
from pyservice.postfix.log import Log, wait_for
from pyservice.postfix.log_line import Delivery, Line
from pyservice.setup.jenkins.connection import Controller
from pyservice.setup.jenkins.planner import JenkinsState

PATH = "/descriptorByName/hudson.tasks.Mailer/sendTestMail"

_NOBODY = "nobody@nowhere"
_TAG = re.compile(r"<[^<>]*>")
_CURES = (
    (r"ConnectException|Connection refused|MailConnectException|NoRouteToHost", "Nothing listens "
     "there: run `notify-email relay apply` on the node, or `notify-email jenkins apply`."),
    (r"UnknownHost", "There is no such host: run `notify-email jenkins apply`."),
    (r"SocketTimeout|timed out", "It does not answer: is port 25 filtered?"),
    (r"Relay access denied", "Postfix takes no mail from this container: run `notify-email relay "
     "apply` on the node."),
    (r"Sender address rejected", "Postfix refuses the sender: set another one with `notify-email "
     "jenkins apply --admin-address`."),
    (r"STARTTLS|SSL", "Postfix has no TLS there: run `notify-email jenkins apply`, which turns it "
     "off."),
)  # fmt: skip


def send(controller: Controller, state: JenkinsState, recipient: str) -> str:
    """Let Jenkins send its test mail, with its own settings, and return the result as a sentence.

    Raises:
        SetupError: the mail was not sent; says why and what to do.
    """
    mailer, admin = state.settings["mailer"], state.value("location", "adminAddress")
    if mailer is None:
        raise SetupError("Jenkins lacks a plugin: install Mailer (mailer).")
    if not mailer["smtpHost"]:
        raise SetupError("Jenkins has no mail server yet: run `notify-email jenkins apply`.")
    if not admin or _NOBODY in admin:
        raise SetupError(
            "Jenkins has no admin address, which would be the sender: set it with `notify-email "
            "jenkins apply --admin-address`."
        )
    form = {
        "smtpHost": mailer["smtpHost"],
        "smtpPort": mailer["smtpPort"] or "25",
        "adminAddress": admin,
        "sendTestMailTo": recipient,
        "charset": mailer["charset"] or "UTF-8",
        "useSsl": _flag(mailer["useSsl"]),
        "useTls": _flag(mailer["useTls"]),
        "authentication": "false",
        "username": "",
        "password": "",
    }
    server = f"{form['smtpHost']}:{form['smtpPort']}"
    return read_answer(controller.post(PATH, form), server, recipient)


def read_answer(html: str, server: str, recipient: str) -> str:
    """Return Jenkins' answer, an HTML fragment that comes with 200 in any case, as a sentence.

    Raises:
        SetupError: the mail was not sent.
    """
    if 'class="ok"' in html or "class=ok" in html:
        return f"Jenkins sent its test mail for {recipient} to {server}."
    lines = [line.strip() for line in unescape(_TAG.sub("\n", html)).splitlines() if line.strip()]
    causes = [line for line in lines if re.match(r"(Caused: )?[\w.$]+(Exception|Error)\b", line)]
    reason = re.sub(r"^(Caused: )?[\w.$]+\.(?=\w)", "", causes[0] if causes else " ".join(lines))
    cure = next((cure for sign, cure in _CURES if re.search(sign, html)), "")
    raise SetupError(f"Jenkins could not send its mail to {server}: {reason[:300]}. {cure}".strip())


def follow(log: Log, recipient: str, seconds: float = 15.0) -> tuple[str, Delivery] | None:
    """Wait for a mail in Postfix' log.

    Args:
        log: opened before the mail was sent.
        recipient: the mail's.
        seconds: how long to wait.

    Returns:
        Its queue ID and its delivery; None: the log does not have it.
    """

    def find_mail(line: Line) -> tuple[str, Delivery] | None:
        delivery = line.delivery
        if delivery is None or delivery.recipient.lower() != recipient.lower():
            return None
        return line.queue_id, delivery

    return wait_for(log, find_mail, seconds)


def _flag(value: object) -> str:
    return "true" if value else "false"

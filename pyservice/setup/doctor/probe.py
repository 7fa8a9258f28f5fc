"""Walks the way of a mail from this container to the node's Postfix, and names what is wrong.

Made by `notify-email doctor --print-script --python`: kubectl exec -i POD -- python3 - < this
Needs Python 3.6 and nothing beside it. A file of its own, which imports nothing of the project.
"""

# It prints, and speaks the Python of 2016:
# ruff: noqa: UP031, D102, D103, B904, T201, N818, PTH123, SIM105
# mypy: ignore-errors

import json
import os
import re
import shlex
import socket
import struct
import sys
import time

FILLED_IN = "{}"
VALUES = json.loads(FILLED_IN)
ANY = "0.0.0.0"  # noqa: S104 - of a route table


class Found(Exception):
    """The walk ends here."""

    def __init__(self, known, **values):
        values = dict(VALUES, **values)
        self.known = known
        sentence, cure, self.where = VALUES["findings"][known]
        quoted = {name: shlex.quote(str(value)) for name, value in values.items()}
        self.sentence, self.cure = sentence.format(**values), cure.format(**quoted)
        Exception.__init__(self, self.sentence)


class Silence(Exception):
    """There is no reply."""


class Dialogue:
    """In turn and with CRLF, each line shown."""

    def __init__(self, address, port, timeout):
        self.timeout = timeout
        show("*", "connecting to %s port %s, for up to %g s" % (address, port, timeout))
        try:
            self.socket = socket.create_connection((address, port), timeout)
        except ConnectionRefusedError:
            show("*", "%s port %s: connection refused" % (address, port))
            raise Found("refused")
        except OSError as error:
            text = "no answer" if is_timeout(error) else (error.strerror or str(error)).lower()
            show("*", "%s port %s: %s" % (address, port, text))
            network = network_of(own_address(address))
            iptables = "ip6tables" if ":" in network else "iptables"
            raise Found("filtered", text=text, network=network, iptables=iptables)
        self.own = self.socket.getsockname()[0]
        show("*", "connected from %s to %s port %s" % (self.own, address, port))
        self.unread = b""

    def listen(self):
        """The code, 0 for what is no SMTP, and all of the reply on one line."""
        ends, texts = time.time() + self.timeout, []
        while len(texts) < 50:
            line = self.line(ends)
            show("<", line)
            texts.append(line[4:] if texts else line)
            if not re.match(r"\d{3}-", line):
                break
        if len(texts) > 1:
            texts[0] = texts[0].replace("-", " ", 1)
        code = int(line[:3]) if re.match(r"\d{3}( |$)", line) else 0
        return code, " ".join(texts)

    def line(self, ends):
        while b"\n" not in self.unread and len(self.unread) < 65536:
            try:
                if time.time() >= ends:
                    raise TimeoutError
                self.socket.settimeout(max(ends - time.time(), 0.001))
                received = self.socket.recv(4096)
            except OSError as error:
                raise self.lost(is_timeout(error))
            if not received:
                if self.unread:
                    break
                raise self.lost(False)
            self.unread += received
        line, _, self.unread = self.unread.partition(b"\n")
        text = line.decode("utf-8", "replace").rstrip("\r")[:1000]
        return "".join(c if c.isprintable() else "?" for c in text)

    def lost(self, is_late):
        text = "no answer within %g s" % self.timeout if is_late else "it closed the connection"
        show("*", text)
        return Silence(text)

    def say(self, *lines):
        for line in lines:
            show(">", line)
        try:
            self.socket.sendall("".join(line + "\r\n" for line in lines).encode())
        except OSError as error:
            raise self.lost(is_timeout(error))
        return self.listen()


def show(who, text):
    print("%s %s" % (who, text.encode("ascii", "replace").decode()), flush=True)


def is_timeout(error):
    return isinstance(error, (socket.timeout, TimeoutError))


def find_address():
    """As given, by the environment, by the engine's name, or the way out of here."""
    if VALUES["address"]:
        return VALUES["address"]
    if re.match(r"[0-9a-fA-F.:]+$", os.environ.get("NODE_IP", "")):
        return os.environ["NODE_IP"]
    for line in read("/etc/hosts"):
        address, names = line.split("#")[0].split()[:1], line.split("#")[0].split()[1:]
        if "host.docker.internal" in names or "host.containers.internal" in names:
            return address[0]
    for _, destination, gateway, mask in routes():
        # 169.254.1.1 is Calico's, and nobody's.
        if destination == mask == ANY and gateway not in (ANY, "169.254.1.1"):
            return gateway
    raise Found("no-address")


def network_of(own):
    """The network to let in for an address of ours."""
    for _, destination, gateway, mask in routes():
        is_on_link = gateway == ANY and mask not in (ANY, "255.255.255.255")
        if is_on_link and number(own) & number(mask) == number(destination):
            return "%s/%d" % (destination, bin(number(mask)).count("1"))
    return own if ":" in own else own + "/32"


def own_address(towards):
    family = socket.AF_INET6 if ":" in towards else socket.AF_INET
    nothing_is_sent = socket.socket(family, socket.SOCK_DGRAM)
    try:
        nothing_is_sent.connect((towards, 9))
        return nothing_is_sent.getsockname()[0]
    except OSError:
        return towards
    finally:
        nothing_is_sent.close()


def routes():
    """Interface, destination, gateway and mask: numbers in the kernel's byte order."""
    for line in read("/proc/net/route")[1:]:
        words = line.split()
        yield [words[0]] + [
            socket.inet_ntoa(struct.pack("=L", int(words[i], 16))) for i in (1, 2, 7)
        ]


def number(address):
    try:
        return struct.unpack("!L", socket.inet_aton(address))[0]
    except OSError:
        return 0


def read(path):
    try:
        with open(path) as file:
            return file.read().splitlines()
    except OSError:
        return []


def ask(dialogue, command, *lines):
    try:
        code, text = dialogue.say(*lines)
    except Silence as silence:
        raise Found("rejected", command=command, text=silence)
    if code != (354 if command == "DATA" else 250):
        raise refusal(dialogue, command, text)
    return text


def refusal(dialogue, command, text):
    if "Relay access denied" in text or "Client host rejected" in text:
        told = re.search(r"\[([0-9a-fA-F.:]+)\]", text)
        seen = told.group(1) if told else dialogue.own
        return Found("relay-denied", seen=seen, network=network_of(seen), text=text)
    if "Sender address rejected" in text or "Bad sender address" in text:
        return Found("sender-refused", text=text)
    if "Insufficient system storage" in text:
        return Found("disk-full", text=text)
    return Found("rejected", command=command, text=text)


def walk():
    VALUES["address"] = find_address()
    dialogue = Dialogue(VALUES["address"], VALUES["port"], VALUES["timeout"])
    try:
        code, greeting = dialogue.listen()
    except Silence as silence:
        if "within" in str(silence):
            raise Found("greeting-slow", seconds="more than %g" % dialogue.timeout)
        raise Found("not-postfix", text="nothing, and it hangs up")
    if code == 0:
        raise Found("not-postfix", text=greeting)
    if code != 220:
        raise refusal(dialogue, "the greeting", greeting)
    name = socket.gethostname()
    ask(dialogue, "EHLO", "EHLO " + name)
    text = ask(dialogue, "MAIL", "MAIL FROM:<%s>" % VALUES["sender"])
    if "Postfix" not in greeting and "2.1.0 Ok" not in text:
        raise Found("not-postfix", text=greeting)
    ask(dialogue, "RCPT", "RCPT TO:<%s>" % VALUES["recipient"])
    result = "Nothing was sent: --send-to does."
    if VALUES["is_sent"]:
        ask(dialogue, "DATA", "DATA")
        mail = [
            "From: <%s>" % VALUES["sender"],
            "To: <%s>" % VALUES["recipient"],
            "Subject: notify-email doctor",
            "Auto-Submitted: auto-generated",
            "",
            "The way from %s to you is open." % name,
            ".",
        ]
        result = "Postfix has it as %s." % ask(dialogue, "the final dot", *mail).split()[-1]
    try:
        dialogue.say("QUIT")
    except Silence:
        pass
    return result


def main():
    try:
        result = walk()
    except Found as found:
        told = (found.known, found.sentence, found.where, found.cure)
        text = "\nFinding %s: %s\nCure%s:\n    %s" % told
        print(text.encode("ascii", "replace").decode())
        return 1
    print("\nAll is well. " + result)
    return 0


sys.exit(main())

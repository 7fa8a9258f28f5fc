"""Lines of Postfix' log."""

LINE = "Nov 25 12:40:03 node postfix/{}[7]: {}: {}"
CLIENT = "client=localhost[127.0.0.1]"
"""Of the service's own mails."""

"""Lines of Postfix' log."""

LINE = "Nov 25 12:40:03 node postfix/{}[7]: {}: {}"

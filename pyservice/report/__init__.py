"""The report of a build: the wire contract, and what can be computed from a report alone."""

"""The report of a build: the wire contract, and what follows from a report alone."""

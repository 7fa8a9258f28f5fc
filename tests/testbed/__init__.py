"""A node with its own Postfix, containers on its bridge and a relay, as network namespaces."""

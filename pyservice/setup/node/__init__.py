"""This machine: what it is, and which address reaches the node's Postfix."""

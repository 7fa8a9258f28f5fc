"""The node's Postfix: its commands, its settings and its log."""

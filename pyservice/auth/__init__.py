"""Finds out who calls, and what the caller may do: tokens and their permissions."""

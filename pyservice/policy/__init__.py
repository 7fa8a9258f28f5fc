"""Whom a report may reach, and how many reports are too many."""

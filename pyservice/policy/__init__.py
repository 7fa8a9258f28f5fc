"""Decides whom a report may reach, and which reports share a digest."""

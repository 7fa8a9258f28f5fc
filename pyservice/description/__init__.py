"""The line about a report's mail in the description of its build."""

"""From a report to the bytes of a mail."""

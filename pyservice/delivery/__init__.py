"""From the outbox to Postfix: claim, prepare, send, settle."""

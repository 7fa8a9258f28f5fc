"""Preview pages: a mail as its reader sees it, made by the very code that sends it."""

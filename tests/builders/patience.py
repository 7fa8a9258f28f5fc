"""How long tests wait for what must happen. A short limit is only for what must run out."""

PATIENCE = 90.0
"""Seconds for what takes a moment on an idle machine; no test passes by waiting for so long."""
TIMEOUT = 300.0
"""Seconds for a command of many such moments, such as an installation."""
HANG = 10 * PATIENCE
"""Seconds for which what hangs would hang: who ends within PATIENCE has not waited for it."""

"""Connections on which an answer's head must come in time, as a whole.

A time-out of a socket is for each part that arrives. A head that comes a byte at a time, or one
`100 Continue` after the other, would hold a thread for days.
"""

import socket
import threading
from http.client import HTTPException
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection


class PatientAdapter(HTTPAdapter):
    """Requests' adapter, with such connections."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the connections to Jenkins itself."""
        super().init_poolmanager(*args, **kwargs)
        _use_pools(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        """Return what makes the connections by a proxy."""
        manager = super().proxy_manager_for(*args, **kwargs)
        _use_pools(manager)
        return manager


class _Connection(HTTPConnection):
    """A connection, whose `timeout` is that of a read when it waits for an answer."""

    def getresponse(self) -> Any:
        is_over = threading.Event()

        def hang_up() -> None:
            is_over.set()
            try:
                if self.sock is not None:
                    self.sock.shutdown(socket.SHUT_RDWR)
            except OSError:  # it is closed
                return

        timer = threading.Timer(self.timeout or 0.0, hang_up)
        timer.daemon = True
        timer.start()
        try:
            answer = super().getresponse()
        except (OSError, HTTPException):
            if is_over.is_set():
                raise TimeoutError from None
            raise
        finally:
            timer.cancel()
        if is_over.is_set():  # an end of the connection ends a head, too
            raise TimeoutError
        return answer


class _TlsConnection(_Connection, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def _use_pools(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

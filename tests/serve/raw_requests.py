"""Bytes to a port, bytes back."""

from __future__ import annotations

import socket


def raw(port: int, request: bytes, seconds: float = 60.0) -> bytes:
    """What the service answers to these bytes, up to the end of the connection.

    The wait is far above the 15 seconds after which the service lets an idle connection go.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer

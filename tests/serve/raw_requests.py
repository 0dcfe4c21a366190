"""Bytes to a port, bytes back."""

from __future__ import annotations

import socket


def raw(port: int, request: bytes, seconds: float = 15.0) -> bytes:
    """What the service answers to these bytes."""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer

"""TF_CONFIG: the workers of a training and which of them this process is.

    {"cluster": {"worker": ["first.host:2222", "second.host:2222"]},
     "task": {"type": "worker", "index": 0}}

Each process has the same cluster and an index of its own. Worker 0 is the chief.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfrec.errors import InputError

VARIABLE = "TF_CONFIG"
_EXAMPLE = (
    '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'
)


@dataclass(frozen=True)
class Task:
    """This process among the workers.

    Attributes:
        index: which of them it is.
        addresses: "host:port" of every worker.
    """

    index: int
    addresses: tuple[str, ...]

    def named(self, index: int) -> str:
        """Return a worker's number and address."""
        return f"worker {index} ({self.addresses[index]})"

    def host_and_port(self, index: int) -> tuple[str, int]:
        """Return where a worker is, as Python's sockets take it."""
        host, _, port = self.addresses[index].rpartition(":")
        # an IPv6 address is written in brackets
        return host.strip("[]"), int(port)


def task(environment: Mapping[str, str] = os.environ) -> Task:
    """Return what TF_CONFIG says.

    Raises:
        InputError: it is missing, no JSON, or names no such task.
    """
    text = environment.get(VARIABLE)
    if not text:
        raise InputError(
            f"--distribution=multi_worker: {VARIABLE} is not set; give each worker its own, such "
            f"as {_EXAMPLE}"
        )
    try:
        content = json.loads(text)
    except ValueError as error:
        raise InputError(f"{VARIABLE} is no JSON ({error}); write it like {_EXAMPLE}") from None
    cluster = _member(content, "cluster")
    addresses = _addresses(cluster)
    own = _member(content, "task")
    kind, index = own.get("type"), own.get("index")
    is_index = isinstance(index, int) and not isinstance(index, bool)
    if kind != "worker" or not is_index or not 0 <= index < len(addresses):
        raise InputError(
            f"{VARIABLE}: there is no task {kind} {index}; the cluster has worker "
            + ("0" if len(addresses) == 1 else f"0 to {len(addresses) - 1}")
        )
    repeated = {address for address in addresses if addresses.count(address) > 1}
    if repeated:
        raise InputError(f"{VARIABLE}: two workers at {min(repeated)}; give each its own address")
    return Task(index, tuple(addresses))


def _member(content: Any, name: str) -> dict[str, Any]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise InputError(f'{VARIABLE} has no object "{name}"; write it like {_EXAMPLE}')
    return found


def _addresses(cluster: dict[str, Any]) -> list[str]:
    """Return the addresses of the workers, each of which has a host and a port."""
    others = sorted(set(cluster) - {"worker"})
    if others:
        raise InputError(
            f"{VARIABLE}: the cluster has tasks of type {', '.join(others)}; give workers only, of "
            "which the first is the chief"
        )
    addresses = cluster.get("worker")
    if not addresses or not isinstance(addresses, list):
        raise InputError(
            f'{VARIABLE}: the cluster has no workers; give a list of host:port as "worker", like '
            f"{_EXAMPLE}"
        )
    for index, address in enumerate(addresses):
        problem = _wrong_with(address)
        if problem:
            raise InputError(f"{VARIABLE}: worker {index} is {address!r}: {problem}")
    return addresses


def _wrong_with(address: Any) -> str:
    host, colon, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not colon or not host:
        return f"{'the host' if colon else 'the port'} is missing; give host:port"
    if not (port.isascii() and port.isdigit() and len(port) < 6 and 1 <= int(port) <= 65535):
        return f"port {port}: give 1 to 65535"
    return ""

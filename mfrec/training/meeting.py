"""Workers meet before TensorFlow joins them, and tell each other why they end.

TensorFlow waits for other workers in silence and where no signal reaches Python, and never tells
why one ended. So each worker has a connection with the chief, at the address at which TensorFlow's
server of the chief listens afterwards. A message is a line of JSON:

    worker -> chief   {"worker": 1, "workers": [addresses]}   once the chief listens
    worker -> chief   {"reason": ""}    it has read its data
    chief -> worker   {"reason": ""}    all have read theirs
    chief -> worker   {"waiting": "worker 2 (address)"}       now and then until then
    either            {"reason": text, "is_lost": false}      it ends, whenever that is
"""

import contextlib
import json
import os
import select
import socket
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import Any

from mfrec.errors import InputError, LostWorker, first_line
from mfrec.progress import say
from mfrec.training import cluster
from mfrec.training.cluster import VARIABLE, Task

# Seconds for a worker to come; one that has come may read its data for as long as it takes.
LONGEST_WAIT = 300
# Seconds that a worker which ends takes to tell those who have not come yet.
_LAST_WORDS = 5
_BETWEEN_NOTES = 15
_BETWEEN_LOOKS = 0.2
# Bytes of a line; whatever else connects to the port is not listened to for longer.
_LONGEST_LINE = 1 << 20


@contextlib.contextmanager
def opened(distribution: str) -> Iterator["Meeting | None"]:
    """Yield the meeting of several workers, to be around all that they do; else None.

    Raises:
        InputError: TF_CONFIG cannot be used, or another worker ended by a mistake.
    """
    if distribution != "multi_worker":
        yield None
        return
    with Meeting(cluster.task()) as found:
        yield found


class _OfAnother(InputError):
    """Another worker's `InputError`; the message names the worker."""


class Meeting:
    """One worker's connections; a context manager around all that the worker does.

    If the block ends by an error, the others are told.

    Args:
        task: which worker this is.

    Raises:
        InputError: this worker's port is taken.
    """

    def __init__(self, task: Task) -> None:
        self.task = task
        self._lines: dict[int, _Line] = {}
        self._strangers: list[_Line] = []
        self._have_read: set[int] = set()
        self._have_met = False
        self._has_ended = threading.Event()
        self._problem = ""
        self._server: socket.socket | None = _listening(task)
        if task.index:
            # TensorFlow will listen there; others meet at the chief's
            self._close_server()
            threading.Thread(target=self._keep_calling, daemon=True).start()

    def __enter__(self) -> "Meeting":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if isinstance(error, Exception):
                self._tell(error)
        finally:
            self._has_ended.set()
            self._close_server()
            for line in self._lines.values():
                line.close()

    def wait(self) -> None:
        """Wait until all workers have come and have read their data; once.

        Raises:
            InputError: one does not come, or ended by a mistake; the message says which and why.
            LostWorker: one ended.
        """
        if self._have_met:
            return
        task = self.task
        say(f"{task.named(task.index)} of {len(task.addresses)}: waiting for the others")
        if task.index:
            self._wait_for_chief()
        else:
            self._wait_for_others()
        self._have_met = True
        for index in range(len(task.addresses)):
            problem = _unknown_host(task, index)
            if problem:
                raise InputError(f"{VARIABLE}: {task.named(index)}: {problem}")

    def look(self, seconds: float) -> None:
        """Wait for some time for what others have to tell.

        Raises:
            InputError: one ended by a mistake; the message says which and why.
            LostWorker: one ended before all had read their data, because of another.
        """
        until = time.monotonic() + seconds
        while True:
            self._pause()
            for index, line in self._lines.items():
                for message in line.received():
                    self._heed(index, message)
            if time.monotonic() >= until:
                return

    def check_all_there(self) -> None:
        """Refuse that a worker has ended without a word.

        Raises:
            LostWorker: names it.
        """
        for index, line in self._lines.items():
            if not line.is_open:
                raise LostWorker(
                    f"{self.task.named(index)} ended before training began; start all workers again"
                )

    def _heed(self, index: int, message: dict[str, Any]) -> None:
        if message.get("waiting"):
            say(f"waiting for {message['waiting']}")
        elif message.get("is_lost") and self._have_met:
            # TensorFlow tells this worker as well, and knows better who was first
            pass
        elif message.get("reason"):
            raise (LostWorker if message.get("is_lost") else _OfAnother)(message["reason"])
        elif message.get("reason") == "":
            self._have_read.add(index)

    # the chief

    def _wait_for_others(self) -> None:
        notes = _Notes()
        others = set(range(1, len(self.task.addresses)))
        while True:
            self._welcome()
            self.look(0)
            self.check_all_there()
            absent = sorted(others - set(self._lines))
            if absent and notes.seconds > LONGEST_WAIT:
                raise _never_came(self.task, absent)
            awaited = sorted(others - self._have_read)
            if not awaited:
                break
            if notes.is_due():
                names = ", ".join(
                    self.task.named(index) + ("" if index in absent else ", which reads its data")
                    for index in awaited
                )
                say(f"waiting for {names}")
                for line in self._lines.values():
                    line.send(waiting=names)
        # TensorFlow's server takes the port
        self._close_server()
        for line in self._lines.values():
            line.send(reason="")

    def _welcome(self) -> None:
        """Take in those who call, once they have said who they are."""
        assert self._server
        with contextlib.suppress(BlockingIOError):
            while True:
                self._strangers.append(_Line(self._server.accept()[0]))
        for line in list(self._strangers):
            for message in line.received(1):
                self._strangers.remove(line)
                self._introduce(line, message)
            if not line.is_open and line in self._strangers:
                self._strangers.remove(line)

    def _introduce(self, line: "_Line", message: dict[str, Any]) -> None:
        index, task = message.get("worker"), self.task
        if not isinstance(index, int):
            line.close()
            return
        problem = ""
        if message.get("workers") != list(task.addresses):
            problem = (
                f"{VARIABLE}: worker {index} has the cluster {message.get('workers')}, worker 0 "
                f"{list(task.addresses)}; give all the same"
            )
        elif not 0 < index < len(task.addresses) or index in self._lines:
            problem = f"{VARIABLE}: two workers have the index {index}; give each its own"
        if problem:
            line.send(reason=problem)
            line.close()
            raise InputError(problem)
        self._lines[index] = line

    # the others

    def _wait_for_chief(self) -> None:
        notes = _Notes()
        while not self._lines:
            if notes.seconds > LONGEST_WAIT:
                raise _never_came(self.task, [0], self._problem)
            # the first is said at once, in case nobody is about to start the chief
            if notes.seconds > 2 and not notes.number or notes.is_due():
                notes.number = notes.number or 1
                say(f"waiting for {self.task.named(0)}: {self._problem}")
            time.sleep(_BETWEEN_LOOKS)
        self._lines[0].send(reason="")
        notes = _Notes()
        while not self._have_read:
            self.look(0)
            if not self._have_read:
                self.check_all_there()
                if notes.is_due():
                    say(f"waiting for {self.task.named(0)}, which reads its data or waits")

    def _keep_calling(self) -> None:
        """Connect with the chief, in a thread of its own, as reading the data may take long."""
        while not self._lines and not self._has_ended.is_set():
            self._problem = _unknown_host(self.task, 0)
            if not self._problem:
                try:
                    address = self.task.host_and_port(0)
                    line = _Line(socket.create_connection(address, timeout=5))
                    line.send(worker=self.task.index, workers=list(self.task.addresses))
                    self._lines[0] = line
                except OSError as error:
                    self._problem = _in_words(error)
            self._has_ended.wait(_BETWEEN_LOOKS)

    # both

    def _tell(self, error: Exception) -> None:
        """Say to all others why this worker ends."""
        is_lost, reason = isinstance(error, LostWorker), first_line(error)
        if not is_lost and not isinstance(error, _OfAnother):
            reason = f"{self.task.named(self.task.index)}: {reason}"
        others = len(self.task.addresses) - 1 if self.task.index == 0 else 1
        until = time.monotonic() + _LAST_WORDS
        while not self._have_met and len(self._lines) < others and time.monotonic() < until:
            with contextlib.suppress(InputError):
                if self._server:
                    self._welcome()
            time.sleep(_BETWEEN_LOOKS)
        for line in self._lines.values():
            line.send(reason=reason, is_lost=is_lost)

    def _pause(self) -> None:
        sockets = [line.socket for line in self._lines.values() if line.is_open]
        if self._server:
            sockets.append(self._server)
        select.select(sockets, [], [], _BETWEEN_LOOKS)

    def _close_server(self) -> None:
        if self._server:
            self._server.close()
            self._server = None


class _Notes:
    """When to tell again what is waited for."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self.number = 0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def is_due(self) -> bool:
        is_due = self.seconds > _BETWEEN_NOTES * (self.number + 1)
        self.number += is_due
        return is_due


class _Line:
    """A connection over which lines of JSON go both ways; one that breaks is no longer open."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket, self.is_open = connection, True
        self._buffer = b""
        connection.setblocking(False)
        # a firewall may forget a connection that is idle
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 30)

    def send(self, **content: Any) -> None:
        try:
            self.socket.settimeout(5)
            self.socket.sendall(json.dumps(content).encode() + b"\n")
            self.socket.setblocking(False)
        except OSError:
            self.is_open = False

    def received(self, most: int | None = None) -> Iterator[dict[str, Any]]:
        """Yield what has come since, without waiting; at most so many messages."""
        self._read()
        while b"\n" in self._buffer and most != 0:
            line, _, self._buffer = self._buffer.partition(b"\n")
            most = None if most is None else most - 1
            try:
                message = json.loads(line)
            except ValueError:
                message = None
            if isinstance(message, dict):
                yield message
            else:
                self.close()

    def _read(self) -> None:
        try:
            while self.is_open:
                part = self.socket.recv(1 << 16)
                self._buffer += part
                if not part or len(self._buffer) > _LONGEST_LINE:
                    self.is_open = False
        except BlockingIOError:
            pass
        except OSError:
            self.is_open = False

    def close(self) -> None:
        # what is unread would make the other end lose what was sent last
        self._read()
        self.is_open = False
        self.socket.close()


def _listening(task: Task) -> socket.socket:
    """Return a server at this worker's port, on all of the machine's addresses."""
    _, port = task.host_and_port(task.index)
    try:
        try:
            server = socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=1024
            )
        except (OSError, ValueError):
            # a machine without IPv6
            server = socket.create_server(("", port), backlog=1024)
    except OSError as error:
        raise InputError(
            f"{task.named(task.index)}: port {port}: {_in_words(error)}; "
            f"end what listens there, or give another port in {VARIABLE} of all workers"
        ) from None
    server.setblocking(False)
    return server


def _in_words(error: OSError) -> str:
    # Python adds to strerror what it attempted
    return (os.strerror(error.errno) if error.errno else str(error)).lower()


def _unknown_host(task: Task, index: int) -> str:
    """Return what is wrong with a worker's host name, "" if nothing is."""
    host, port = task.host_and_port(index)
    try:
        socket.getaddrinfo(host, port)
    except (OSError, UnicodeError):
        return f"unknown host {host}"
    return ""


def _never_came(task: Task, absent: list[int], problem: str = "") -> InputError:
    names = ", ".join(map(task.named, absent))
    why = f" ({problem})" if problem else ""
    return InputError(
        f"{names} did not come in {LONGEST_WAIT} seconds{why}; start all workers, each with the "
        f"same cluster in {VARIABLE}"
    )

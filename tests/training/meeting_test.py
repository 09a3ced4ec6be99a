"""Workers that wait for each other: who comes, who does not, and what one tells the others."""

import socket
import threading
import time

import pytest

from mfrec.errors import InputError, LostWorker
from mfrec.training import meeting
from mfrec.training.cluster import Task
from mfrec.training.meeting import Meeting
from workers import free_ports


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Waits of a second, and the lines that are said."""
    said = []
    monkeypatch.setattr(meeting, "LONGEST_WAIT", 1)
    monkeypatch.setattr(meeting, "_LAST_WORDS", 1)
    monkeypatch.setattr(meeting, "_BETWEEN_NOTES", 0.3)
    monkeypatch.setattr(meeting, "_BETWEEN_LOOKS", 0.02)
    monkeypatch.setattr(meeting, "say", said.append)
    return said


def addresses(number):
    return tuple(f"localhost:{port}" for port in free_ports(number))


def met(*tasks, late=0.0, **works):
    """Run workers in threads; return what each ended by, None for nothing.

    Args:
        tasks: of the workers.
        late: seconds by which each starts after the one before.
        works: by "w" + index, what a worker does before it waits for the others.
    """
    ended = {}

    def work(task):
        try:
            with Meeting(task) as found:
                works.get(f"w{task.index}", lambda _: None)(found)
                found.wait()
                ended[task.index] = None
        except (InputError, LostWorker) as error:
            ended[task.index] = error

    threads = [threading.Thread(target=work, args=[task], daemon=True) for task in tasks]
    for thread in threads:
        thread.start()
        time.sleep(late)
    for thread in threads:
        thread.join(20)
    return [ended[task.index] for task in tasks]


def tasks(number):
    names = addresses(number)
    return [Task(index, names) for index in range(number)]


def fail(_):
    raise InputError("ratings.csv: no such file")


@pytest.mark.parametrize("turn", [1, -1])
def test_all_go_on_once_the_last_has_come_and_read(short, turn):
    read = []

    def slow(_):
        # longer than anybody waits for a worker that does not come
        time.sleep(1.5)
        read.append("all")

    three = tasks(3)
    assert met(*three[::turn], late=0.1, w2=slow) == [None] * 3
    assert read == ["all"]
    assert f"waiting for {three[0].named(2)}, which reads its data" in short


@pytest.mark.parametrize("index", [0, 1, 2])
def test_the_mistake_of_one_ends_all_by_its_reason(index):
    three = tasks(3)
    ended = met(*three, **{f"w{index}": fail})
    assert all(isinstance(error, InputError) for error in ended)
    reasons = [str(error) for error in ended]
    assert reasons.pop(index) == "ratings.csv: no such file"
    assert reasons == [f"{three[0].named(index)}: ratings.csv: no such file"] * 2


def test_a_mistake_after_all_have_met_is_told_too():
    one, two = tasks(2)

    def fail_later(found):
        found.wait()
        fail(found)

    def look_later(found):
        found.wait()
        found.look(2)

    _, error = met(one, two, w0=fail_later, w1=look_later)
    assert str(error) == f"{one.named(0)}: ratings.csv: no such file"


@pytest.mark.parametrize("index", [0, 1])
def test_who_does_not_come_is_named_before_and_after_the_limit(short, index):
    two = tasks(2)
    (error,) = met(two[1 - index])
    name = two[0].named(index)
    assert str(error).startswith(f"{name} did not come in 1 seconds")
    assert any(line.startswith(f"waiting for {name}") for line in short)


def test_a_worker_that_ends_without_a_word_is_lost():
    one, two = tasks(2)

    def end(found):
        while not found._lines:
            time.sleep(0.01)
        found._lines[0].close()

    error, _ = met(one, two, late=0.1, w1=end)
    assert isinstance(error, LostWorker) and one.named(1) in str(error)


def test_hosts_that_nobody_knows_are_named(short, monkeypatch):
    find = socket.getaddrinfo

    def found(host, *arguments, **named):
        if host == "nowhere.invalid":
            raise socket.gaierror(-2, "Name or service not known")
        return find(host, *arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", found)
    (port,) = free_ports(1)
    names = ("nowhere.invalid:2222", f"localhost:{port}")
    (error,) = met(Task(1, names))
    assert "worker 0 (nowhere.invalid:2222) did not come" in str(error)
    assert "unknown host nowhere.invalid" in str(error)
    names = (f"localhost:{port}", "nowhere.invalid:2222")
    for error in met(Task(0, names), Task(1, names)):
        assert "worker 1 (nowhere.invalid:2222): unknown host" in str(error)


def test_a_port_that_something_else_has_is_refused():
    with socket.create_server(("", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(InputError, match=f"port {port}: address already in use; end"):
            Meeting(Task(0, (f"localhost:{port}",)))


def test_workers_of_another_cluster_are_refused_and_strangers_ignored():
    one, two = tasks(2)
    other = Task(1, (one.addresses[0], two.addresses[1].replace("localhost", "127.0.0.1")))
    for error in met(one, other):
        assert "worker 1 has the cluster" in str(error) and "give all the same" in str(error)

    def call(_):
        for text in (b"GET / HTTP/1.1\r\n\r\n", b'{"a": 1}\n'):
            with socket.create_connection(one.host_and_port(0)) as stranger:
                stranger.sendall(text)

    assert met(*tasks(2)) == [None, None]
    assert met(one, two, late=0.1, w1=call) == [None, None]

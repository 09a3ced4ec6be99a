"""TF_CONFIG: what it says, and what is refused."""

import json

import pytest

from mfrec.errors import InputError
from mfrec.training import cluster

TWO = ["one:2222", "two:2222"]


def environment(workers=TWO, kind="worker", index=0, **more):
    content = {"cluster": {"worker": workers}, "task": {"type": kind, "index": index}} | more
    return {"TF_CONFIG": json.dumps(content)}


def test_a_task_knows_its_number_and_all_addresses():
    task = cluster.task(environment(index=1))
    assert (task.index, task.addresses) == (1, ("one:2222", "two:2222"))
    assert task.named(0) == "worker 0 (one:2222)"
    assert task.host_and_port(1) == ("two", 2222)
    assert cluster.Task(0, ("[::1]:5",)).host_and_port(0) == ("::1", 5)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "TF_CONFIG is not set"),
        ({"TF_CONFIG": "{worker"}, "TF_CONFIG is no JSON (Expecting property name"),
        ({"TF_CONFIG": "[]"}, 'TF_CONFIG has no object "cluster"'),
        (environment(task=3), 'TF_CONFIG has no object "task"'),
        (environment(index=2), "there is no task worker 2; the cluster has worker 0 to 1"),
        (environment(index="0"), "there is no task worker 0"),
        (environment(index=True), "there is no task worker True"),
        (environment(kind="ps"), "there is no task ps 0"),
        (environment(["one:2222"], index=1), "there is no task worker 1; the cluster has worker 0"),
        (environment(["one", "two:2"]), "worker 0 is 'one': the port is missing; give host:port"),
        (environment([":2"]), "worker 0 is ':2': the host is missing; give host:port"),
        (environment(["one:1", "two:99999"]), "'two:99999': port 99999: give 1 to 65535"),
        (environment(["one:0"]), "port 0: give 1 to 65535"),
        (environment(["one:x"]), "port x: give 1 to 65535"),
        (environment([]), "the cluster has no workers"),
        ({"TF_CONFIG": '{"cluster": {}}'}, "the cluster has no workers"),
        (environment(["one:1", "one:1"]), "two workers at one:1"),
        (environment(cluster={"worker": TWO, "ps": TWO}), "the cluster has tasks of type ps"),
    ],
)
def test_a_config_that_names_no_task_is_refused_in_a_line(given, reason):
    with pytest.raises(InputError) as refused:
        cluster.task(given)
    assert reason in str(refused.value)

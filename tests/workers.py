"""Processes that train together on this machine."""

import json
import os
import socket
import subprocess
import sys

from helpers import ROOT


class Workers:
    """Processes that run one script as the workers of a cluster.

    Args:
        folder: in which they run.
        script: its path.
        flags: of each worker; a list of one worker's flags for each, or one for all.
        number: of workers.
    """

    def __init__(self, folder, script, flags, number=2):
        addresses = [f"localhost:{port}" for port in free_ports(number)]
        flags = flags if flags and isinstance(flags[0], list) else [flags] * number
        self.addresses = addresses
        self.processes = []
        for index in range(number):
            task = {"type": "worker", "index": index}
            config = json.dumps({"cluster": {"worker": addresses}, "task": task})
            self.processes.append(start(folder, script, flags[index], config))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            process.kill()
            process.wait()

    def ends(self, seconds=300):
        """Return the exit code and the last line on standard error of each, waiting for it."""
        ended = []
        for process in self.processes:
            _, err = process.communicate(timeout=seconds)
            assert "Traceback" not in err, err
            ended.append((process.returncode, err.splitlines()[-1] if err else ""))
        return ended

    def wait_for(self, text, index=0):
        """Wait until a worker has written a line with this text to standard error."""
        for line in self.processes[index].stderr:
            if text in line:
                return
        raise AssertionError(f"worker {index} ended without {text!r}")


def start(folder, script, flags, config):
    """Start a script with this TF_CONFIG; None for none."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("TF_CONFIG", None)
    if config is not None:
        environment["TF_CONFIG"] = config
    return subprocess.Popen(
        [sys.executable, str(script), *flags],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_ports(number):
    """Return ports that nobody listens at now."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports

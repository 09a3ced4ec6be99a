"""How much memory is free, and tables that are refused because they need more."""

import math

import pytest

from mfrec import memory
from mfrec.errors import InputError


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Sets what the machine and its control group say about memory."""
    files = {name: tmp_path / name for name in ("meminfo", "limit", "taken")}
    monkeypatch.setattr(memory, "_MEMINFO", files["meminfo"])
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", ((files["limit"], files["taken"]),))

    def says(**texts):
        for name, text in texts.items():
            files[name].write_text(text)

    says(meminfo="MemTotal:  9000 kB\nMemFree:   1000 kB\nMemAvailable:   5000 kB\n")
    return says


def test_free_is_what_the_machine_and_the_container_leave(machine):
    assert memory.free_bytes() == 5000 * 1024
    machine(limit="max\n", taken="12345\n")
    assert memory.free_bytes() == 5000 * 1024
    machine(limit="3000000\n", taken="1000000\n")
    assert memory.free_bytes() == 2_000_000


def test_without_meminfo_the_system_is_asked(machine, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "none")
    answers = {"SC_AVPHYS_PAGES": 50, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", answers.get)
    assert memory.free_bytes() == 50 * 4096
    monkeypatch.delattr(memory.os, "sysconf")
    assert memory.free_bytes() == math.inf


def test_tables_larger_than_memory_are_refused_with_their_size(machine):
    # 1,000 rows of 127 numbers and a bias, five times: 2,560,000 bytes
    machine(limit="2560000", taken="0")
    memory.check_tables(127, 1_000, memory.Held(5))
    machine(limit="2559999")
    with pytest.raises(InputError) as error:
        memory.check_tables(127, 1_000, memory.Held(5))
    assert str(error.value) == (
        "--embedding_dim=127: 5 copies of the tables of 1,000 users and items (weights, gradients, "
        "optimizer state, best weights) need 3 MB, 3 MB are free; lower it"
    )


def test_one_number_a_row_is_counted_for_embeddings_and_biases(machine):
    # 1,000 rows: 2 tables of 3 numbers and a bias, and 3 numbers for each of both: 56,000 bytes
    machine(limit="56000", taken="0")
    memory.check_tables(3, 1_000, memory.Held(2, of_rows=3))
    machine(limit="55999")
    with pytest.raises(InputError, match="2 copies of the tables"):
        memory.check_tables(3, 1_000, memory.Held(2, of_rows=3))

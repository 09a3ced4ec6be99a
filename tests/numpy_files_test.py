"""numpy's own files: read whole, or refused in a line before anything large is made."""

import io
import warnings
import zipfile

import numpy as np
import pytest

from mfrec import memory, numpy_files
from mfrec.errors import InputError

ARRAYS = {
    "user_ids": np.arange(30),
    "item_ids": np.array(["a", "bc"] * 15),
    "ratings": np.linspace(1, 5, 30, dtype=np.float32),
    "timestamps": np.arange(30) * 10**9,
}


def npz(save=np.savez, **arrays):
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue()


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def declaring(shape, dtype="<i8", content=b""):
    """An .npy file that says what it does not hold."""
    file = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue() + content


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        (tmp_path / "file").write_bytes(content)
        return numpy_files.read(tmp_path / "file")

    return write_and_read


def are_equal(found, expected):
    return found.keys() == expected.keys() and all(
        found[name].dtype == expected[name].dtype and (found[name] == expected[name]).all()
        for name in found
    )


def test_reads_what_numpy_reads(read, tmp_path):
    for save in (np.savez, np.savez_compressed):
        assert are_equal(read(npz(save, **ARRAYS)), ARRAYS)
    for array in (np.ones((2, 3), order="F"), np.array(5), np.zeros((0, 3)), np.array([], "U1")):
        found = read(npy(array))
        assert found.dtype == array.dtype and found.shape == array.shape and (found == array).all()
    structured = np.array([(1, 2.5)], [("utilisateur_é", "i4"), ("b", "f4")])
    assert (read(npy(structured)) == structured).all()
    (tmp_path / "one.npy").write_bytes(npy(np.ones(3)))
    with pytest.raises(InputError, match="one.npy: one array without a name where an .npz file"):
        numpy_files.read_npz(tmp_path / "one.npy")
    assert read(npz()) == {}


@pytest.mark.parametrize(
    "shape, dtype, content",
    [
        ((0, 10**9), "<i8", b"12345678"),
        ((2**31,), "<i8", b""),
        ((10**9, 10**9, 10**9), "<i8", b""),
        ((-1,), "<i8", b"12345678"),
        ((10**12,), "<U0", b""),
        ((3,), "<i8", b"12345678"),
        ((1,), "<i8", b"1234567812345678"),
    ],
)
def test_headers_that_say_another_size_are_refused_before_anything_is_made(
    read, monkeypatch, shape, dtype, content
):
    monkeypatch.delattr(np.lib.format, "read_array")
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("ratings.npy", declaring(shape, dtype, content))
    for file in (declaring(shape, dtype, content), made.getvalue()):
        with pytest.raises(InputError, match="file: .*which is not what it holds; save it anew"):
            read(file)


def test_what_does_not_fit_into_memory_is_refused(read, monkeypatch):
    file = npz(np.savez_compressed, ratings=np.zeros(10**6))
    monkeypatch.setattr(memory, "free_bytes", lambda: 10**6)
    with pytest.raises(
        InputError, match=r"array 'ratings' says float64 \(1000000,\), more than th"
    ):
        read(file)


def test_objects_are_not_unpickled(read):
    objects = np.array([None, "x"])
    for file in (npy(objects), npz(ids=objects)):
        with pytest.raises(InputError, match="holds Python objects, which are not read"):
            read(file)


def test_members_that_are_no_arrays_or_come_twice_are_refused(read):
    for names, message in ((["a.txt"], "'a.txt' is no array"), (["a.npy", "a.npy"], "a second")):
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as archive, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for name in names:
                archive.writestr(name, npy(np.ones(2)))
        with pytest.raises(InputError, match=message):
            read(made.getvalue())


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_a_flipped_bit_is_refused_or_changes_nothing(read, save):
    content = npz(save, **ARRAYS)
    random = np.random.default_rng(0)
    places = [*range(len(content) - 400, len(content)), *random.integers(0, len(content), 600)]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 1 << random.integers(8)
        try:
            found = read(bytes(damaged))
        except InputError as error:
            assert "\n" not in str(error)
        else:
            assert are_equal(found, ARRAYS), place


@pytest.mark.parametrize("content", [npy(np.arange(50.0)), npz(**ARRAYS), b"1,2,3", b""])
def test_bytes_that_are_lost_or_overwritten_are_a_line(read, content):
    random = np.random.default_rng(1)
    for _ in range(300):
        damaged = bytearray(content)
        for place in random.integers(0, len(content) + 1, random.integers(1, 9)):
            damaged[place : place + 1] = random.bytes(random.integers(3))
        if random.random() < 0.3:
            del damaged[random.integers(len(content) + 1) :]
        try:
            read(bytes(damaged))
        except InputError as error:
            assert "\n" not in str(error)

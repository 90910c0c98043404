"""SHA256SUMS, against the sha256sum of coreutils and known hashes."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from musicldm import CheckpointError
from musicldm.files import sha256
from musicldm.model.checksums import FILE_NAME, read_sums, verify, write_sums

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
"""SHA-256 of "abc" (FIPS 180-2, B.1)."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "weights.bin").write_bytes(b"abc")
    (tmp_path / "model index.json").write_text("{}")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "lock").write_text("changes")
    write_sums(tmp_path)
    return tmp_path


def test_the_hash_is_that_of_the_standard(folder: Path) -> None:
    assert sha256(folder / "unet" / "weights.bin") == ABC


def test_the_list_has_every_file_but_hidden_ones_and_itself(folder: Path) -> None:
    assert set(read_sums(folder)) == {"unet/weights.bin", "model index.json"}
    write_sums(folder)
    assert FILE_NAME not in read_sums(folder)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum of coreutils")
def test_sha256sum_accepts_the_list(folder: Path) -> None:
    subprocess.run(["sha256sum", "--strict", "--check", FILE_NAME], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum of coreutils")
@pytest.mark.parametrize("mode", ["--text", "--binary"])
def test_a_list_made_by_sha256sum_is_read(folder: Path, mode: str) -> None:
    made = subprocess.run(
        ["sha256sum", mode, "./unet/weights.bin"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    (folder / FILE_NAME).write_text(made)
    assert read_sums(folder) == {"unet/weights.bin": ABC}


def test_an_untouched_folder_and_one_without_a_list_pass(folder: Path) -> None:
    verify(folder)
    (folder / FILE_NAME).unlink()
    (folder / "unet" / "weights.bin").write_bytes(b"abd")
    verify(folder)


def test_one_changed_byte_is_found_and_the_file_named(folder: Path) -> None:
    (folder / "unet" / "weights.bin").write_bytes(b"abd")
    with pytest.raises(CheckpointError, match=r"weights\.bin: the file is corrupt or was changed .*ba7816bf8f01"):
        verify(folder)


def test_a_missing_file_is_found_unless_only_some_were_fetched(folder: Path) -> None:
    (folder / "unet" / "weights.bin").unlink()
    with pytest.raises(CheckpointError, match=r"weights\.bin: the file is missing"):
        verify(folder)
    verify(folder, partial=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("deadbeef  file", "line 1 is 'deadbeef  file'"),
        (ABC, "line 1"),
        (f"{ABC}  ../secret", "'../secret', which lies outside the model folder"),
        (f"{ABC}  /etc/passwd", "outside the model folder"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(folder: Path, line: str, message: str) -> None:
    (folder / FILE_NAME).write_text(line + "\n")
    with pytest.raises(CheckpointError, match=message):
        verify(folder)

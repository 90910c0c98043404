"""Files are whole or not there, names stay whose they are, folders are ours by their mark."""

import errno
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from musicldm import files
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from tests.full_disk import SimulatedDisk


def test_a_replaced_file_is_the_old_one_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "data.bin"
    path.write_bytes(b"old")

    def write_half() -> None:
        with files.whole(path) as part:
            part.write_bytes(b"new, half")
            assert path.read_bytes() == b"old"
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        write_half()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("data.bin", b"old")]
    files.write_whole(path, "new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("data.bin", b"new")]


def test_a_taken_name_is_kept_and_the_next_number_is_used(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"theirs")
    (tmp_path / "song-2.wav").mkdir()
    made = files.write_new(tmp_path, "song", "wav", b"ours")
    assert made == tmp_path / "song-3.wav"
    assert made.read_bytes() == b"ours"
    assert (tmp_path / "song.wav").read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 3


def test_two_writers_of_one_name_get_a_file_each(tmp_path: Path) -> None:
    made: list[Path] = []
    threads = [
        threading.Thread(target=lambda n=n: made.append(files.write_new(tmp_path, "a", "txt", str(n).encode())))
        for n in range(12)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 12
    assert {path.read_bytes() for path in tmp_path.iterdir()} == {str(n).encode() for n in range(12)}


def test_without_hard_links_a_taken_name_is_kept_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, "no hard links here")

    monkeypatch.setattr(os, "link", refuse)
    (tmp_path / "a.txt").write_bytes(b"theirs")
    assert files.write_new(tmp_path, "a", "txt", b"ours").name == "a-2.txt"
    assert (tmp_path / "a.txt").read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_name_of_255_bytes_can_be_written(tmp_path: Path) -> None:
    stem = "x" * 251
    assert files.write_new(tmp_path, stem, "wav", b"1").name == f"{stem}.wav"
    files.write_whole(tmp_path / f"{stem}.wav", b"2")
    assert (tmp_path / f"{stem}.wav").read_bytes() == b"2"


_WRITER = """
import sys
from pathlib import Path
from musicldm.files import write_new
print("go", flush=True)
for _ in range(100_000):
    write_new(Path(sys.argv[1]), "take", "bin", b"x" * 100_000)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
@pytest.mark.parametrize("moment", [0.003, 0.011, 0.023])
def test_a_killed_writer_leaves_whole_files_only(tmp_path: Path, moment: float) -> None:
    with subprocess.Popen([sys.executable, "-c", _WRITER, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        threading.Event().wait(moment)
        process.send_signal(signal.SIGKILL)
    named = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    assert all(path.stat().st_size == 100_000 for path in named)


def test_a_new_or_an_empty_folder_becomes_ours_and_stays_so(tmp_path: Path) -> None:
    for folder in (tmp_path / "new" / "deep", tmp_path / "empty"):
        if folder.name == "empty":
            folder.mkdir()
        files.claim_folder(folder, "a corpus")
        (folder / "notes.txt").write_text("mine", encoding="utf-8")
        files.claim_folder(folder, "a corpus")
        with pytest.raises(DataError, match="holds a corpus, not prepared data: choose another folder"):
            files.claim_folder(folder, "prepared data")


def test_a_folder_of_somebody_else_is_refused_and_untouched(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds thesis\.txt and is not a corpus: choose another folder"):
        files.claim_folder(tmp_path, "a corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    with pytest.raises(InvalidInputError, match="is a file: a folder for a corpus is expected"):
        files.claim_folder(tmp_path / "thesis.txt", "a corpus")


@pytest.mark.parametrize("mark", ["", "[]", "{}", '{"kind": 7}', "[" * 100_000])
def test_a_mark_that_is_not_ours_makes_no_folder_ours(tmp_path: Path, mark: str) -> None:
    (tmp_path / files.MARK).write_text(mark, encoding="utf-8")
    with pytest.raises(DataError, match="choose another folder"):
        files.claim_folder(tmp_path, "a corpus")


def test_what_a_killed_process_left_does_not_make_a_folder_somebody_elses(tmp_path: Path) -> None:
    files.part_of(tmp_path / files.MARK).write_text("{", encoding="utf-8")
    (tmp_path / files.LOCK).touch()
    files.claim_folder(tmp_path, "a corpus")
    assert (tmp_path / files.MARK).is_file()


def test_a_lock_that_is_taken_is_reported_and_free_afterwards(tmp_path: Path) -> None:
    with files.locked(tmp_path), pytest.raises(InvalidInputError, match="another training writes here"):  # noqa: SIM117
        with files.locked(tmp_path, busy="another training writes here"):
            pass
    with files.locked(tmp_path, busy="another training writes here"):
        pass


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EIO])
def test_a_refusal_of_the_machine_is_known_behind_other_errors(number: int) -> None:

    def fail() -> None:
        try:
            raise OSError(number, "refused")
        except OSError as error:
            raise RuntimeError("something failed") from error

    with pytest.raises(RuntimeError, match="something failed") as caught:
        fail()
    assert files.is_refusal(caught.value)
    assert files.is_refusal(MemoryError())
    assert not files.is_refusal(FileNotFoundError(errno.ENOENT, "no such file"))
    assert not files.is_refusal(ValueError())


def test_what_the_system_refuses_gets_the_name_of_its_file_where_it_has_none(tmp_path: Path) -> None:
    def refuse(*name: str) -> None:
        with files.named(tmp_path / "a.bin"):
            raise OSError(errno.ENOSPC, "full", *name)

    for names, expected in (((), str(tmp_path / "a.bin")), (("b.bin",), "b.bin")):
        with pytest.raises(OSError, match="full") as caught:
            refuse(*names)
        assert caught.value.filename == expected
    with pytest.raises(OSError, match="full") as caught, files.whole(tmp_path / "c.bin"):
        raise OSError(errno.ENOSPC, "full")
    assert caught.value.filename == str(tmp_path / "c.bin")
    with pytest.raises(OSError, match="of ours") as caught, files.named("a"):
        raise CheckpointError("of ours")
    assert caught.value.filename is None


def test_only_what_processes_left_unfinished_is_cleared(tmp_path: Path) -> None:
    left = [files.part_of(tmp_path / name) for name in ("a.npy", "b", "c.jsonl")]
    theirs = [
        tmp_path / name for name in ("music.part", ".mine.part.wav", ".0123456789ab.wav", "0123456789ab.part.wav")
    ]
    for path in (*left, *theirs):
        path.touch()
    files.clear_parts(tmp_path)
    assert sorted(tmp_path.iterdir()) == sorted(theirs)
    files.clear_parts(tmp_path / "gone")


def test_a_lock_with_content_is_somebodys(tmp_path: Path) -> None:
    (tmp_path / files.LOCK).write_text("mine", encoding="utf-8")
    with pytest.raises(DataError, match=r"holds \.lock and is not a corpus"):
        files.claim_folder(tmp_path, "a corpus")


def test_a_file_that_can_be_read_to_its_end_is_readable(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(3 << 20))
    files.check_readable(tmp_path / "a")
    with pytest.raises(FileNotFoundError) as caught:
        files.check_readable(tmp_path / "b")
    assert caught.value.filename == str(tmp_path / "b")


def test_only_listed_files_are_removed(tmp_path: Path) -> None:
    folder = tmp_path / "shard"
    folder.mkdir()
    for name in ("a.npy", "theirs.txt"):
        (folder / name).touch()
    files.remove_listed(folder, ["a.npy", "gone.npy"])
    assert [path.name for path in folder.iterdir()] == ["theirs.txt"]
    files.remove_listed(folder, ["theirs.txt"])
    assert not folder.exists()


def test_several_files_become_whole_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "theirs.txt").write_bytes(b"theirs")
    (tmp_path / "a.txt").write_bytes(b"old")

    def make(fail: bool) -> list[str]:
        with files.scratch(tmp_path / "x") as folder:
            (folder / "b").mkdir()
            (folder / "a.txt").write_bytes(b"new")
            (folder / "b" / "c.txt").write_bytes(b"new")
            if fail:
                raise RuntimeError("cut")
            return files.move_into(folder, tmp_path)

    with pytest.raises(RuntimeError, match="cut"):
        make(True)
    assert (tmp_path / "a.txt").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.txt", "b"]
    assert make(False) == ["a.txt", "b/c.txt"]
    assert (tmp_path / "a.txt").read_bytes() == (tmp_path / "b" / "c.txt").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.txt", "b", "c.txt", "theirs.txt"]


def test_what_a_killed_process_left_as_a_folder_is_cleared_too(tmp_path: Path) -> None:
    part = files.part_of(tmp_path / "export")
    (part / "unet").mkdir(parents=True)
    files.clear_parts(tmp_path)
    assert not part.exists()


def test_a_line_is_added_whole_and_after_whole_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log.jsonl"
    files.append_line(path, "eins")
    files.append_line(path, "zwei ä")
    assert path.read_bytes() == "eins\nzwei ä\n".encode()
    path.write_bytes(b"eins\nzw")
    files.append_line(path, "drei")
    assert path.read_bytes() == b"eins\ndrei\n"
    path.write_bytes(b"cut")
    files.append_line(path, "eins")
    assert path.read_bytes() == b"eins\n"
    with SimulatedDisk(tmp_path, room=3), pytest.raises(OSError, match="No space left") as caught:
        files.append_line(path, "a line that has no room")
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"eins\n"


def test_a_path_is_inside_a_folder_by_any_of_its_names(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert files.is_inside(tmp_path / "a", tmp_path / "a")
    assert files.is_inside(tmp_path / "a" / "b" / "new" / "deep", tmp_path / "a")
    assert files.is_inside(tmp_path / "c" / ".." / "a" / "b", tmp_path / "a")
    assert not files.is_inside(tmp_path, tmp_path / "a")
    assert not files.is_inside(tmp_path / "ab", tmp_path / "a")
    assert not files.is_inside(tmp_path / "none" / "x", tmp_path / "none")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege")
def test_a_path_is_inside_a_folder_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a", target_is_directory=True)
    assert files.is_inside(tmp_path / "link" / "new", tmp_path / "a")
    assert files.is_inside(tmp_path / "a", tmp_path / "link")


class Library(Exception):
    """An error of a library of its own."""


@pytest.mark.parametrize(
    "error",
    [
        Library("I/O error: no room (os error 28)"),
        RuntimeError("write failed: No space left on device"),
        OSError(28, ""),
    ],
)
def test_what_a_library_says_of_a_full_disk_is_said_as_the_system_says_it(error: Exception, tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught, files.whole(tmp_path / "a"):  # noqa: PT011
        raise error
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, str(tmp_path / "a"))


def test_an_error_without_a_reason_is_a_full_disk_where_there_is_no_room(tmp_path: Path) -> None:
    def fail() -> None:
        with files.whole(tmp_path / "a") as part:
            part.write_bytes(b"12345")
            raise Library("5 requested and 3 written")

    with SimulatedDisk(tmp_path, room=1000), pytest.raises(OSError, match="No space left"):
        fail()
    with pytest.raises(Library, match="5 requested"):
        fail()
    assert list(tmp_path.iterdir()) == []

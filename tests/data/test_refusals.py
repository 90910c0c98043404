"""What the machine refuses is told as that, and never becomes a file's fault or a gap in what was made before."""

import errno
import json
import os
import shutil
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from musicldm.audio import reading
from musicldm.data import cutting, sources
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import Prepared, prepare
from musicldm.data.sounds import decode
from musicldm.data.store import ClipStore
from musicldm.errors import DataError
from musicldm.evaluation.clips import find_music
from musicldm.evaluation.features import FeatureOptions, extract_group
from musicldm.events import Event, Progress
from musicldm.novelty.build import build_index
from musicldm.novelty.clips import read_clips
from tests.tiny_music import tiny_embedder

from .conftest import HERE, SETTINGS, contents, report, tones, write_tone


def run(src: Path, out: Path, settings: PrepareSettings = SETTINGS, **options: object) -> Prepared:
    return prepare(src, out, settings, pool=HERE, **options)


class BadDisk:
    """A file that the disk stops giving after some bytes."""

    def __init__(self, file: Any, number: int, after: int) -> None:
        self._file, self._number, self._left = file, number, after
        self.name = file.name

    def _check(self, size: int) -> None:
        self._left -= size
        if self._left < 0:
            raise OSError(self._number, os.strerror(self._number))

    def readinto(self, buffer: Any) -> int:
        self._check(len(buffer))
        return self._file.readinto(buffer)

    def read(self, size: int = -1) -> bytes:
        self._check(max(size, 1))
        return self._file.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> "BadDisk":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".mp3"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_bad_disk_is_reported_with_the_file_and_nothing_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, number: int, share: float, capfd: Any
) -> None:
    """libsndfile takes what was read before for the whole file, so that a part of it would be music without a word."""
    src = tmp_path / "src"
    src.mkdir()
    soundfile.write(src / f"a{suffix}", np.random.default_rng(0).uniform(-0.3, 0.3, 8 * 16000), 16000)
    (src / "a.txt").write_text("a", encoding="utf-8")
    real, after = cutting.decode, int(share * (src / f"a{suffix}").stat().st_size)
    monkeypatch.setattr(cutting, "decode", lambda file, *rest: real(BadDisk(file, number, after), *rest))
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        run(src, tmp_path / "out")
    assert (caught.value.errno, caught.value.filename) == (number, str(src / f"a{suffix}"))
    assert list((tmp_path / "out" / "shards").iterdir()) == []
    assert capfd.readouterr().err == "", "cffi shows what callbacks raise"
    monkeypatch.undo()
    assert run(src, tmp_path / "out").clips == 8


def test_a_broken_header_that_leads_before_the_first_byte_is_the_files_fault(tmp_path: Path) -> None:
    class Lost(BadDisk):
        def seek(self, offset: int, whence: int = 0) -> int:
            raise OSError(errno.EINVAL, "Invalid argument")

    path = write_tone(tmp_path / "a.wav")
    with path.open("rb") as file, pytest.raises(DataError, match="no audio that can be read"):
        decode(Lost(file, 0, 1 << 30), ".wav", 16000, tmp_path)


@pytest.mark.parametrize("where", ["looking", "cutting", "folder", "beside", "tar"])
@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_a_refusal_at_any_place_ends_the_run_and_leaves_every_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_shards: None, where: str, number: int
) -> None:
    src = tones(tmp_path / "src", 4)
    (src / "sub").mkdir()
    with tarfile.open(src / "sub" / "x.tar", "w") as tar:
        for path in sorted(src.glob("00.*")):
            tar.add(path, path.name)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    write_tone(src / "02.wav", 2.0)

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number), str(src / "02.wav"))

    if where == "looking":
        monkeypatch.setattr(sources.Source, "open", refuse)
    elif where == "cutting":
        monkeypatch.setattr(cutting, "decode", refuse)
    elif where == "folder":
        real = os.scandir
        monkeypatch.setattr(os, "scandir", lambda path: refuse() if str(path).endswith("sub") else real(path))
    elif where == "beside":
        monkeypatch.setattr(Path, "read_bytes", refuse)
    else:
        monkeypatch.setattr(tarfile, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        run(src, tmp_path / "out")
    monkeypatch.undo()
    monkeypatch.setattr("musicldm.data.shards.SHARD_BYTES", 60_000)
    assert {**contents(tmp_path / "out"), **before} == contents(tmp_path / "out")
    run(src, tmp_path / "out")
    run(src, tmp_path / "fresh")
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


def test_a_disk_that_is_unmounted_on_the_way_takes_no_shard_with_it(tmp_path: Path, small_shards: None) -> None:
    src = tones(tmp_path / "src", 4)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    looked = []

    def unmount(event: Event) -> None:
        looked.append(event.what)
        if event == Progress(2, event.total, "Looking"):
            for path in src.iterdir():
                path.unlink()

    with pytest.raises(FileNotFoundError) as caught:
        run(src, tmp_path / "out", listen=unmount)
    assert Path(caught.value.filename).parent == src
    assert contents(tmp_path / "out") == before
    with pytest.raises(DataError, match="src holds no audio"):
        run(src, tmp_path / "out")
    shutil.rmtree(src)
    with pytest.raises(DataError, match="src: no such folder"):
        run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    assert run(tones(src, 4), tmp_path / "out").worked_on == 0


def test_files_that_vanished_are_reported_and_their_clips_go_at_the_end(tmp_path: Path, small_shards: None) -> None:
    src = tones(tmp_path / "src", 4)
    run(src, tmp_path / "out")
    for name in ("01.wav", "03.wav"):
        (src / name).unlink()
    assert run(src, tmp_path / "out").gone == ("01.wav", "03.wav")
    assert run(src, tmp_path / "out").gone == ()
    assert {row.source for row in ClipStore(tmp_path / "out").rows} == {"00.wav", "02.wav"}


def test_other_music_takes_no_shard_away(tmp_path: Path) -> None:
    run(tones(tmp_path / "src", 3), tmp_path / "out")
    before = contents(tmp_path / "out")
    write_tone(tmp_path / "other" / "song.wav", 2.0, 777)
    (tmp_path / "other" / "song.txt").write_text("another", encoding="utf-8")
    with pytest.raises(DataError, match=r"out holds other music, none of its 3 files is in .*other: choose another"):
        run(tmp_path / "other", tmp_path / "out")
    assert contents(tmp_path / "out") == before
    shutil.copytree(tmp_path / "src", tmp_path / "moved" / "below")
    assert run(tmp_path / "moved", tmp_path / "out").clips == 6, "the same music under other names is the same music"


def test_a_run_that_gives_no_clip_leaves_the_clips_that_are_there(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 2)
    run(src, tmp_path / "out")
    before = {name: content for name, content in contents(tmp_path / "out").items() if name != "report.jsonl"}
    for path in src.glob("*.wav"):
        path.write_bytes(b"no sound" * 100)
    with pytest.raises(DataError, match=r"gave no clip \(2 corrupt\)"):
        run(src, tmp_path / "out")
    assert {**contents(tmp_path / "out"), **before} == contents(tmp_path / "out")
    assert len(ClipStore(tmp_path / "out")) == 4
    assert [entry["reason"] for entry in report(tmp_path / "out")] == ["corrupt", "corrupt"]


def test_a_folder_without_permission_is_reported_and_what_it_held_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    src = tones(tmp_path / "src", 2)
    (src / "lost+found").mkdir()
    real = os.scandir
    closed = ["lost+found"]

    def scandir(path: Any) -> Any:
        if Path(path).name in closed:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    run(src, tmp_path / "out")
    assert [(entry["file"], entry["reason"]) for entry in report(tmp_path / "out")] == [("lost+found", "unreadable")]
    tones(src / "sub", 1)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    closed.append("sub")
    with pytest.raises(PermissionError) as caught:
        run(src, tmp_path / "out")
    assert caught.value.filename == str(src / "sub")
    assert contents(tmp_path / "out") == before


def test_a_link_to_nowhere_is_the_files_fault(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 1)
    (src / "b.wav").symlink_to(tmp_path / "gone.wav")
    (src / "b.txt").write_text("b", encoding="utf-8")
    run(src, tmp_path / "out")
    assert [(entry["file"], entry["reason"]) for entry in report(tmp_path / "out")] == [("b.wav", "unreadable")]


def test_a_package_that_comes_later_makes_its_files_readable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("av", reason="needs PyAV: pip install 'musicldm[aac]'")
    src = tones(tmp_path / "src", 1)
    write_tone(src / "b.wav").rename(src / "b.m4a")  # FFmpeg looks into it
    (src / "b.txt").write_text("b", encoding="utf-8")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "av", None)
        assert dict(run(src, tmp_path / "out").left_out) == {"unreadable": 1}
    assert dict(run(src, tmp_path / "out").left_out) == {}


def test_a_shard_in_which_an_earlier_version_blamed_a_file_is_made_again(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 2)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    (path,) = (tmp_path / "out" / "shards").glob("*/shard.json")
    content = json.loads(path.read_text(encoding="utf-8"))
    content["report"] = [{"file": "01.wav", "reason": "unreadable", "detail": "No space left on device"}]
    path.write_text(json.dumps(content), encoding="utf-8")
    run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("lost", ["waves.npy", "clips.jsonl", "shard.json", "half of shard.json"])
def test_a_shard_that_lost_a_file_is_made_again(tmp_path: Path, lost: str) -> None:
    src = tones(tmp_path / "src", 2)
    run(src, tmp_path / "out")
    before = contents(tmp_path / "out")
    (path,) = (tmp_path / "out" / "shards").glob(f"*/{lost.rpartition(' ')[2]}")
    if lost.startswith("half"):
        path.write_text("{", encoding="utf-8")
    else:
        path.unlink()
    run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before


@pytest.mark.parametrize("name", ["manifest.json", "report.jsonl"])
def test_somebodys_file_under_a_name_beside_the_shards_stays_and_is_named(tmp_path: Path, name: str) -> None:
    src = tones(tmp_path / "src", 1)
    run(src, tmp_path / "out")
    (tmp_path / "out" / name).write_text("of somebody else\n", encoding="utf-8")
    before = contents(tmp_path / "out")
    with pytest.raises(DataError, match=rf"{name} is not of prepared data, and its name is needed: move it away"):
        run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before


def test_a_file_in_the_folder_of_a_shard_stays_when_that_is_taken_away_or_made_again(tmp_path: Path) -> None:
    src = tones(tmp_path / "src", 2)
    run(src, tmp_path / "out")
    (shard,) = (tmp_path / "out" / "shards").iterdir()
    (shard / "notes.txt").write_text("mine", encoding="utf-8")
    before = contents(tmp_path / "out")
    (shard / "shard.json").unlink()
    run(src, tmp_path / "out")
    assert contents(tmp_path / "out") == before
    write_tone(src / "01.wav", 2.0)
    run(src, tmp_path / "out")
    assert [path.name for path in shard.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize("number", [errno.EIO, errno.EMFILE])
def test_listening_and_indexing_do_not_blame_files_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    src = tones(tmp_path / "src", 2, seconds=2.0)
    pieces = find_music(src)

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", refuse)
        with pytest.raises(OSError, match=os.strerror(number)):
            build_index(src, tmp_path / "index", tiny_embedder())
        assert not (tmp_path / "index").exists()

    def fail(*_: object, **__: object) -> Any:
        raise RuntimeError("System error")

    monkeypatch.setattr(soundfile, "SoundFile", fail)
    assert [one.reason for one in extract_group(pieces, FeatureOptions())] == ["unreadable", "unreadable"]
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(number)) as caught:
        extract_group(pieces, FeatureOptions())
    assert caught.value.filename == str(src / "00.wav")


@pytest.mark.parametrize(("number", "expected"), [(errno.EIO, OSError), (errno.EMFILE, OSError), (None, DataError)])
def test_an_index_is_not_called_damaged_where_the_machine_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, expected: type[Exception]
) -> None:
    (tmp_path / "clips.jsonl.gz").write_bytes(b"no gzip")

    def refuse(_: Path) -> bytes:
        raise OSError(number, os.strerror(number or 0))

    if number is not None:
        monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(expected, match="Not a gzipped" if number is None else os.strerror(number)):
        read_clips(tmp_path / "clips.jsonl.gz", tmp_path / "beats.npz")


def test_reading_a_file_reports_a_refusal_of_the_system_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_tone(tmp_path / "a.wav")
    junk = tmp_path / "junk.wav"
    junk.write_bytes(b"junk" * 100)
    with pytest.raises(DataError, match="not an audio file that can be read"):
        reading.read(junk)

    def fail(*_: object, **__: object) -> Any:
        raise soundfile.LibsndfileError(2)

    def refuse(*_: object, **__: object) -> Any:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(soundfile, "read", fail)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(OSError, match=os.strerror(errno.EMFILE)) as caught:
        reading.read(path)
    assert caught.value.filename == str(path)

"""Runs that get SIGTERM or SIGKILL at random moments leave whole files or none, and go on to the same bytes.

A moment is a number of things that were done with the files of the folder (opened, renamed, linked, removed, …), so
that it is the same one on every machine; what was written since and is not yet on the disk is lost.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .test_foreign_files import hashes, songs

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")

PROGRAM = """
import os, sys
from pathlib import Path
import numpy as np
import torch
from musicldm.corpus import build
from musicldm.data import shards
from musicldm.machine.parallel import WorkerPool
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare

torch.set_num_threads(1)
shards.SHARD_BYTES = 20_000

def noise(score, fonts, *, sample_rate, channels):
    rng = np.random.default_rng(score.truth.seed)
    return rng.uniform(-0.5, 0.5, (channels, round(score.truth.duration * sample_rate))).astype(np.float32)

build.SoundFont, build.render = str, noise
what, model = sys.argv[1], Path(sys.argv[2])

def run(out):
    if what == "corpus":
        build.build_corpus(out, clips=12, seconds=1.0, workers=1, soundfonts=[Path("any.sf2")])
    else:
        settings = PrepareSettings(seconds=1.0, beats="metadata")
        prepare(Path("songs"), out, settings, model=model, device="cpu", pool=WorkerPool(workers=1))

events, last, folder, number = 0, -1, "", 0

def hook(event, arguments):
    global events
    if folder and event.partition(".")[0] in ("open", "os") and any(folder in str(one) for one in arguments):
        events += 1
        if events == last:
            os.kill(os.getpid(), number)

run(Path("warm"))
sys.addaudithook(hook)
folder = "expected"
run(Path("expected"))
print(events, flush=True)
for line in sys.stdin:
    folder, number, last = line.split()
    number, last, events = int(number), int(last), 0
    child = os.fork()
    if not child:
        run(Path(folder))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


class Runs:
    """A process that has loaded everything, has made `expected`, and runs a fork of itself for each call."""

    def __init__(self, what: str, model: Path) -> None:
        Path("program.py").write_text(PROGRAM, encoding="utf-8")
        arguments = [sys.executable, "program.py", what, str(model)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        self._process = subprocess.Popen(arguments, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, **pipes)

        self.moments = self._answer()

    def __call__(self, out: Path, number: int = 0, moment: int = -1) -> int:
        """The exit code of a run, which sends itself a signal at a moment."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{out} {number} {moment}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, self._process.communicate()[1]
        return int(line)

    def __enter__(self) -> Runs:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()


def check_whole(out: Path, expected: Path) -> None:
    """Every file that has its name is what it will be at the end; rows and records are of what is there."""
    made, wanted = hashes(out), hashes(expected)
    for name, digest in made.items():
        path = out / name
        if path.name.startswith(".") or name.startswith("work/"):
            continue
        if name == "metadata.partial.jsonl":
            rows = path.read_bytes()
            assert (expected / "metadata.jsonl").read_bytes().startswith(rows)
            assert all((out / json.loads(row)["file_name"]).is_file() for row in rows.split(b"\n")[:-1])
        elif path.name == "shard.json":  # arrays of a model come into it later
            files = json.loads(path.read_text(encoding="utf-8"))["files"]
            below = path.parent.relative_to(out).as_posix()
            assert {f"{below}/{one}": about["sha256"] for one, about in files.items()}.items() <= made.items()
        else:
            assert digest == wanted[name], name


@pytest.mark.parametrize("what", ["corpus", "prepare"])
def test_a_run_that_is_killed_at_any_moment_leaves_whole_files_and_goes_on(
    what: str, tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    songs(3)
    Path("any.sf2").touch()
    rng, expected = random.Random(0), Path("expected")
    with Runs(what, tiny_model_dir) as run:
        for number, count in ((signal.SIGTERM, 2), (signal.SIGKILL, 3)):
            for moment in rng.sample(range(1, run.moments + 1), count):
                out = Path(f"{number.name}-{moment}")
                assert run(out, number, moment) == -number
                check_whole(out, expected)
                run(out, number, rng.randint(1, run.moments - moment + 1))
                check_whole(out, expected)
                assert run(out) == 0
                assert hashes(out) == hashes(expected)

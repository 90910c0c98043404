"""One process, two, a Ray cluster that loses a worker, and runs that are killed: the same bytes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from musicldm.data.prepare import prepare
from musicldm.errors import InvalidInputError, MissingDependencyError
from musicldm.machine.parallel import WorkerPool

from .conftest import HERE, SETTINGS, contents, tones

PROGRAM = """
import sys
from pathlib import Path
from musicldm.data import shards
from musicldm.machine.parallel import WorkerPool
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare

shards.SHARD_BYTES = 60_000
if __name__ == "__main__":
    pool = WorkerPool(workers=int(sys.argv[3]))
    prepare(Path(sys.argv[1]), Path(sys.argv[2]), PrepareSettings(seconds=1.0, beats="metadata"), pool=pool)
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return tones(tmp_path / "src", 24)


@pytest.fixture
def expected(source: Path, tmp_path: Path, small_shards: None) -> dict[str, bytes]:
    """What one process makes without a break."""
    prepare(source, tmp_path / "expected", SETTINGS, pool=HERE)
    return dict(contents(tmp_path / "expected"))


def started(tmp_path: Path, source: Path, workers: int = 1) -> subprocess.Popen[bytes]:
    (tmp_path / "program.py").write_text(PROGRAM, encoding="utf-8")
    arguments = [tmp_path / "program.py", source, tmp_path / "out", workers]
    return subprocess.Popen([sys.executable, *map(str, arguments)], start_new_session=True, stderr=subprocess.PIPE)


def finished(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=180)
    assert process.returncode == 0, said.decode()


def wait_for(there: object, process: subprocess.Popen[bytes]) -> None:
    assert callable(there)
    end = time.monotonic() + 120
    while not there() and process.poll() is None:
        assert time.monotonic() < end
        time.sleep(0.002)


def test_two_workers_make_what_one_makes(tmp_path: Path, source: Path, expected: dict[str, bytes]) -> None:
    finished(started(tmp_path, source, workers=2))
    assert contents(tmp_path / "out") == expected


@pytest.mark.skipif(sys.platform == "win32", reason="kills a group of processes")
def test_runs_that_are_killed_go_on_to_the_same_bytes(tmp_path: Path, small_shards: None) -> None:
    """Killed while looking, in the first shard, between shards and, at random, twice more, in many files."""
    source, out = tones(tmp_path / "src", 120), tmp_path / "out"
    prepare(source, tmp_path / "expected", SETTINGS, pool=HERE)
    expected = dict(contents(tmp_path / "expected"))
    rng = random.Random(0)

    def shards() -> int:
        return len(list(out.glob("shards/*/shard.json")))

    done = 0
    points = [
        lambda: (out / ".lock").exists(),
        lambda: any(out.glob("work/*/waves.npy")),
        lambda: shards() > done,
        lambda: shards() > done and rng.random() < 0.1,
        lambda: shards() > done and any(out.glob("work/*/clips.jsonl")),
    ]
    for point in points:
        process = started(tmp_path, source)
        wait_for(point, process)
        assert process.poll() is None, "it was to be killed before its end"
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        assert shards() >= done, "what is done is kept"
        assert not (out / "manifest.json").exists()
        done = shards()
    assert 0 < done < json.loads((tmp_path / "expected" / "manifest.json").read_text())["files"]
    prepare(source, out, SETTINGS, pool=HERE)
    assert contents(out) == expected


@pytest.mark.skipif(sys.platform != "linux", reason="finds the worker in /proc")
def test_a_lost_worker_is_one_line_and_the_rest_is_done_later(
    tmp_path: Path, source: Path, expected: dict[str, bytes]
) -> None:
    process = started(tmp_path, source, workers=2)
    wait_for(lambda: any((tmp_path / "out").glob("shards/*/shard.json")), process)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [int(pid) for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    os.kill(workers[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert said.decode().splitlines()[-1].startswith("ChildProcessError: a worker was killed: fewer --workers")
    finished(started(tmp_path, source, workers=2))
    assert contents(tmp_path / "out") == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "spark"}, "unknown engine 'spark': choose one of local, ray"),
        ({"workers": 0}, "workers 0: at least 1"),
        ({"address": "auto"}, "address 'auto' needs engine ray"),
    ],
)
def test_engines_without_meaning_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        WorkerPool(**options)  # type: ignore[arg-type]


ITEMS = [[0] * size for size in (3, 0, 5, 1, 2)]


def test_two_processes_give_each_items_own_result() -> None:
    assert sorted(WorkerPool(workers=2)(len, ITEMS)) == list(enumerate(map(len, ITEMS)))
    assert list(WorkerPool(workers=1)(len, ITEMS)) == list(enumerate(map(len, ITEMS)))
    assert list(WorkerPool("ray")(len, [])) == []


def lacking(extra: str) -> None:
    raise MissingDependencyError("av", extra)


def test_a_package_that_a_worker_lacks_is_named_and_not_taken_for_its_end() -> None:
    with pytest.raises(MissingDependencyError, match=r'av is not installed: pip install "musicldm\[aac\]"'):
        list(WorkerPool(workers=2)(lacking, ["aac", "aac"]))


@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
def test_ray_gives_each_items_own_result(tmp_path: Path) -> None:
    """In a process of its own, as Ray's threads and warnings outlive it."""
    program = tmp_path / "program.py"
    program.write_text(
        "from functools import partial\nfrom musicldm.machine.parallel import WorkerPool\n"
        f"print(sorted(WorkerPool('ray', 2)(partial(max, default=7), {ITEMS})))\n"
    )
    said = subprocess.run([sys.executable, program], check=True, capture_output=True, text=True, timeout=180).stdout
    assert said.splitlines()[-1] == str([(0, 0), (1, 7), (2, 0), (3, 0), (4, 0)])


CLUSTER_PROGRAM = """
import json
import ray
from ray.cluster_utils import Cluster
from musicldm.machine.parallel import WorkerPool

def where(item):
    return ray.get_runtime_context().get_node_id()

cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
cluster.add_node(num_cpus=1)
ran = dict(WorkerPool("ray", address=cluster.address)(where, list(range(4))))
left = not ray.is_initialized()
ray.init(address=cluster.address, logging_level="error")
nodes = [node["NodeID"] for node in ray.nodes() if node["Alive"]]
print(json.dumps({"ran": ran, "left": left, "nodes": nodes}))
"""


@pytest.mark.skipif(find_spec("ray") is None, reason="needs the extra ray")
def test_work_is_done_on_the_cluster_of_an_address_which_goes_on(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(CLUSTER_PROGRAM, encoding="utf-8")
    eager = {**os.environ, "RAY_worker_niceness": "0"}
    done = subprocess.run(
        [sys.executable, tmp_path / "program.py"], check=True, capture_output=True, text=True, timeout=180, env=eager
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert sorted(told["ran"]) == ["0", "1", "2", "3"]
    assert len(told["nodes"]) == 2
    assert set(told["ran"].values()) <= set(told["nodes"])
    assert told["left"]


RAY_PROGRAM = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from musicldm.data import shards
from musicldm.machine.parallel import WorkerPool
from musicldm.data.manifest import PrepareSettings
from musicldm.data.prepare import prepare

shards.SHARD_BYTES = 60_000
SETTINGS = PrepareSettings(seconds=1.0, beats="model")

def slow_tracker():
    def track(wave, rate):
        time.sleep(0.2)
        return SimpleNamespace(beats=[0.5], downbeats=[0.5], tempo=60.0, meter=1)
    return track

if __name__ == "__main__":
    pool = WorkerPool("ray", workers=2) if len(sys.argv) == 3 else WorkerPool(workers=1)
    prepare(Path(sys.argv[1]), Path(sys.argv[2]), SETTINGS, pool=pool, tracker=slow_tracker)
"""


def ray_workers(driver: int) -> list[int]:
    """Processes below a driver that are at work for Ray Data."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if not (folder / "cmdline").read_bytes().startswith(b"ray::Map"):
                continue
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            above = int(Path(f"/proc/{parent}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if driver in (parent, above):
            found.append(int(folder.name))
    return found


@pytest.mark.skipif(find_spec("ray") is None, reason="needs Ray: the extra ray")
def test_a_ray_cluster_that_loses_a_worker_makes_what_one_process_makes(tmp_path: Path, source: Path) -> None:
    (tmp_path / "program.py").write_text(RAY_PROGRAM, encoding="utf-8")
    command = [sys.executable, str(tmp_path / "program.py"), str(source)]
    eager = {**os.environ, "RAY_worker_niceness": "0"}  # on a busy machine workers wait for minutes at Ray's 15
    process = subprocess.Popen(
        [*command, str(tmp_path / "out")], start_new_session=True, stderr=subprocess.PIPE, env=eager
    )
    try:
        wait_for(lambda: any((tmp_path / "out").glob("shards/*/shard.json")), process)
        lost: list[int] = []
        wait_for(lambda: lost.extend(ray_workers(process.pid)[:1]) or lost, process)
        os.kill(lost[0], signal.SIGKILL)
        assert not (tmp_path / "out" / "manifest.json").exists(), "a worker was to be lost on the way"
        finished(process)
    finally:
        process.kill()
    subprocess.run([*command, str(tmp_path / "expected"), "0"], check=True, timeout=120)
    assert contents(tmp_path / "out") == contents(tmp_path / "expected")

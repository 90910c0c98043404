"""The package runs on Linux, macOS and Windows: what is absent on one of them is not asked for there."""

from __future__ import annotations

import ast
import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from musicldm import files
from musicldm.cli.output import escape_what_does_not_fit, reader_is_gone
from musicldm.corpus.sound import soundfonts
from musicldm.errors import CheckpointError, DataError, InvalidInputError
from musicldm.files import read_lines
from musicldm.generation.naming import Target, check_name, slug
from musicldm.machine import cores as machine
from musicldm.machine import memory
from musicldm.model import checksums
from musicldm.model.hub import is_hub_id

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "musicldm"
SOURCES = sorted(path for path in PACKAGE.rglob("*.py"))


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


UNIX_MODULES = words(
    "crypt curses fcntl grp nis ossaudiodev posix pty pwd readline resource spwd syslog termios tty uvloop"
)
WINDOWS_MODULES = words("_winapi msvcrt nt winreg winsound")
UNIX_NAMES = {
    "os": words(
        """chown chroot fchmod fchown fork forkpty geteuid getegid getgid getgroups getloadavg getpgid getpgrp
        getpriority getsid getuid killpg lchown memfd_create mkfifo mknod nice openpty pathconf posix_fadvise
        posix_fallocate posix_spawn pread pwrite sched_getaffinity sched_setaffinity sched_yield sendfile setgid setpgid
        setpriority setsid setuid statvfs sync sysconf tcgetpgrp uname wait wait3 wait4 O_CLOEXEC O_DIRECTORY O_NOFOLLOW
        O_NONBLOCK O_TMPFILE WEXITSTATUS WIFEXITED WNOHANG"""
    ),
    "signal": words(
        """SIGALRM SIGCHLD SIGCONT SIGHUP SIGIO SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGWINCH alarm
        pause pthread_kill pthread_sigmask setitimer siginterrupt sigwait"""
    ),
    "time": words("tzset clock_gettime pthread_getcpuclockid"),
    "mmap": words("MAP_PRIVATE MAP_SHARED MADV_DONTNEED PROT_READ"),
    "socket": words("AF_UNIX"),
}
UNIX_PLACES = ("/dev/", "/etc/", "/opt/", "/proc/", "/sys/", "/tmp", "/usr/", "/var/")
MADE_FOR = {
    "corpus/sound/soundfonts.py": "places of each system",
    "machine/cores.py": "/sys/: read where it is there",
    "machine/memory.py": "/proc/: read on Linux alone",
}
"""Modules with a place of one system in them, each with a test below."""


def guarded(parents: list[ast.AST]) -> bool:
    """Whether code stands under a question for the system, or where it may fail."""
    for parent in parents:
        if isinstance(parent, ast.If | ast.IfExp):
            asked = ast.unparse(parent.test)
            if any(words in asked for words in ("sys.platform", "os.name", "hasattr")):
                return True
        if isinstance(parent, ast.Try):
            caught = " ".join(ast.unparse(handler.type) for handler in parent.handlers if handler.type)
            if "ImportError" in caught or "AttributeError" in caught:
                return True
    return False


def with_parents(node: ast.AST, parents: list[ast.AST]) -> Iterator[tuple[ast.AST, list[ast.AST]]]:
    yield node, parents
    for child in ast.iter_child_nodes(node):
        yield from with_parents(child, [*parents, node])


def of_one_system(source: str) -> list[str]:
    """What a source text takes from modules that one of the systems lacks, without asking first."""
    found = []
    for node, parents in with_parents(ast.parse(source), []):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.partition(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            top = node.module.partition(".")[0]
            names = [top, *(f"{top}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]
        for name in names:
            module, _, inner = name.partition(".")
            lacking = name in UNIX_MODULES | WINDOWS_MODULES or inner in UNIX_NAMES.get(module, ())
            if lacking and not guarded(parents):
                found.append(f"line {node.lineno}: {name}")  # type: ignore[attr-defined]
    return found


def texts_in_the_systems_way(source: str) -> list[int]:
    """Lines that read or write text without saying its encoding, or write it without saying how lines end."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        method = isinstance(node.func, ast.Attribute)
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        said = {keyword.arg for keyword in node.keywords}
        words = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
        words += [one.value.value for one in node.keywords if one.arg == "mode" and isinstance(one.value, ast.Constant)]
        mode = next((word for word in words if word and set(word) <= set("rwaxbt+")), "r")
        others = {"tarfile", "av", "archive", "source", "Checker"}  # their open is not that of files
        if called == "open" and isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") in others:
            continue
        opens = called == "open" and "b" not in mode and ast.unparse(node.func) != "os.open"
        writes = called == "write_text" or (opens and set(mode) & set("wax"))
        if (writes and not {"encoding", "newline"} <= said) or (
            ((called == "read_text" and method) or opens) and "encoding" not in said
        ):
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_module_asks_for_nothing_that_one_system_lacks(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert of_one_system(source) == []
    assert texts_in_the_systems_way(source) == []
    if path.relative_to(PACKAGE).as_posix() not in MADE_FOR:
        constants = (node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant))
        assert [text for text in constants if isinstance(text, str) and text.startswith(UNIX_PLACES)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import fcntl",
        "from resource import getrusage",
        "def late():\n    import pwd",
        "import os\nos.fork()",
        "from os import getuid",
        "import signal\nsignal.signal(signal.SIGHUP, signal.SIG_DFL)",
        "import winreg",
    ],
)
def test_the_rule_finds_what_one_system_lacks(source: str) -> None:
    assert len(of_one_system(source)) == 1


@pytest.mark.parametrize(
    "source",
    [
        "import sys\nif sys.platform != 'win32':\n    import fcntl",
        "try:\n    import resource\nexcept ImportError:\n    resource = None",
        "import os\ncores = os.sched_getaffinity(0) if hasattr(os, 'sched_getaffinity') else ()",
        "import os, signal\nos.getpid(), signal.SIGINT, signal.SIGTERM",
    ],
)
def test_the_rule_lets_pass_what_asks_first(source: str) -> None:
    assert of_one_system(source) == []


@pytest.mark.parametrize(
    ("source", "wrong"),
    [
        ("path.write_text(x, encoding='utf-8')", True),
        ("path.write_text(x, encoding='utf-8', newline='\\n')", False),
        ("path.read_text()", True),
        ("path.open('a')", True),
        ("open(path, 'r', encoding='utf-8')", False),
        ("path.open('xb')", False),
    ],
)
def test_the_rule_finds_text_in_the_systems_own_way(source: str, wrong: bool) -> None:
    assert bool(texts_in_the_systems_way(source)) == wrong


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_memory_is_left_to_the_system_on_windows_and_macos(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: object, **_: object) -> None:
        raise TypeError(f"CDLL({name}): there is no C library of that name")

    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(memory.ctypes, "CDLL", refuse)
    large = torch.nn.Linear(4096, 4097, bias=False)
    monkeypatch.setattr(memory, "_WORTHWHILE", 1)
    assert memory.keep_freed_memory() is False
    assert memory.give_back(large) == 0
    with memory.layer_by_layer(torch.nn.Sequential(large)) as nothing:
        assert nothing is None
    memory.narrow(large, torch.bfloat16)
    assert large.weight.dtype == torch.bfloat16


def test_memory_is_left_alone_where_proc_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_WORTHWHILE", 1)
    for name in ("_MAPS", "_PAGEMAP"):
        monkeypatch.setattr(memory, name, tmp_path / "none")
        assert memory.give_back(torch.nn.Linear(10, 10)) == 0


def test_a_folder_is_not_opened_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(files, "os", SimpleNamespace(name="nt", open=refuse, O_RDONLY=0))
    files.flush_folder(tmp_path)


def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text, encoding="ascii")
    monkeypatch.setattr(machine, "_QUOTAS", (tmp_path / "cpu.max",))


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("max 100000", 8), ("250000 100000", 3), ("50000 100000", 1), ("9900000 100000", 8), ("", 8), ("1 0", 8)],
)
def test_cores_are_those_of_the_container(
    quota: str, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    container(tmp_path, monkeypatch, quota + "\n")
    assert machine.available_cores() == cores
    assert machine.process_count() == cores
    assert machine.process_count(5) == 5


def test_a_container_of_the_older_kind_says_its_cores_in_two_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    container(tmp_path, monkeypatch, "150000\n")
    (tmp_path / "period").write_text("100000\n", encoding="ascii")
    monkeypatch.setattr(machine, "_PERIOD", tmp_path / "period")
    assert machine.available_cores() == 2
    container(tmp_path, monkeypatch, "-1\n")
    assert machine.available_cores() == 8


def test_windows_gets_no_more_processes_than_it_can_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 128)
    monkeypatch.setattr(machine, "_QUOTAS", ())
    assert machine.process_count() == 128
    monkeypatch.setattr(sys, "platform", "win32")
    assert (machine.available_cores(), machine.process_count()) == (128, 60)
    assert [machine.process_count(wanted) for wanted in (200, 3)] == [60, 3]


@pytest.mark.parametrize(
    ("platform", "place"),
    [
        ("linux", "home/.local/share/soundfonts"),
        ("darwin", "home/Library/Audio/Sounds/Banks"),
        ("win32", "home/soundfonts"),
    ],
)
def test_a_sound_font_is_found_where_the_system_keeps_them_and_the_cure_names_that_place(
    platform: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE", "LOCALAPPDATA"):
        monkeypatch.setenv(name, str(tmp_path / "home"))
    for name in ("XDG_DATA_HOME", "PROGRAMDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(soundfonts, "_DEBIAN", tmp_path / "none")
    real = soundfonts.font_folders()
    assert real[-1] == tmp_path / place
    monkeypatch.setattr(soundfonts, "font_folders", lambda: real[-1:])
    with pytest.raises(DataError) as missing:
        soundfonts.find_soundfonts()
    assert f"put FluidR3_GM.sf2 (MIT) into {tmp_path / place}, or name" in str(missing.value)
    real[-1].mkdir(parents=True)
    (real[-1] / "FluidR3_GM.sf2").write_bytes(b"RIFF")
    assert soundfonts.find_soundfonts() == (real[-1] / "FluidR3_GM.sf2",)


def test_on_debian_the_fonts_are_those_of_its_packages() -> None:
    places = [folder / name for name in soundfonts.FONT_NAMES for folder in soundfonts.font_folders()]
    if sys.platform == "linux":
        of_packages = [
            "sf2/FluidR3_GM.sf2",  # fluid-soundfont-gm
            "sf2/MuseScore_General_Full.sf2",  # musescore-general-soundfont-lossless
            "sf3/FluidR3Mono_GM.sf3",  # fluidr3mono-gm-soundfont
        ]
        order = [places.index(Path("/usr/share/sounds") / name) for name in of_packages]
        assert order == sorted(order)


@pytest.mark.parametrize("name", ["NUL", "con.wav", "Aux .wav", "lpt1.mp3", "a:b.wav", "what?.wav", "<b>.flac"])
def test_on_windows_a_name_that_means_no_file_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_name(name)
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(InvalidInputError, match="is no name of a file on Windows"):
        check_name(name)
    with pytest.raises(InvalidInputError, match="is no name of a file on Windows"):
        Target.of(tmp_path / f"{name.partition('.')[0]}.wav", False, None)


@pytest.mark.parametrize("name", ["console.wav", "take-1.wav", "null.wav", "com10.wav", "Ünïcode 音楽.ogg"])
def test_on_windows_other_names_are_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    check_name(name)


def test_a_prompt_gives_one_name_however_its_accents_are_typed() -> None:
    assert slug("Cafe\u0301 mu\u0308sic") == slug("Caf\u00e9 m\u00fcsic") == "caf\u00e9-m\u00fcsic"


@pytest.mark.parametrize("name", ["C:/x", "C:x", "/x", "\\\\host\\share\\x", "a/../../x", "a\\..\\..\\x"])
def test_no_list_of_sums_leads_out_of_its_folder_by_any_systems_rules(name: str, tmp_path: Path) -> None:
    (tmp_path / checksums.FILE_NAME).write_bytes(f"{'0' * 64}  {name}\n".encode())
    with pytest.raises(CheckpointError, match="lies outside the model folder"):
        checksums.read_sums(tmp_path)


def test_a_path_of_windows_is_no_hub_id() -> None:
    assert is_hub_id("owner/name")
    assert not is_hub_id("C:/model")
    assert not is_hub_id("models\\mine/x")


def test_prompts_come_from_standard_input_as_utf_8_whatever_the_console_has(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO("\ufeffcalm piano\r\n\r\nmúsica\r\n".encode())
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(raw, encoding="cp1252"))
    assert read_lines(Path("-"), "prompt") == ["calm piano", "música"]


def test_a_folder_is_no_file_of_prompts_on_any_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such file of prompts"):
        read_lines(tmp_path, "prompt")

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)  # what Windows says of a folder
    with pytest.raises(DataError, match="no such file of prompts"):
        read_lines(tmp_path, "prompt")


@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "cp437", "utf-8"])
def test_output_holds_any_text_in_any_encoding_and_json_reads_it_back(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = {"prompt": "é γ ≥ 音楽 𝄞", "file": "bytes \udcff of no text"}
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    escape_what_does_not_fit()
    print(json.dumps(said, ensure_ascii=False), flush=True)
    assert json.loads(raw.getvalue().decode(encoding)) == said


def test_a_pipe_that_nobody_reads_is_known_by_what_each_system_says_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    invalid, of_a_file = OSError(errno.EINVAL, "Invalid argument"), OSError(errno.EINVAL, "Invalid argument", "a.wav")
    assert reader_is_gone(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert not reader_is_gone(invalid)
    monkeypatch.setattr(sys, "platform", "win32")
    assert reader_is_gone(invalid)
    assert not reader_is_gone(of_a_file)


def test_a_clone_has_the_bytes_of_the_repository_on_every_system() -> None:
    """Else Git for Windows would write carriage returns into files whose sums are checked."""
    rules = (ROOT / ".gitattributes").read_text(encoding="utf-8").splitlines()
    assert "* -text" in rules

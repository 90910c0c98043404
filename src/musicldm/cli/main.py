"""The command's entry: its subcommands, and what becomes of an error.

Exit codes: 0 done; 1 the machine refused (disk, memory, permission); 2 a mistake of the user; 130 Ctrl-C; 143 SIGTERM.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from musicldm import __version__
from musicldm.cli.beats import beats
from musicldm.cli.corpus import corpus
from musicldm.cli.doctor import doctor
from musicldm.cli.ending import CODE, Ended, orderly
from musicldm.cli.evaluate import evaluate
from musicldm.cli.generate import generate
from musicldm.cli.info import info
from musicldm.cli.mixup import mixup
from musicldm.cli.novelty import novelty
from musicldm.cli.output import escape_what_does_not_fit, reader_is_gone
from musicldm.cli.prepare import prepare
from musicldm.cli.train import train
from musicldm.errors import MusicLDMError
from musicldm.files import is_refusal

app = typer.Typer(
    name="musicldm",
    help="Text to music by latent diffusion: make music, compose or prepare music to train on, train a model.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (generate, info, beats, corpus, prepare, train, evaluate, doctor):
    app.command()(command)
app.add_typer(mixup, name="mixup")
app.add_typer(novelty, name="novelty")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"musicldm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def run(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs the command with `arguments`, by default the process' own, and ends the process with its exit code."""
    _keep_warnings_quiet()
    escape_what_does_not_fit()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        with orderly():
            sys.exit(_call(arguments or ["--help"]))
    except Ended:
        _fail("ended by SIGTERM", CODE)
    except (KeyboardInterrupt, typer.Abort):
        _fail("interrupted", 130)
    except TyperException as error:
        _fail(f"{error.format_message()} (see musicldm --help)", 2)
    except MusicLDMError as error:
        _fail(str(error), 1 if is_refusal(error) else 2)
    except OSError as error:
        if reader_is_gone(error):
            # Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror or error}", 1)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and not _is_out_of_memory(error):
            raise
        _fail("out of memory: make it shorter, lower -n, or choose another --device or --dtype", 1)


def _call(arguments: list[str]) -> int:
    code = app(arguments, prog_name="musicldm", standalone_mode=False)
    if code == 130:
        raise KeyboardInterrupt
    sys.stdout.flush()
    return code if isinstance(code, int) else 0


def _fail(message: str, code: int) -> NoReturn:
    print(f"musicldm: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _is_out_of_memory(error: RuntimeError) -> bool:
    return "out of memory" in str(error) or "can't allocate memory" in str(error)


def _keep_warnings_quiet() -> None:
    """Shows no warnings, which are the libraries', unless Python is told otherwise; what we have to say are notes."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")

"""What every result says of how it was measured, in a form that JSON holds, and where results are."""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from musicldm.evaluation.metrics.estimate import Estimate

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
PACKAGES = ("torch", "diffusers", "transformers", "numpy", "librosa")


def plain(value: Any) -> Any:
    """Estimates as dictionaries and numbers rounded to four digits, ready for JSON."""
    if isinstance(value, Estimate):
        return {key: round(number, 4) for key, number in asdict(value).items()}
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return round(value, 4) if isinstance(value, float) else value


def fingerprint(model: Path) -> str:
    """Hash (12 hex digits) of the weights of a model folder."""
    digest = hashlib.sha256()
    for path in sorted(model.rglob("*.safetensors")):
        digest.update(path.relative_to(model).as_posix().encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def circumstances(options: argparse.Namespace, seconds: float) -> dict[str, Any]:
    """Hardware, versions, date and duration of a section."""
    return {
        "hardware": ", ".join([f"{processor()}, {options.threads} of {os.cpu_count()} cores", *graphics()]),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(seconds, 1),
        "seed": options.seed,
    }


def graphics() -> list[str]:
    """Names of the GPUs that PyTorch sees, which the device "auto" takes."""
    import torch

    return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]


def processor() -> str:
    """Name of the processor, and what it multiplies with, which tells apart those that are sold under one name."""
    import torch

    from musicldm.machine.devices import fast_dtype

    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    half = " with bfloat16" if fast_dtype("cpu") == torch.bfloat16 else ""
    return f"{name}, {torch.backends.cpu.get_cpu_capability()}{half}"

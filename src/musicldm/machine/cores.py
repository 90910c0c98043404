"""What of the machine is this process' own: how many cores, and how many processes may share the work."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path

_MOST_ON_WINDOWS = 60
"""Windows waits for 63 things at once, and a pool waits for some beside its processes."""
_QUOTAS = Path("/sys/fs/cgroup/cpu.max"), Path("/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
_PERIOD = Path("/sys/fs/cgroup/cpu/cpu.cfs_period_us")


def available_cores() -> int:
    """How many cores this process may use: those that it is bound to, as far as a container's share of them goes."""
    affinity = getattr(os, "sched_getaffinity", None)
    bound = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, math.ceil(min(bound, _container_share())))


def process_count(wanted: int | None = None) -> int:
    """How many processes share the work: those wanted, else one a core, and no more than the system can join."""
    count = max(1, available_cores() if wanted is None else wanted)
    return min(count, _MOST_ON_WINDOWS) if sys.platform == "win32" else count


def _container_share() -> float:
    """Cores' worth of time that a Linux container may take (cgroup v2, then v1); infinity where nothing limits it."""
    for path in _QUOTAS:
        try:
            quota, *period = path.read_text(encoding="ascii").split()
            share = float(quota) / float(period[0] if period else _PERIOD.read_text(encoding="ascii"))
        except (OSError, ValueError, ZeroDivisionError):  # no such file here, or "max"
            continue
        if share > 0:
            return share
    return math.inf

"""The built-in host collector: this machine's own figures under node exporter's names.

In:  psutil, and /proc where psutil has no word for it.
Out: an exposition in text format, so that the host is a target like any other (`collect.host_target`).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil
from msgspec import Struct

from backbeat.model.labels import quote

Sample = tuple[dict[str, str], float]
_PROC = Path("/proc")
_CPU_MODES = ("idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user")
# The exclusions are node exporter's own defaults.
_MOUNTS_LEFT_OUT = re.compile(
    r"/(dev|proc|run/credentials/.+|sys|var/lib/docker/.+|var/lib/containers/storage/.+)(/.*)?"
)
_FILESYSTEMS_LEFT_OUT = re.compile(
    "autofs|binfmt_misc|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|fusectl|hugetlbfs|iso9660|mqueue|nsfs|"
    "overlay|procfs?|pstore|rpc_pipefs|securityfs|selinuxfs|squashfs|sysfs|tracefs"
)
_DISKS_LEFT_OUT = re.compile(r"(z?ram|loop|fd|(h|s|v|xv)d[a-z]|nvme\d+n\d+p)\d+")
_VMSTAT = re.compile(r"(oom_kill|pgpg|pswp|pg.*fault).*")


class Family(Struct, frozen=True):
    """One metric family."""

    name: str
    type: str
    help: str
    samples: tuple[Sample, ...]

    def lines(self) -> Iterator[str]:
        yield f"# HELP {self.name} {self.help}"
        yield f"# TYPE {self.name} {self.type}"
        for labels, value in self.samples:
            pairs = ",".join(f"{name}={quote(text)}" for name, text in labels.items())
            yield f"{self.name}{{{pairs}}} {value!r}" if pairs else f"{self.name} {value!r}"


def exposition() -> bytes:
    """All families in text format. Blocks on the system. Raises OSError, ValueError."""
    try:
        return "".join(f"{line}\n" for family in families() for line in family.lines()).encode()
    except psutil.Error as error:
        raise OSError(str(error)) from error


def families() -> Iterator[Family]:
    yield from _load_and_time()
    yield from _cpu()
    yield from _memory()
    yield from _filesystems()
    yield from _disks()
    yield from _network()
    yield from _kernel()


def _gauge(name: str, text: str, value: float) -> Family:
    return Family(name, "gauge", text, (({}, float(value)),))


def _counter(name: str, text: str, value: float) -> Family:
    return Family(name, "counter", text, (({}, float(value)),))


def _load_and_time() -> Iterator[Family]:
    for minutes, load in zip((1, 5, 15), psutil.getloadavg(), strict=True):
        yield _gauge(f"node_load{minutes}", f"{minutes}m load average.", load)
    yield _gauge("node_time_seconds", "System time in seconds since epoch (1970).", time.time())
    yield _gauge("node_boot_time_seconds", "Node boot time, in unixtime.", psutil.boot_time())
    system = os.uname()
    domain = _read("sys/kernel/domainname").strip() or "(none)"
    labels = {
        "domainname": domain,
        "machine": system.machine,
        "nodename": system.nodename,
        "release": system.release,
        "sysname": system.sysname,
        "version": system.version,
    }
    text = "Labeled system information as provided by the uname system call."
    yield Family("node_uname_info", "gauge", text, ((labels, 1.0),))


def _cpu() -> Iterator[Family]:
    samples = tuple(
        ({"cpu": str(number), "mode": mode}, float(seconds))
        for number, times in enumerate(psutil.cpu_times(percpu=True))
        for mode in _CPU_MODES
        if (seconds := getattr(times, mode, None)) is not None
    )
    yield Family("node_cpu_seconds_total", "counter", "Seconds the CPUs spent in each mode.", samples)


def _memory() -> Iterator[Family]:
    figures = dict(_meminfo(_read("meminfo")))
    if not figures:
        memory, swap = psutil.virtual_memory(), psutil.swap_memory()
        figures = {
            "MemTotal_bytes": memory.total,
            "MemFree_bytes": memory.free,
            "MemAvailable_bytes": memory.available,
            "SwapTotal_bytes": swap.total,
            "SwapFree_bytes": swap.free,
        }
    for name, value in figures.items():
        yield _gauge(f"node_memory_{name}", f"Memory information field {name}.", value)


def _meminfo(text: str) -> Iterator[tuple[str, float]]:
    """`Active(anon):  12 kB` is Active_anon_bytes, 12288."""
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        number, _, unit = rest.strip().partition(" ")
        name = name.replace("(", "_").replace(")", "")
        if number.isdigit():
            yield (f"{name}_bytes", float(number) * 1024) if unit == "kB" else (name, float(number))


def _filesystems() -> Iterator[Family]:
    columns: dict[str, list[Sample]] = {
        name: [] for name in ("size", "free", "avail", "files", "files_free", "readonly", "device_error")
    }
    for labels, mount in _mounts():
        try:
            status = os.statvfs(mount)
        except OSError:
            columns["device_error"].append((labels, 1.0))
            continue
        block = status.f_frsize
        values = {
            "size": status.f_blocks * block,
            "free": status.f_bfree * block,
            "avail": status.f_bavail * block,
            "files": status.f_files,
            "files_free": status.f_ffree,
            "readonly": int(bool(status.f_flag & os.ST_RDONLY)),
            "device_error": 0,
        }
        for name, value in values.items():
            columns[name].append((labels, float(value)))
    for name, text in (
        ("size", "Filesystem size in bytes."),
        ("free", "Filesystem free space in bytes."),
        ("avail", "Filesystem space available to non-root users in bytes."),
        ("files", "Filesystem total file nodes."),
        ("files_free", "Filesystem total free file nodes."),
        ("readonly", "Filesystem read-only status."),
        ("device_error", "Whether an error occurred while getting statistics for the given device."),
    ):
        unit = "_bytes" if name in ("size", "free", "avail") else ""
        yield Family(f"node_filesystem_{name}{unit}", "gauge", text, tuple(columns[name]))


def _mounts() -> Iterator[tuple[dict[str, str], str]]:
    """Mounted filesystems, each mount point once (the topmost). A container's root counts, overlay or not."""
    seen: dict[str, tuple[dict[str, str], str]] = {}
    for each in psutil.disk_partitions(all=True):
        left_out = _FILESYSTEMS_LEFT_OUT.fullmatch(each.fstype) or _MOUNTS_LEFT_OUT.fullmatch(each.mountpoint)
        if left_out and each.mountpoint != "/":
            continue
        labels = {"device": each.device, "fstype": each.fstype, "mountpoint": each.mountpoint}
        seen.setdefault(each.mountpoint, (labels, each.mountpoint))
    yield from seen.values()


def _disks() -> Iterator[Family]:
    disks = {
        device: counters
        for device, counters in (psutil.disk_io_counters(perdisk=True, nowrap=False) or {}).items()
        if not _DISKS_LEFT_OUT.fullmatch(device)
    }
    for name, text, attribute, scale in (
        ("reads_completed", "The total number of reads completed successfully.", "read_count", 1),
        ("reads_merged", "The total number of reads merged.", "read_merged_count", 1),
        ("read_bytes", "The total number of bytes read successfully.", "read_bytes", 1),
        ("read_time_seconds", "The total number of seconds spent by all reads.", "read_time", 1000),
        ("writes_completed", "The total number of writes completed successfully.", "write_count", 1),
        ("writes_merged", "The number of writes merged.", "write_merged_count", 1),
        ("written_bytes", "The total number of bytes written successfully.", "write_bytes", 1),
        (
            "write_time_seconds",
            "This is the total number of seconds spent by all writes.",
            "write_time",
            1000,
        ),
        ("io_time_seconds", "Total seconds spent doing I/Os.", "busy_time", 1000),
    ):
        yield from _by_device(f"node_disk_{name}_total", text, disks.items(), attribute, scale)


def _network() -> Iterator[Family]:
    cards = psutil.net_io_counters(pernic=True, nowrap=False).items()
    for direction, suffix in (("receive", "recv"), ("transmit", "sent")):
        end = "in" if direction == "receive" else "out"
        for name, attribute in (
            ("bytes", f"bytes_{suffix}"),
            ("packets", f"packets_{suffix}"),
            ("errs", f"err{end}"),
            ("drop", f"drop{end}"),
        ):
            text = f"Network device statistic {direction}_{name}."
            yield from _by_device(f"node_network_{direction}_{name}_total", text, cards, attribute, 1)


def _by_device(
    name: str, text: str, devices: Iterable[tuple[str, object]], attribute: str, scale: int
) -> Iterator[Family]:
    samples = tuple(
        ({"device": device}, float(value) / scale)
        for device, counters in devices
        if (value := getattr(counters, attribute, None)) is not None
    )
    if samples:
        yield Family(name, "counter", text, samples)


def _kernel() -> Iterator[Family]:
    allocated, _, maximum = [*_read("sys/fs/file-nr").split(), "", "", ""][:3]
    if allocated and maximum:
        yield _gauge("node_filefd_allocated", "File descriptor statistics: allocated.", float(allocated))
        yield _gauge("node_filefd_maximum", "File descriptor statistics: maximum.", float(maximum))
    for line in _read("vmstat").splitlines():
        name, _, value = line.partition(" ")
        if _VMSTAT.fullmatch(name):
            text = f"/proc/vmstat information field {name}."
            yield Family(f"node_vmstat_{name}", "untyped", text, (({}, float(value)),))
    for line in _read("stat").splitlines():
        name, _, rest = line.partition(" ")
        if name in _STAT:
            kind, metric, text = _STAT[name]
            yield Family(metric, kind, text, (({}, float(rest.split(" ", 1)[0])),))


_STAT = {
    "ctxt": ("counter", "node_context_switches_total", "Total number of context switches."),
    "intr": ("counter", "node_intr_total", "Total number of interrupts serviced."),
    "processes": ("counter", "node_forks_total", "Total number of forks."),
    "procs_running": ("gauge", "node_procs_running", "Number of processes in runnable state."),
    "procs_blocked": (
        "gauge",
        "node_procs_blocked",
        "Number of processes blocked waiting for I/O to complete.",
    ),
}


def _read(name: str) -> str:
    """A file below /proc; an empty text where this system has none."""
    try:
        return (_PROC / name).read_text()
    except OSError:
        return ""

"""Programs that tests of the template run: a worker that tells what its process was given, and a slow import."""

from __future__ import annotations

WORKER = """
import sys

worker = {"__name__": "ray_worker"}
exec(open(sys.argv[4]).read(), worker)
place = worker["find_place"](sys.argv[1])

import json, os, signal
from pathlib import Path
from supervision.keeper.parts import worker_imports, worker_template

worker_template._ROOT = Path(sys.argv[2])
worker_template.PRELOADED_MODULES = ("slow",)
worker_imports.run = lambda: None
worker_template.run(place)

kept = ("Umask", "SigBlk", "SigIgn", "SigCgt", "Threads", "CapEff", "Groups")
status = Path("/proc/self/status").read_text().splitlines()
state = {
    "given": [sys.argv[3], os.environ["GIVEN"], os.environ["RAY_JOB_ID"], os.getcwd()],
    "status": [line for line in status if line.partition(":")[0] in kept],
    "limits": Path("/proc/self/limits").read_text(),
    "oom": Path("/proc/self/oom_score_adj").read_text(),
    "session": os.getsid(0),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "signals": [str(signal.getsignal(each)) for each in (signal.SIGCHLD, signal.SIGTERM)],
    "wakeup": signal.set_wakeup_fd(-1),
    "files": sorted(os.listdir("/proc/self/fd")),
    "input": os.readlink("/proc/self/fd/0") != os.readlink("/proc/self/fd/1"),
}
facts = [os.getpid(), os.getppid(), os.getpgid(0), state]
print(json.dumps(facts), flush=True)
sys.stdin.readline()
"""
"""The steps of `ray_worker`, by its file, with a module that imports once its gate is open, and a project without files."""

SLOW = "import os, time\nwhile not os.path.exists({gate!r}):\n    time.sleep(0.01)\n"

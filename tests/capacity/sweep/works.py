"""Tasks that misbehave, for the processes that run them: functions of a module, as a pool needs them."""

import json
import os
import signal
import time
from pathlib import Path

from capacity.sweep.records import Finished, PlanBytes, Task

PLAN = PlanBytes("plan", "p", (("a file", b"content"),))


def task(seed, **orders):
    """A task that only the functions below understand."""
    return Task(f"key-{seed}", f"条件 {seed}", "s", PLAN.digest, json.dumps(orders), seed, "v")


def obey(plan, task):
    """Does what the task's settings say; its figures are its process and the plan's content."""
    orders = json.loads(task.settings_json)
    if "dies_once" in orders:
        try:
            Path(orders["dies_once"]).touch(exist_ok=False)
        except FileExistsError:
            return Finished(b"second life")
        os.kill(os.getpid(), signal.SIGKILL)
    if "dies" in orders:
        os.kill(os.getpid(), signal.SIGKILL)
    if "leaves" in orders:
        os._exit(orders["leaves"])
    time.sleep(orders.get("sleeps", 0))
    return Finished(b" ".join((str(task.seed).encode(), plan.files[0][1])))

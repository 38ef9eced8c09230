"""The classes that Ray stores: public methods alone, and no name that a later release may lack."""

from __future__ import annotations

import importlib
import inspect
import json
import subprocess
import sys

import pytest

from supervision.actor_classes import CLASSES, class_of

STORED = """
import io, json, pickle, sys
import ray
from ray import cloudpickle
from supervision.actor_classes import class_of

looked_up = set()

class Reader(pickle.Unpickler):
    def find_class(self, module, name):
        looked_up.add(f"{module}.{name}")
        return super().find_class(module, name)

for role in sys.argv[1:]:
    made = ray.remote(concurrency_groups={"health": 4})(class_of(role))
    stored = cloudpickle.dumps(made.__ray_metadata__.modified_class)
    read = Reader(io.BytesIO(stored)).load()
    assert read.__name__ == class_of(role).__name__
print(json.dumps(sorted(looked_up)))
"""
OWN = ("actors.", "gateway.", "supervision.")


@pytest.mark.parametrize("role", CLASSES)
def test_a_class_has_the_public_methods_of_its_actor_as_ray_calls_them(role: str) -> None:
    module, _, name = CLASSES[role].partition(":")
    plain = getattr(importlib.import_module(module), name)
    made = class_of(role)
    assert made.__name__ == name
    public = {
        each: method
        for each, method in inspect.getmembers(plain, inspect.isfunction)
        if not each.startswith("_")
    }
    methods = dict(inspect.getmembers(made, inspect.isfunction))
    assert set(methods) == {"__init__", "__repr__", "forward", *public}
    for each, method in public.items():
        assert inspect.iscoroutinefunction(method), each
        assert inspect.iscoroutinefunction(methods[each]), each
        assert inspect.signature(methods[each]) == inspect.signature(method)


def test_what_ray_stores_names_nothing_of_this_project() -> None:
    command = [sys.executable, "-c", STORED, *CLASSES]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    looked_up = json.loads(done.stdout.splitlines()[-1])
    assert looked_up
    assert [each for each in looked_up if each.startswith(OWN)] == []


async def test_an_actor_is_made_by_the_installed_code_and_shows_itself_by_its_class() -> None:
    made = class_of("vault")
    actor = made("/nowhere", "vault")
    assert repr(actor) == "<vault>"
    assert (await actor.health())["uptime"] >= 0
    assert (await actor.forward("health"))["lag"] == 0
    with pytest.raises(AttributeError):
        await actor.forward("of_a_later_release")
    shown = type("Shown", (made,), {})
    other = shown("/nowhere", "vault")
    other._actor._entitle("VaultActor shop")
    assert (shown.__name__, made.__name__) == ("VaultActor shop", "VaultActor")

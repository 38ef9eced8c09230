"""The image as it is built and run: a message on the simulator, a stop that drains, another life on the same volume."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import pytest

from gateway.cli.service.units import STOP_SECONDS
from tests.integration.container.image import Container, Image, check_host
from tests.run import answers
from tests.run.figures import first_message
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.run.figures import Figure

pytestmark = [pytest.mark.long, pytest.mark.timeout(1800)]

# CMD, with the simulator.
COMMAND = ("sh", "-c", "exec teimoso up --simulate >/dev/null")
PHONE, CONTACT = "15550100061", "15550100062"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    check_host()
    made = Image(tmp_path_factory.mktemp("image"))
    yield made
    made.remove()


def output(container: Container, *words: str) -> str:
    done = container.run(*words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def key(container: Container, name: str) -> str:
    made = json.loads(output(container, "teimoso", "keys", "create", name, "--json"))
    return f"TEIMOSO_API_KEY={made['key']}"


def answered(container: Container) -> bool:
    """Whether each stanza was answered, in time: the run's own question does not reach this simulator."""
    return not any(
        json.loads(output(container, "teimoso", "simulate", "unanswered", "--json")).values()
    )


def test_the_service_sends_in_the_image_and_goes_on_in_the_next(
    image: Image, tmp_path: Path, figure: Figure
) -> None:
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o700)
    with Container(image, volume, COMMAND) as container:
        container.wait_until_healthy()
        for place in ("/etc", "/opt/teimoso", "/usr/local/bin"):
            assert container.run("touch", f"{place}/written").returncode != 0
        assert output(container, "id", "-un").strip() == "teimoso"
        assert output(container, "id", "-gn").strip() == "teimoso"
        with_key = key(container, "operator")
        for words in (
            f"connections add demo|simulate phone {PHONE}|simulate scan demo {PHONE}|doctor"
        ).split("|"):
            output(container, "env", with_key, "teimoso", *words.split())
        send = ("env", with_key, "teimoso", "send", "demo", CONTACT)
        assert "demo--" in output(container, *send, "in a container", "--wait", "30")
        first_message(figure, "Dockerfile", image.begun)
        assert "in a container" in output(container, "teimoso", "simulate", "inbox", CONTACT)
        until("each stanza is answered", partial(answered, container), answers.SECONDS)
        assert "tmo_" not in container.output()
        assert container.stop(STOP_SECONDS) in {0, 143}
    with Container(image, volume, COMMAND) as container:
        container.wait_until_healthy()
        send = ("env", key(container, "second"), "teimoso", "send", "demo", CONTACT)
        assert "demo--" in output(container, *send, "and in the next", "--wait", "60")
        until("each stanza is answered", partial(answered, container), answers.SECONDS)


def test_the_command_of_the_image_starts_the_service(image: Image, tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir(mode=0o700)
    with Container(image, volume) as container:
        container.wait_until_healthy()
        assert output(container, "teimoso-whatsmeow", "--version").startswith("whatsmeow v0.0.0-")
        assert output(container, "pip", "check") == "No broken requirements found.\n"
        assert "teimoso_whatsmeow" in output(container, "ls", "/usr/share/doc/teimoso-whatsmeow")
        assert "tmo_" not in container.output()

"""The samples of `docs/proxies`: Caddy and nginx before a whole instance, with TLS."""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import ssl
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.whole.shop import ACCOUNT, CONTACT, SHOP
from tests.processes.instance import API_KEY
from tests.processes.valkey import free_port
from tests.waits import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.processes.instance import Instance

pytestmark = pytest.mark.usefixtures("is_open")
PROXIES = Path(__file__).resolve().parents[4] / "docs" / "proxies"
NAME = "whatsapp.example.org"


def needed(program: str, package: str) -> str:
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        pytest.skip(f"Debian's package {package} is not installed here")
    return found


def certificate(directory: Path) -> tuple[Path, Path]:
    """A certificate of NAME that it signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = directory / "fullchain.pem", directory / "privkey.pem"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return chain, secret


@contextmanager
def started(
    command: list[str], directory: Path, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            yield process
        finally:
            process.terminate()
            try:
                # Streams whose reader has left are over upstream as well; one that is not holds up the end.
                process.wait(20)
            finally:
                process.kill()
                process.wait()


@contextmanager
def nginx(directory: Path, upstream: int) -> Iterator[int]:
    """The sample, with other ports and a certificate of its own."""
    program = needed("nginx", "nginx-light")
    chain, key = certificate(directory)
    port = free_port()
    text = (PROXIES / "nginx.conf").read_text()
    for pattern, value in (
        (r"listen (\[::\]:)?80;", f"listen 127.0.0.1:{free_port()};"),
        (r"listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (r"listen \[::\]:443 ssl;", ""),
        (r"/etc/letsencrypt/live/\S+/fullchain.pem", str(chain)),
        (r"/etc/letsencrypt/live/\S+/privkey.pem", str(key)),
        (r"127\.0\.0\.1:8090", f"127.0.0.1:{upstream}"),
    ):
        text, times = re.subn(pattern, value, text)
        assert times, pattern
    text = re.sub(r"(listen 127\.0\.0\.1:\d+;)\n\s*listen 127\.0\.0\.1:\d+;", r"\1", text)
    (directory / "nginx.conf").write_text(
        f"daemon off; pid {directory}/pid; error_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n"
        + "".join(
            f"{kind}_temp_path {directory}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        + text
        + "}\n"
    )
    command = [program, "-p", str(directory), "-c", "nginx.conf", "-e", "stderr"]
    with started(command, directory, {}):
        yield port


@contextmanager
def caddy(directory: Path, upstream: int) -> Iterator[int]:
    """The sample as it is; the host in `SITE` is this one, for which Caddy signs a certificate itself."""
    program = needed("caddy", "caddy")
    chain, key = certificate(directory)
    port = free_port()
    text = (PROXIES / "Caddyfile").read_text()
    text, times = re.subn(
        r"(?m)^(\{\$SITE:\S+\} \{)$",
        rf"{{\n\tadmin off\n\tauto_https disable_redirects\n}}\n\1\n\ttls {chain} {key}",
        text,
    )
    assert times == 1
    (directory / "Caddyfile").write_text(text)
    environment = {
        "SITE": f"https://{NAME}:{port}",
        "UPSTREAM": f"127.0.0.1:{upstream}",
        "XDG_DATA_HOME": str(directory),
        "XDG_CONFIG_HOME": str(directory),
    }
    command = [program, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
    with started(command, directory, environment):
        yield port


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_the_sample_of_a_proxy_passes_on_what_it_should(
    instance: Instance, tmp_path: Path, proxy: type
) -> None:
    with proxy(tmp_path, instance.port) as port:
        trusted = ssl.create_default_context(cafile=str(tmp_path / "fullchain.pem"))
        with httpx.Client(
            base_url=f"https://127.0.0.1:{port}",
            headers={"Host": f"{NAME}:{port}", "X-Api-Key": API_KEY},
            verify=trusted,
            timeout=20,
        ) as api:
            names = {"sni_hostname": NAME}

            def ask(path: str, method: str = "GET", **more: object) -> httpx.Response:
                return api.request(method, path, extensions=names, **more)  # type: ignore[arg-type]

            def answers() -> bool:
                try:
                    return ask("/health/ready").status_code == 200
                except httpx.TransportError:
                    return False

            until("the proxy answers", answers, 20)
            assert ask("/health").headers["strict-transport-security"]
            assert ask("/metrics").status_code == 404
            assert instance.api.get("/metrics").status_code == 200
            body = {"connection": SHOP, "to": CONTACT, "text": f"through {proxy.__name__}"}
            assert ask("/api/messages", "POST", json=body).status_code == 202
            # The console's cookie is for https alone, and its forms are taken from this address.
            entered = ask(
                "/console/login",
                "POST",
                data={"key": API_KEY},
                headers={"Origin": f"https://{NAME}:{port}"},
            )
            assert entered.status_code == 303, entered.text
            assert "secure" in entered.headers["set-cookie"].lower()
            with api.stream("GET", "/api/events", extensions=names) as stream:
                lines = stream.iter_lines()
                said = f"while {proxy.__name__} listens"
                instance.say(CONTACT, ACCOUNT, said)
                event = next(line for line in lines if line.startswith("data:") and said in line)
                assert json.loads(event.removeprefix("data:"))["type"] == "message.received"

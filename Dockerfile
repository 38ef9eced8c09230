# Its steps were run by Buildah (chroot isolation) over a Debian of debootstrap; no Docker engine has built or run it yet.
# docs/server.md has the steps.
FROM python:3.11-slim-bookworm AS service
WORKDIR /source
COPY .ci .ci
COPY requirements-uv.lock requirements-go.lock requirements.lock ./
RUN python -m venv /opt/teimoso && .ci/install /opt/teimoso/bin/python requirements.lock
# The program is a distribution of its own, under the GPL-3.0: the image has its licences and its source besides.
COPY actors/connection/whatsmeow/bridge actors/connection/whatsmeow/bridge
RUN .ci/with-go /opt/teimoso/bin/python .ci/whatsmeow-dist /programs "$(uname -m)" \
    && /opt/teimoso/bin/python -m pip install --quiet --no-cache-dir --no-index --no-deps /programs/*.whl
COPY LICENSE README.md pyproject.toml ./
COPY actors actors
COPY gateway gateway
COPY simulator simulator
COPY supervision supervision
RUN /opt/teimoso/bin/python -m pip install --quiet --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
# A package of Debian's that images with it have besides: ffmpeg, which converts voice notes and videos.
ARG PACKAGES=""
# The base image's release holds their versions; a pinned one is gone from the mirrors with the next security fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates tini ${PACKAGES} \
    && rm -rf /var/lib/apt/lists/* \
    && groupadd --gid 10001 teimoso \
    && useradd --uid 10001 --gid teimoso --no-create-home --home-dir /data --shell /usr/sbin/nologin teimoso \
    && install --directory --owner teimoso --group teimoso --mode 700 /data
COPY --from=service /opt/teimoso /opt/teimoso
COPY --from=service /programs/*.tar.gz /usr/share/doc/teimoso-whatsmeow/
ENV PATH=/opt/teimoso/bin:$PATH \
    TEIMOSO_DATA=/data \
    TEIMOSO_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8090
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8090/health/ready', timeout=8)"]
# The output of `up` has the first API key, which a container's log would keep: `teimoso keys create NAME` makes one.
ENTRYPOINT ["tini", "--"]
CMD ["sh", "-c", "exec teimoso up >/dev/null"]

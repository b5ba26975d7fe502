# syntax=docker/dockerfile:1
# The digest is of the index of all platforms; Dependabot moves it.
ARG PYTHON=3.13.9-slim-bookworm@sha256:b685a4fa58bb19d1814d78a1ec0f0208f351452724f78b20212c984d6e124a34

FROM python:${PYTHON} AS build
WORKDIR /src
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
# The build backend and the dependencies are what the lock files say, by hash. Neither
# list holds scapy (GPL, 44 MiB): the daemon never needs it.
COPY requirements.lock requirements-build.lock ./
RUN python -m venv /build \
 && /build/bin/pip install --no-deps --require-hashes --requirement requirements-build.lock \
 && python -m venv /opt/gitops-prefix \
 && /opt/gitops-prefix/bin/pip install --no-deps --require-hashes --requirement requirements.lock
COPY . .
# The build's context has no .git: `--build-arg GITOPS_PREFIX_COMMIT=$(git rev-parse HEAD)`.
ARG GITOPS_PREFIX_COMMIT=""
RUN /build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/gitops-prefix/bin/pip install --no-deps /dist/*.whl \
 && /opt/gitops-prefix/bin/python -m pip uninstall --yes pip

FROM python:${PYTHON}
LABEL org.opencontainers.image.title="gitops-prefix" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/gitops-prefix/gitops-prefix"
COPY --from=build /opt/gitops-prefix /opt/gitops-prefix
# A raw ICMPv6 socket takes CAP_NET_RAW, and an ordinary user gets it only from the
# file that is executed. A copy of the interpreter carries it, which the command
# `gitops-prefix` runs on; git, ssh and the plain `python` beside it get nothing.
# (chown and some COPYs drop file capabilities: this is the last thing done to it.)
# ssh asks for the user's name: a bare uid would not do. gpg signs commits (the package
# gnupg would bring 12 more, which nobody here uses); ssh-keygen does, too.
# Versions are Debian's stable ones: a pinned one is gone from its archive with the next fix.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git gpg gpg-agent libcap2-bin openssh-client \
 && useradd --system --uid 65532 --user-group --home-dir /var/lib/gitops-prefix --create-home gitops-prefix \
 && cp --dereference /opt/gitops-prefix/bin/python /opt/gitops-prefix/bin/python-net-raw \
 && sed -i '1s|.*|#!/opt/gitops-prefix/bin/python-net-raw|' /opt/gitops-prefix/bin/gitops-prefix \
 && setcap cap_net_raw+ep /opt/gitops-prefix/bin/python-net-raw \
 && apt-get purge --yes --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/*
ENV PATH=/opt/gitops-prefix/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_STATE_HOME=/var/lib
USER 65532:65532
WORKDIR /var/lib/gitops-prefix
ENTRYPOINT ["gitops-prefix"]
CMD ["--help"]

# syntax=docker/dockerfile:1
# docker build -t earshot .                    for the CPU
# docker build -t earshot-cuda --target cuda . for an NVIDIA GPU; run it with --gpus all
#
# docker run -p 8000:8000 -p 8000:8000/udp -e EARSHOT_PUBLIC_ADDRESSES=192.0.2.10 -v earshot:/data earshot
# WebRTC is UDP, here on the same number as TCP. The container does not know the address that clients see, so it must be
# told (several, comma-separated); without it, or without the UDP port, the page falls back to audio over WebSocket. With
# --network host neither -p nor the address is needed.
#
# It is gone 25 s after it was told to stop, and docker stop kills after 10: docker stop -t 30, or run it with --stop-timeout 30.

# Bookworm: what was linked here also runs above the newer C library of the CUDA image.
FROM python:3.11-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/earshot
COPY requirements.lock ./
# By hash, from the lock alone; wheels only, so that no compiler is needed and no build script runs.
RUN /opt/earshot/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
      --only-binary :all: -r requirements.lock
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY protocol protocol
COPY media media
COPY asr asr
COPY server server
COPY web_client web_client
RUN /opt/earshot/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation . \
 && /opt/earshot/bin/python -m compileall -q /opt/earshot/lib

# The same Python and the same environment above NVIDIA's cuBLAS and cuDNN, which CTranslate2 loads.
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04 AS cuda
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libbz2-1.0 libffi8 liblzma5 libsqlite3-0 libssl3t64 zlib1g \
 && rm -rf /var/lib/apt/lists/*
COPY --from=build /usr/local /usr/local
COPY --from=build /opt/earshot /opt/earshot
RUN ldconfig
RUN groupadd --system --gid 10001 earshot \
 && useradd --system --uid 10001 --gid earshot --home-dir /data --no-create-home earshot \
 && install -d -o earshot -g earshot /data
ENV PATH=/opt/earshot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    EARSHOT_HOST=0.0.0.0 EARSHOT_PORT=8000 EARSHOT_UDP_PORT=8000 EARSHOT_DATA_DIR=/data EARSHOT_CONFIG=/data/earshot.toml
WORKDIR /data
USER earshot
VOLUME /data
EXPOSE 8000/tcp 8000/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['EARSHOT_PORT'] + '/health', timeout=2)"]
CMD ["earshot", "serve"]

# The last one is what a build without --target makes. It writes to /data and /tmp only: --read-only --tmpfs /tmp works.
FROM python:3.11-slim-bookworm AS cpu
COPY --from=build /opt/earshot /opt/earshot
RUN groupadd --system --gid 10001 earshot \
 && useradd --system --uid 10001 --gid earshot --home-dir /data --no-create-home earshot \
 && install -d -o earshot -g earshot /data
ENV PATH=/opt/earshot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    EARSHOT_HOST=0.0.0.0 EARSHOT_PORT=8000 EARSHOT_UDP_PORT=8000 EARSHOT_DATA_DIR=/data EARSHOT_CONFIG=/data/earshot.toml
WORKDIR /data
USER earshot
VOLUME /data
EXPOSE 8000/tcp 8000/udp
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ['EARSHOT_PORT'] + '/health', timeout=2)"]
CMD ["earshot", "serve"]

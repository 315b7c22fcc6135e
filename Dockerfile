FROM python:3.13.1-slim-bookworm AS build
WORKDIR /src
RUN python -m venv /opt/hypocenter
COPY locks/runtime.txt locks/build.txt locks/
RUN /opt/hypocenter/bin/pip install --no-cache-dir --require-hashes -r locks/runtime.txt \
 && pip install --no-cache-dir --require-hashes -r locks/build.txt
COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY workers workers
COPY graph graph
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && /opt/hypocenter/bin/pip install --no-cache-dir --no-deps --no-index /wheels/*.whl \
 && /opt/hypocenter/bin/python -m hypocenter_workers.detect.prepare

FROM python:3.13.1-slim-bookworm
# LightGBM's wheel leaves OpenMP's library to the system.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/hypocenter /opt/hypocenter
RUN useradd --system --uid 10001 --no-create-home hypocenter
USER hypocenter
WORKDIR /tmp
ENV PATH=/opt/hypocenter/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
CMD ["celery", "-A", "hypocenter_workers.app", "worker", "--loglevel", "INFO", "--concurrency", "2", "--without-gossip", "--without-mingle"]

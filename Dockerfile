# The release of Python, and of Debian, that the tests run.
FROM python:3.11.14-slim-bookworm AS build
WORKDIR /src
COPY locks/runtime.txt locks/build.txt locks/
RUN python -m venv --without-pip /opt/hypocenter \
 && pip install --no-cache-dir --require-hashes -r locks/build.txt \
 && uv pip install --no-cache --python /opt/hypocenter/bin/python --require-hashes -r locks/runtime.txt \
 && find /opt/hypocenter/lib -type d -name tests -prune -exec rm -r {} + \
 && python -m compileall -q /opt/hypocenter/lib
COPY pyproject.toml README.md LICENSE ./
COPY platform platform
COPY workers workers
COPY graph graph
# Kernels are compiled for the kind of CPU that builds; on another kind each process compiles them anew.
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && uv pip install --no-cache --python /opt/hypocenter/bin/python --no-deps --no-index --compile-bytecode /wheels/*.whl \
 && /opt/hypocenter/bin/python -m hypocenter_workers.ticks.prepare

FROM python:3.11.14-slim-bookworm
# LightGBM's wheel leaves OpenMP's library to the system.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home hypocenter \
 && install --directory --owner hypocenter --mode 0700 /var/lib/hypocenter
COPY --from=build /opt/hypocenter /opt/hypocenter
USER 10001
WORKDIR /var/lib/hypocenter
ENV PATH=/opt/hypocenter/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    HYPOCENTER_DATA_DIR=/var/lib/hypocenter HYPOCENTER_LISTEN=0.0.0.0:4477
EXPOSE 4477
STOPSIGNAL SIGTERM
CMD ["hypocenter", "serve"]

# One image for every process; the command and the environment say which. Not run here: no container engine has built it yet.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY .ci/uv.txt .ci/uv.txt
RUN python3 -m venv /uv && /uv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r .ci/uv.txt
COPY pyproject.toml uv.lock ./
RUN /uv/bin/uv sync --frozen --no-dev --no-cache
COPY . .
RUN .venv/bin/pybabel compile -d core/translations && rm -rf core/demo

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends python3 libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home zbor \
    && install -d -m 700 -o zbor /bundles
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONUNBUFFERED=1
USER zbor
CMD ["gunicorn", "--bind", "0.0.0.0:8000"]

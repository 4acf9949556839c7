# syntax=docker/dockerfile:1
# Longshore: `docker build -t longshore .`, then `docker run -p 8888:8888 -v longshore:/data longshore`, or compose.yaml.
# Nothing is written but /data and /tmp: it runs with a root that can only be read, and as nobody in particular.

FROM python:3.13-slim AS packages
COPY requirements.txt requirements-s3.txt requirements-brokers.txt requirements-otel.txt /build/
RUN python -m venv /venv \
    && for each in requirements requirements-s3 requirements-brokers requirements-otel; do \
         /venv/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r /build/$each.txt || exit 1; \
       done

FROM python:3.13-slim
RUN useradd --system --uid 10001 --no-create-home --home-dir /data longshore \
    && install -d -o longshore -g longshore -m 0700 /data
COPY --from=packages /venv /venv
WORKDIR /app
COPY starter.py pyproject.toml LICENSE ./
COPY domain domain
COPY ports ports
COPY application application
COPY adapters adapters
COPY infrastructure infrastructure
RUN /venv/bin/python -m compileall -q domain ports application adapters infrastructure
ENV PATH=/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    DATA_DIR=/data \
    API_HOST=0.0.0.0 \
    LOG_FORMAT=json
USER 10001:10001
VOLUME /data
EXPOSE 8888
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8888/health', timeout=4)"]
ENTRYPOINT ["python", "/app/starter.py"]
CMD ["serve"]

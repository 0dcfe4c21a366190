# The service in a small image, as a user without rights:
#
#   docker build -t geoglot .
#   docker run --rm -p 127.0.0.1:8321:8321 -v "$PWD/town.archive:/archive" -v "$PWD/imagery:$PWD/imagery:ro" \
#     -v "$PWD/token:/run/secrets/token:ro" geoglot
#
# Imagery is mounted where it was when it was indexed, so that its pictures can be shown. The archive needs writing only
# to index or caption from the page; mount it with :ro otherwise.

FROM python:3.11-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src ./src
# The page is in src/geoglot/serve/page where 'make web' was run before; the image works without it, too.
RUN python -m venv /opt/geoglot \
  && /opt/geoglot/bin/pip install --no-cache-dir --disable-pip-version-check -c constraints.txt ".[serve]" \
  && find /opt/geoglot -name "__pycache__" -type d -prune -exec rm -rf {} + \
  && find /opt/geoglot -type d -name tests -path "*/site-packages/*" -prune -exec rm -rf {} +

FROM python:3.11-slim
# GDAL's wheel reads XML with the system's library, which slim images do not promise.
RUN apt-get update && apt-get install --yes --no-install-recommends libexpat1 && rm -rf /var/lib/apt/lists/*
RUN useradd --system --uid 10001 --home-dir /nonexistent --shell /usr/sbin/nologin geoglot
COPY --from=build /opt/geoglot /opt/geoglot
ENV PATH=/opt/geoglot/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 OMP_NUM_THREADS=1
USER 10001
EXPOSE 8321
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8321/v1/health', timeout=4)"]
STOPSIGNAL SIGTERM
# Inside a container every address is another machine's, so a token is needed (see docs/how-to/serve.md).
ENTRYPOINT ["geoglot", "serve", "--archive", "/archive", "--host", "0.0.0.0"]
CMD ["--token", "/run/secrets/token"]

# The same recipe as Modelport's: two stages, exact versions, no root, bytecode compiled.
ARG BASE

FROM ${BASE} AS build
WORKDIR /build
COPY requirements.lock ./
COPY wheels/ wheels/
RUN python3 -m venv --without-pip /opt/venv \
 && python3 -m venv /opt/pip \
 && /opt/pip/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-deps --no-index --find-links wheels -r requirements.lock \
 && /opt/venv/bin/python -m compileall -q -j 0 --invalidation-mode unchecked-hash /opt/venv

FROM ${BASE}
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv
COPY app.py genre.joblib ./
ENV PATH=/opt/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
USER 10001:10001
ENTRYPOINT ["sh", "-c", "exec uvicorn app:app --host 0.0.0.0 --port $PORT --no-access-log"]

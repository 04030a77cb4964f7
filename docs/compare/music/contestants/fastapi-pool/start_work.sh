#!/bin/sh
cd "$(dirname "$0")" && exec ~/.cache/modelport/compare/fastapi-b5063450f70e/bin/uvicorn --port '8000' --no-access-log work:app

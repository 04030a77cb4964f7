#!/bin/sh
cd "$(dirname "$0")" && exec ~/.cache/modelport/compare/fastapi-onnx-01e04fd3ed74/bin/uvicorn --port '8000' --no-access-log app:app

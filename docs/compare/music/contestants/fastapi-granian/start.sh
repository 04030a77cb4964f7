#!/bin/sh
cd "$(dirname "$0")" && exec ~/.cache/modelport/compare/fastapi-b5063450f70e/bin/granian --interface asgi --host 127.0.0.1 --port '8000' --workers 1 app:app

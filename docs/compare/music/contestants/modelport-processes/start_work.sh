#!/bin/sh
cd "$(dirname "$0")" && exec python -m uvicorn --port '8000' --no-access-log --workers 4 work:app

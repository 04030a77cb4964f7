#!/bin/sh
cd "$(dirname "$0")" && exec ~/.cache/modelport/compare/flask-004c6de335fc/bin/gunicorn --bind '127.0.0.1:8000' --no-control-socket work:app

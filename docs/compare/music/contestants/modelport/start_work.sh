#!/bin/sh
cd "$(dirname "$0")" && exec python -m modelport serve work.py --port '8000' --workers 1 --standby off

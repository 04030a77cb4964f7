#!/bin/sh
cd "$(dirname "$0")" && exec python -m modelport serve ../../../genre.joblib --port '8000' --workers 1 --data ../../../music.csv --target genre

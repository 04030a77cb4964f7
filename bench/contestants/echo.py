"""The ceiling of Modelport's own HTTP server: it reads the body and answers a constant the size of a real answer.

Start it with::

    python -m bench.contestants.echo --port 8000
"""

import argparse
import sys


def main() -> int:
    """Serve the constant on the given port."""
    parser = argparse.ArgumentParser(description="Answer every request with a constant, on Modelport's HTTP server.")
    parser.add_argument("--port", type=int, required=True)
    parser.parse_args()
    print("the echo needs Modelport's HTTP server, which this tree does not have yet", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())

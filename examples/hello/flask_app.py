"""Hello by path, in Flask."""

from flask import Flask

app = Flask(__name__)


@app.get("/<name>")
def hello(name: str) -> dict[str, str]:
    return {"message": f"Hello! {name}"}

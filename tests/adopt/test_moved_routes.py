"""A moved route answers what the old one did: the old application runs, the written service runs, both are asked the same."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from httpx import ASGITransport, AsyncClient
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from modelport.adopt.facts import Report
from tests.adopt.reading import FASTAPI, FLASK, MODEL, adopted, write
from tests.adopt.running import running

BODIES = [{"a": 1.0, "b": 2.0}, {"a": 3.5, "b": 0.25}, {"b": 9, "a": -4}]
DATA = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, 6], "b": [6.0, 1, 5, 2, 4, 3]})
TARGETS: dict[str, list[Any]] = {
    "numbers": [0, 0, 0, 1, 1, 1],
    "names": ["low", "low", "low", "high", "high", "high"],
    "values": [1.5, 2.5, 3.0, 4.25, 5.0, 7.0],
}
GET = "    d = request.get_json()\n    y = model.predict([[float(d['a']), float(d['b'])]])\n"


def save(folder: Path, target: str) -> None:
    """A model of two features."""
    final: Any = LinearRegression() if target == "values" else LogisticRegression()
    joblib.dump(make_pipeline(StandardScaler(), final).fit(DATA, TARGETS[target]), folder / "model.joblib")


FLASK_HANDLERS = [
    ("names", GET + "    return jsonify({'label': y[0]})"),
    ("names", GET + "    return jsonify(label=y.tolist())"),
    ("names", GET + "    return {'label': str(y[0]).upper(), 'n': len(y)}, 200"),
    (
        "names",
        GET
        + "    if y == 'low':\n        text = 'down'\n    else:\n        text = 'up'\n    return jsonify({'text': text})",
    ),
    ("names", GET + "    return jsonify({'a': d['a'], 'label': y[0]})"),
    ("numbers", GET + "    out = int(y[0])\n    return jsonify({'y': out, 'text': NAMES[out]})"),
    ("numbers", GET + "    return jsonify({'y': y.item(), 'text': LABELS.get(int(y[0]), '?')})"),
    ("numbers", GET + "    return jsonify({'y': 'yes' if y[0] == 1 else 'no'})"),
    (
        "numbers",
        GET + "    p = model.predict_proba([[float(d['a']), float(d['b'])]])\n"
        "    return jsonify({'p': float(p[0][1]), 'y': int(y[0])})",
    ),
    (
        "numbers",
        GET + "    p = model.predict_proba([[float(d['a']), float(d['b'])]])[0, 1]\n"
        "    return jsonify({'p': round(float(p), 3)})",
    ),
    (
        "numbers",
        "    d = request.json\n    p = model.predict_proba([[d['a'], d['b']]])\n"
        "    return jsonify({'p': float(np.max(p)), 'best': int(np.argmax(p))})",
    ),
    (
        "values",
        GET + "    output = round(y[0], 2)\n    return jsonify({'price': output, 'text': 'Price: {}'.format(output)})",
    ),
    ("values", GET + "    return jsonify({'price': f'{y[0]:.2f}', 'twice': y[0] * 2})"),
    (
        "values",
        "    try:\n        d = request.get_json()\n        y = model.predict([[d['a'], d['b']]])\n"
        "        return jsonify({'y': float(y[0])})\n    except Exception as e:\n"
        "        return jsonify({'error': str(e)})",
    ),
    (
        "values",
        "    d = request.get_json()\n    x = []\n    x.append(d['a'])\n    x.append(d['b'])\n"
        "    y = model.predict(np.array(x).reshape(1, -1))\n    return jsonify({'y': y[0]})",
    ),
    (
        "values",
        "    d = request.get_json()\n    x = pd.DataFrame([[d['a'], d['b']]], columns=['a', 'b'])\n"
        "    return jsonify({'y': list(model.predict(x))})",
    ),
    (
        "values",
        "    d = request.get_json()\n    x = pd.DataFrame([d], columns=['a', 'b'])\n"
        "    return jsonify({'y': model.predict(x)[0]})",
    ),
    (
        "values",
        "    d = request.get_json()\n    x = [d[name] for name in FIELDS]\n    return jsonify({'y': model.predict([x])[0]})",
    ),
]
BEFORE = "NAMES = ['no', 'yes']\nLABELS = {0: 'no', 1: 'yes'}\nFIELDS = ['a', 'b']\n"
POST = "@app.route('/predict', methods=['POST'])\ndef predict():\n"


@pytest.mark.parametrize(("target", "handler"), FLASK_HANDLERS, ids=[str(n) for n in range(len(FLASK_HANDLERS))])
async def test_a_moved_flask_route_answers_what_the_old_one_did(target: str, handler: str, tmp_path: Path) -> None:
    save(tmp_path, target)
    report, text = adopted(tmp_path, FLASK + MODEL + BEFORE + POST + handler)
    assert moved(report) == ["/predict"], report.routes
    with running(tmp_path, text) as service:
        old = service.mounted["/"].test_client()
        for body in BODIES:
            answer = await service.ask("/predict", body)
            expected = old.post("/predict", json=body)
            assert (answer.status_code, expected.status_code) == (200, 200), (answer.text, text)
            assert same(answer.json(), expected.json), text


FASTAPI_HANDLERS = [
    ("names", "    return {'label': model.predict([[row.a, row.b]])[0]}"),
    ("numbers", "    y = model.predict(pd.DataFrame([row.model_dump()]))\n    return {'y': int(y[0]), 'a': row.a}"),
    ("numbers", "    d = row.dict()\n    y = model.predict([[d['a'], d['b']]])\n    return {'y': y.tolist()}"),
    ("values", "    data = [[row.a, row.b]]\n    y = float(model.predict(data)[0])\n    return Answer(y=y)"),
]
ROW = "class Row(BaseModel):\n    a: float\n    b: float\nclass Answer(BaseModel):\n    y: float\n"


@pytest.mark.parametrize(("target", "handler"), FASTAPI_HANDLERS, ids=[str(n) for n in range(len(FASTAPI_HANDLERS))])
@pytest.mark.filterwarnings("ignore:The `dict` method is deprecated")
async def test_a_moved_fastapi_route_answers_what_the_old_one_did(target: str, handler: str, tmp_path: Path) -> None:
    save(tmp_path, target)
    app = FASTAPI.replace("import requests\nimport uvicorn\n", "")
    report, text = adopted(tmp_path, app + MODEL + ROW + "@app.post('/predict')\ndef predict(row: Row):\n" + handler)
    assert moved(report) == ["/predict"], report.routes
    with running(tmp_path, text) as service:
        async with AsyncClient(transport=ASGITransport(service.mounted["/"]), base_url="http://old") as old:
            for body in BODIES:
                answer, expected = await service.ask("/predict", body), await old.post("/predict", json=body)
                assert same(answer.json(), expected.json()), text
        assert (await service.ask("/predict", {"a": 1})).status_code == 422


def same(left: Any, right: Any) -> bool:
    """Equal, numbers to nine digits."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == pytest.approx(right, rel=1e-9) if isinstance(left, float) else left == right)


def moved(report: Report) -> list[str]:
    """Paths of what moves."""
    return [route.path for route in report.routes if route.moved]


STAYS = [
    ("GET", "@app.route('/predict', methods=['GET', 'POST'])\ndef predict():\n" + GET + "    return jsonify(y=y[0])"),
    ("parameters", "@app.post('/predict/<v>')\ndef predict(v):\n" + GET + "    return jsonify(y=y[0])"),
    (
        "@login_required",
        "@app.post('/predict')\n@login_required\ndef predict():\n" + GET + "    return jsonify(y=y[0])",
    ),
    ("flask.session", POST + GET + "    flask.session['y'] = 1\n    return jsonify(y=y[0])"),
    ("JSON", POST + GET + "    return render_template('x.html', y=y[0])"),
    (
        "form",
        POST
        + "    y = model.predict([[float(request.form['a']), float(request.form['b'])]])\n    return jsonify(y=y[0])",
    ),
    (
        "scaler",
        "scaler = joblib.load('scaler.joblib')\n"
        + POST
        + "    d = request.json\n    x = scaler.transform([[d['a'], d['b']]])\n    return jsonify(y=model.predict(x)[0])",
    ),
    (
        "order in which the client",
        POST + "    y = model.predict([list(request.json.values())])\n    return jsonify(y=y[0])",
    ),
    ("computes with an array", POST + GET + "    return jsonify(y=(y * 2).tolist())"),
    ("np.expm1", POST + GET + "    return jsonify(y=float(np.expm1(y[0])))"),
    ("takes an array for true", POST + GET + "    return jsonify(y=1 if y else 0)"),
    ("writes an array", POST + GET + "    return jsonify(y=f'{y}')"),
    ("calls str()", POST + GET + "    return jsonify(y=str(y))"),
    ("loop", POST + GET + "    return jsonify(y=[float(v) for v in y])"),
    (
        "decides something",
        POST + "    d = request.json\n    if d['a'] < 0:\n        return jsonify(error='no'), 400\n"
        "    return jsonify(y=model.predict([[d['a'], d['b']]])[0])",
    ),
    (
        "does something before",
        POST + "    d = request.json\n    open('log', 'a').write('x')\n"
        "    return jsonify(y=model.predict([[d['a'], d['b']]])[0])",
    ),
    ("takes 2", POST + "    d = request.json\n    return jsonify(y=model.predict([[d['a'], d['b'], d['c']]])[0])"),
    (
        "helper",
        "def score(d):\n    return model.predict([[d['a'], d['b']]])[0]\n"
        + POST
        + "    return jsonify(y=score(request.json))",
    ),
]


HOOKED = """
@app.before_request
def check():
    flask.g.user = flask.request.headers.get('x-user')
    if flask.g.user is None:
        return 'who are you?', 401

@app.after_request
def tell(response):
    response.headers['x-seen'] = flask.g.get('user') or 'nobody'
    return response
"""
EXTENSION = """
def limit(app):
    app.after_request(lambda response: response.headers.add('x-seen', 'Ann') or response)
limit(app)
"""


@pytest.mark.parametrize("around", [HOOKED, EXTENSION], ids=["hooks", "extension"])
async def test_where_hooks_run_around_it_a_route_moves_inside_the_application(around: str, tmp_path: Path) -> None:
    save(tmp_path, "values")
    report, text = adopted(tmp_path, FLASK + MODEL + around + POST + GET + "    return jsonify(y=y[0])")
    assert moved(report) == ["/predict"]
    assert '@old.post("/predict")' in text
    assert text.count("service.mount(") == 1
    with running(tmp_path, text) as service:
        old = service.mounted["/"].test_client()
        for headers in ({"x-user": "Ann"}, {}):
            answer = await service.ask("/predict", BODIES[0], **headers)
            expected = old.post("/predict", json=BODIES[0], headers=headers)
            assert (answer.status_code, answer.headers["x-seen"]) == (expected.status_code, expected.headers["x-seen"])
            assert answer.status_code == (401 if around == HOOKED and not headers else 200)
            assert answer.status_code == 401 or same(answer.json(), expected.json)


async def test_where_middleware_stands_before_it_a_fastapi_route_moves_inside_the_application(tmp_path: Path) -> None:
    save(tmp_path, "values")
    app = FASTAPI.replace("import requests\nimport uvicorn\n", "") + MODEL + ROW
    app = app.replace(
        "app = FastAPI()", "from fastapi import Depends, HTTPException\napp = FastAPI(dependencies=[Depends(key)])"
    )
    app = app.replace(
        "app = ", "def key(request: Request):\n    if 'x-key' not in request.headers: raise HTTPException(401)\napp = "
    )
    app += "@app.middleware('http')\nasync def mark(request, go_on):\n    response = await go_on(request)\n"
    app += "    response.headers['x-seen'] = 'yes'\n    return response\n"
    app += (
        "@app.post('/predict')\ndef predict(row: Row):\n    return {'y': float(model.predict([[row.a, row.b]])[0])}\n"
    )
    report, text = adopted(tmp_path, app)
    assert moved(report) == ["/predict"]
    with running(tmp_path, text) as service:
        assert (await service.ask("/predict", BODIES[0])).status_code == 401
        answer = await service.ask("/predict", BODIES[0], **{"x-key": "k"})
        assert (answer.status_code, answer.headers["x-seen"]) == (200, "yes")


GUARDED = [
    ("dependencies=[Depends(key)]", "app = FastAPI()", "@app.post('/predict', dependencies=[Depends(key)])"),
    ("status_code=201", "app = FastAPI()", "@app.post('/predict', status_code=201)"),
    (
        "a router asks",
        "from fastapi import APIRouter\napp = FastAPI()\nr = APIRouter(dependencies=[Depends(key)])\napp.include_router(r)",
        "@r.post('/predict')",
    ),
    (
        "a router asks",
        "from fastapi import APIRouter\napp = FastAPI()\nr = APIRouter()\napp.include_router(r, dependencies=[Depends(key)])",
        "@r.post('/predict')",
    ),
]


@pytest.mark.parametrize(("reason", "app", "decorator"), GUARDED)
def test_a_guarded_route_stays(reason: str, app: str, decorator: str, tmp_path: Path) -> None:
    save(tmp_path, "values")
    text = FASTAPI.replace("app = FastAPI()", f"from fastapi import Depends\ndef key(): pass\n{app}") + MODEL + ROW
    handler = f"{decorator}\ndef predict(row: Row):\n    return {{'y': float(model.predict([[row.a, row.b]])[0])}}\n"
    report, _ = adopted(tmp_path, text + handler)
    assert moved(report) == []
    assert reason in next(route.stays for route in report.routes if route.path == "/predict")


@pytest.mark.parametrize(("wrapper", "stays"), [("ProxyFix", False), ("AuthMiddleware", True)])
def test_a_route_behind_wsgi_middleware_stays_unless_that_only_tells_addresses(
    wrapper: str, stays: bool, tmp_path: Path
) -> None:
    save(tmp_path, "values")
    wrapped = f"from werkzeug.middleware.proxy_fix import ProxyFix\napp.wsgi_app = {wrapper}(app.wsgi_app)\n"
    report, _ = adopted(tmp_path, FLASK + MODEL + wrapped + POST + GET + "    return jsonify(y=y[0])")
    assert (moved(report) == []) is stays


@pytest.mark.parametrize(("reason", "handler"), STAYS, ids=[reason for reason, _ in STAYS])
def test_a_route_that_cannot_be_read_in_full_stays_and_says_why(reason: str, handler: str, tmp_path: Path) -> None:
    save(tmp_path, "values")
    joblib.dump(StandardScaler().fit(DATA), tmp_path / "scaler.joblib")
    report, text = adopted(tmp_path, FLASK + MODEL + handler)
    assert moved(report) == []
    stays = next(route.stays for route in report.routes if route.stays)
    assert reason.replace("helper", "score()") in stays
    assert f"stays with the app: {stays}." in text
    ast.parse(text)


def test_a_wrong_order_is_put_right_and_told(tmp_path: Path) -> None:
    save(tmp_path, "values")
    handler = "    d = request.json\n    return jsonify(y=model.predict([[d['b'], d['a']]])[0])"
    report, text = adopted(tmp_path, FLASK + MODEL + POST + handler)
    assert moved(report) == ["/predict"]
    assert '"a": body.a' in text
    assert "in another order than it was trained with" in text


def test_names_that_python_cannot_have_stay_the_names_of_the_body(tmp_path: Path) -> None:
    joblib.dump(LinearRegression().fit(DATA.to_numpy(), TARGETS["values"]), tmp_path / "model.joblib")
    handler = "    d = request.json\n    return jsonify(y=model.predict([[d['Sepal Length'], d['class']]])[0])"
    _, text = adopted(tmp_path, FLASK + MODEL + POST + handler)
    assert 'sepal_length: float = Field(alias="Sepal Length")' in text
    assert 'class_: float = Field(alias="class")' in text
    assert '"x0": body.sepal_length' in text


async def test_names_of_the_old_handler_hide_none_of_the_services(tmp_path: Path) -> None:
    save(tmp_path, "names")
    (tmp_path / "model.joblib").rename(tmp_path / "genre.joblib")
    text = FLASK + "model = joblib.load('genre.joblib')\nclass_names = {'low': 'down', 'high': 'up'}\n"
    text += (
        POST.replace("predict():", "genre():")
        + GET
        + "    genre = y[0]\n    answer = class_names[genre]\n    body = answer\n"
    )
    text += "    return jsonify({'genre': genre, 'body': body})\n"
    text += "@app.post('/app')\ndef service():\n" + GET + "    return jsonify({'y': y[0]})\n"
    report, written = adopted(tmp_path, text)
    assert moved(report) == ["/predict", "/app"]
    with running(tmp_path, written) as service:
        old = service.mounted["/"].test_client()
        for path in ("/predict", "/app"):
            answer = await service.ask(path, BODIES[0])
            assert (answer.status_code, answer.json()) == (200, old.post(path, json=BODIES[0]).json), written


def test_constants_of_one_name_and_two_values_are_not_mixed_up(tmp_path: Path) -> None:
    save(tmp_path, "numbers")
    other = "from flask import Blueprint, jsonify, request\nfrom app import model\nbp = Blueprint('b', __name__)\n"
    other += "NAMES = ['left', 'right']\n@bp.post('/other')\ndef predict():\n"
    answer = GET + "    return jsonify({'text': NAMES[int(y[0])]})"
    text = FLASK + MODEL + BEFORE + POST + answer + "\nfrom other import bp\napp.register_blueprint(bp)\n"
    report, written = adopted(tmp_path, text, other=other + answer)
    assert moved(report) == ["/predict"]
    assert "NAMES has another value there" in next(r.stays for r in report.routes if r.path == "/other")
    assert "left" not in written


def test_what_is_written_is_as_a_formatter_would_leave_it(tmp_path: Path) -> None:
    save(tmp_path, "values")
    _, text = adopted(tmp_path, FLASK + MODEL + POST + GET + "    return jsonify({'y': y[0]})")
    path = write(tmp_path, text).rename(tmp_path / "service.py")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "--diff", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout

"""Whole applications as people write them: several files, factories, blueprints, routers, models behind helpers."""

from __future__ import annotations

import ast
import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import joblib
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.preprocessing import StandardScaler

from modelport.adopt.facts import Route
from modelport.adopt.reading import read_app
from modelport.adopt.writing import plan_service, service_text
from modelport.cli.adopt import run_adopt
from modelport.errors import SetupError
from tests.adopt.reading import FASTAPI, FLASK, MODEL, adopted, found, read, write
from tests.cli.test_command_line import Cli, cli

__all__ = ["cli"]

APPS = Path(__file__).parent / "apps"


@pytest.fixture(scope="module")
def apps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The applications beside this file, with the models that they want."""
    tmp_path = tmp_path_factory.mktemp("applications")
    shutil.copytree(APPS, tmp_path / "apps")
    homes = pd.DataFrame({"area": [50.0, 80, 120], "bedrooms": [1.0, 2, 4], "age": [3.0, 30, 10]})
    house = LinearRegression().fit(homes, [100.0, 150, 300])
    (tmp_path / "apps/house_price/house_model.pkl").write_bytes(pickle.dumps(house))
    flowers = pd.DataFrame([[5.1, 3.5, 1.4, 0.2], [6, 3, 5, 2], [7, 3, 6, 2]], columns=["a", "b", "c", "d"])
    joblib.dump(LogisticRegression().fit(flowers.to_numpy(), [0, 1, 2]), tmp_path / "apps/iris/iris.joblib")
    hearts = pd.DataFrame({"age": [40, 50, 60.0], "sex": [0, 1, 1.0], "chol": [200, 240, 300.0]})
    (tmp_path / "apps/heart/heart/model").mkdir()
    joblib.dump(LogisticRegression().fit(hearts, [0, 1, 1]), tmp_path / "apps/heart/heart/model/heart.joblib")
    joblib.dump(StandardScaler().fit(hearts), tmp_path / "apps/heart/heart/model/scaler.joblib")
    return tmp_path / "apps"


def routes(report: Any) -> dict[str, Route]:
    """The routes by method and path."""
    return {f"{'|'.join(r.methods)} {r.path}": r for r in report.routes}


def test_the_house_price_app_is_read_whole(apps: Path) -> None:
    report, analysis = read_app(apps / "house_price/app.py")
    moves = plan_service(report, analysis)
    by_path = routes(report)
    assert list(by_path) == ["GET /", "POST /predict", "POST /api/predict", "GET /delete_history"]
    assert by_path["POST /predict"].order == "client"
    assert by_path["POST /api/predict"].features == ("bedrooms", "area", "age")
    assert {f.rule for f in report.findings if f.level in ("breaks", "wrong")} == {
        "removed-name",
        "client-order",
        "feature-order",
    }
    assert [move.handler.path for move in moves] == ["/api/predict"]
    assert report.models[0].role == "model"
    assert report.models[0].stored is not None
    assert [name for name, _ in report.models[0].stored.fields] == ["area", "bedrooms", "age"]


def test_the_iris_app_is_read_through_its_schemas(apps: Path) -> None:
    report, _ = read_app(apps / "iris/main.py")
    by_path = routes(report)
    assert by_path["POST /predict"].inputs[0].names == ("sepal_length", "sepal_width", "petal_length", "petal_width")
    assert by_path["POST /predict"].features == by_path["POST /predict"].inputs[0].names
    assert by_path["POST /predict"].answers == ("JSON {species, probability}",)
    assert report.models[0].when == "startup"
    assert [f.rule for f in report.findings if f.level == "breaks"] == [
        "template-order",
        "numpy-in-json",
        "removed-argument",
    ]
    assert found(report, "ignored-config")[0].place.file.endswith("schemas.py")


def test_the_heart_app_is_read_through_factory_blueprint_and_helpers(apps: Path) -> None:
    report, analysis = read_app(apps / "heart/wsgi.py")
    moves = plan_service(report, analysis)
    assert sorted(routes(report)) == ["GET /api/v1/predict", "GET /health", "POST /api/v1/predict"]
    assert {m.variable: (m.role, m.when) for m in report.models} == {
        "_model": ("model", "lazily"),
        "_scaler": ("transformer", "lazily"),
    }
    assert (moves, routes(report)["POST /api/v1/predict"].stays) == (
        [],
        "the model is called in score(), not in the handler",
    )
    text = service_text(report, analysis, moves, apps / "heart/service.py")
    assert "from wsgi import app\n" in text
    assert 'heart = service.model("heart", "heart/model/heart.joblib")' in text
    ast.parse(text)


def test_the_command_prints_what_it_found(cli: Cli, apps: Path) -> None:
    shown = cli("adopt", apps / "house_price/app.py", COLUMNS="120")
    assert (shown.code, shown.err) == (0, "")
    told = (
        "Flask application",
        "POST /api/predict",
        "house_model.pkl",
        "flask.Markup",
        "bedrooms stands where area",
        "--write",
    )
    assert [text for text in told if text not in shown.out] == []


def test_the_service_is_written_and_overwritten_only_where_asked(
    apps: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, service = apps / "house_price/app.py", apps / "house_price/service.py"
    assert run_adopt(app, Path("service.py"), False, False) == 0
    first = service.read_text(encoding="utf-8")
    assert "service.mount" in first
    assert "Serve it:  modelport serve" in capsys.readouterr().out
    with pytest.raises(SetupError, match="is there already: add --force"):
        run_adopt(app, Path("service.py"), False, False)
    service.write_text("")
    assert run_adopt(app, service, True, False) == 0
    assert service.read_text(encoding="utf-8") == first
    with pytest.raises(SetupError, match="is a file of the app itself"):
        run_adopt(app, app, True, False)
    with pytest.raises(SetupError, match="cannot be written"):
        run_adopt(app, apps / "no" / "service.py", True, False)


def test_as_json_everything_can_be_parsed(apps: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_adopt(apps / "house_price/app.py", None, False, True)
    told = json.loads(capsys.readouterr().out)
    assert told["findings"][0]["place"].endswith("app.py:4")
    assert [r["path"] for r in told["routes"] if r["moved"]] == ["/api/predict"]
    assert told["models"][0]["stored"]["fields"][0] == ["area", "float"]
    assert set(told["findings"][0]) == {"rule", "level", "place", "what", "remedy"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("def f(:\n", "bad.py is no Python that this version reads: line 1"),
        ("print 'old'\n", "bad.py is no Python that this version reads: line 1"),
        ("x = 1\n", "makes no Flask or FastAPI application"),
        ("\0", "is no Python"),
        ("x = " + "(" * 5000, "is no Python"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(text)
    with pytest.raises(SetupError) as refused:
        read_app(tmp_path / "bad.py")
    assert complaint in str(refused.value)


def test_what_is_no_file_is_refused_in_one_line(cli: Cli) -> None:
    assert "no.py does not exist" in cli.refuses("adopt", "no.py")
    assert "is a folder: give the file in which the app is made" in cli.refuses("adopt", ".")


def test_nothing_of_the_app_is_run(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    read(tmp_path, f"open({str(marker)!r}, 'w')\nimport helper\n" + FLASK, helper=f"open({str(marker)!r}, 'w')\n")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (
            "bp = flask.Blueprint('b', __name__, url_prefix='/own')\n@bp.get('/x')\ndef x(): pass\napp.register_blueprint(bp)",
            ["/own/x"],
        ),
        (
            "bp = flask.Blueprint('b', __name__, url_prefix='/own')\n@bp.get('/x')\ndef x(): pass\n"
            "app.register_blueprint(bp, url_prefix='/at')",
            ["/at/x"],
        ),
        ("bp = flask.Blueprint('b', __name__)\n@bp.get('/x')\ndef x(): pass", ["(not registered)/x"]),
        ("def x(): pass\napp.add_url_rule('/x', 'x', x, methods=['POST'])", ["/x"]),
        ("def init(app):\n    @app.get('/x')\n    def x(): pass\ninit(app)", ["/x"]),
    ],
)
def test_flask_routes_get_the_prefix_under_which_they_answer(text: str, paths: list[str], tmp_path: Path) -> None:
    assert [r.path for r in read(tmp_path, FLASK + text).routes] == paths


def test_classes_of_extensions_are_routes_that_stay(tmp_path: Path) -> None:
    text = (
        "from flask_restful import Api, Resource\nmodel = joblib.load('model.joblib')\napi = Api(app)\n"
        "class Predict(Resource):\n    def post(self):\n        d = request.get_json()\n"
        "        return {'y': str(model.predict([[d['a']]])[0])}\n    def get(self):\n        return {}\n"
        "api.add_resource(Predict, '/predict', '/old')\n"
    )
    routes = read(tmp_path, FLASK + text).routes
    assert [(r.methods, r.path) for r in routes] == [
        (("POST",), "/predict"),
        (("POST",), "/old"),
        (("GET",), "/predict"),
        (("GET",), "/old"),
    ]
    assert [entry.names for entry in routes[0].inputs] == [("a",)]
    planned, written = adopted(tmp_path, FLASK + text)
    assert not any(route.moved for route in planned.routes)
    assert "POST /predict stays with the app: it is a class of an extension" in written


def test_an_application_that_imports_everything_of_flask_is_one(tmp_path: Path) -> None:
    text = (
        "from flask import *\napp = Flask(__name__)\n@app.route('/a', methods=['POST'])\ndef a():\n"
        "    return jsonify(request.json['b'])\n"
    )
    (route,) = read(tmp_path, text).routes
    assert (route.path, [entry.names for entry in route.inputs]) == ("/a", [("b",)])


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        (
            "from fastapi import APIRouter\nr = APIRouter(prefix='/own')\n@r.get('/x')\ndef x(): pass\n"
            "app.include_router(r, prefix='/at')",
            ["/at/own/x"],
        ),
        ("def x(): pass\napp.add_api_route('/x', x, methods=['POST'])", ["/x"]),
        ("@app.api_route('/x', methods=['PUT', 'POST'])\ndef x(): pass", ["/x"]),
    ],
)
def test_fastapi_routes_get_the_prefix_under_which_they_answer(text: str, paths: list[str], tmp_path: Path) -> None:
    assert [r.path for r in read(tmp_path, FASTAPI + text).routes] == paths


def test_the_prefixes_are_those_of_flask_and_fastapi_themselves() -> None:
    """What the two tests above expect, asked of the libraries."""
    import fastapi
    import flask

    app, blueprint = flask.Flask("x"), flask.Blueprint("b", "x", url_prefix="/own")
    blueprint.add_url_rule("/x", "x", lambda: "")
    app.register_blueprint(blueprint, url_prefix="/at")
    assert "/at/x" in {str(rule) for rule in app.url_map.iter_rules()}
    web, router = fastapi.FastAPI(), fastapi.APIRouter(prefix="/own")
    router.add_api_route("/x", lambda: "")
    web.include_router(router, prefix="/at")
    assert "/at/own/x" in web.openapi()["paths"]


@pytest.mark.parametrize(
    ("text", "when"),
    [
        (MODEL, "import"),
        ("if __name__ == '__main__':\n    model = joblib.load('m.joblib')", "main"),
        ("@app.get('/x')\ndef x():\n    m = joblib.load('m.joblib')", "request"),
        (
            "model = None\n@app.get('/x')\ndef x():\n    global model\n    if model is None:\n"
            "        model = joblib.load('m.joblib')",
            "lazily",
        ),
        ("class P:\n    def __init__(self):\n        self.m = joblib.load('m.joblib')\np = P()", "import"),
    ],
)
def test_when_a_file_is_loaded_is_told(text: str, when: str, tmp_path: Path) -> None:
    assert [m.when for m in read(tmp_path, FLASK + text).models] == [when]


@pytest.mark.parametrize(
    ("text", "written", "base"),
    [
        ("joblib.load('a/m.pkl')", "a/m.pkl", "the working directory"),
        ("pickle.load(open('m.pkl', 'rb'))", "m.pkl", "the working directory"),
        ("joblib.load(os.path.join(os.path.dirname(__file__), 'a', 'm.pkl'))", "a/m.pkl", "the file"),
        ("joblib.load(pathlib.Path(__file__).resolve().parent / 'm.pkl')", "m.pkl", "the file"),
        ("joblib.load(pathlib.Path(__file__).parent.parent / 'm.pkl')", "../m.pkl", "the file"),
        ("joblib.load(f'{HERE}/m.pkl')", "m.pkl", "the file"),
        ("joblib.load('/srv/m.pkl')", "/srv/m.pkl", "absolute"),
        ("joblib.load(os.environ['M'])", None, ""),
    ],
)
def test_paths_are_worked_out_from_the_text(text: str, written: str | None, base: str, tmp_path: Path) -> None:
    model = read(
        tmp_path, "import pathlib\n" + FLASK + "HERE = os.path.dirname(os.path.abspath(__file__))\nmodel = " + text
    ).models[0]
    assert (model.written, model.relative_to) == (written, base)


def test_an_app_without_a_model_is_mounted_whole(tmp_path: Path) -> None:
    report, text = adopted(tmp_path, FLASK + "@app.get('/')\ndef home():\n    return 'hi'")
    assert "No route has moved" in text
    assert text.endswith('service.mount("/", app)\n')
    assert report.findings == []


def test_a_file_that_is_no_utf8_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    path.write_bytes(b"x = '\xff'\n")
    with pytest.raises(SetupError, match="is no Python"):
        read_app(path)


@pytest.mark.parametrize(
    "text",
    [
        "model = joblib.load('m.joblib')\n@app.post('/p')\ndef p():\n    return str(model.predict([[1]])[0])",
        "model = joblib.load('m.joblib')\ndef score(m):\n    return m.predict([[1]])\n"
        "@app.post('/p')\ndef p():\n    return str(score(model))",
        "def load():\n    m = joblib.load('m.joblib')\n    return m\nclf = load()\n"
        "@app.post('/p')\ndef p():\n    return str(clf.predict([[1]])[0])",
        "models = {}\nmodels['a'] = joblib.load('m.joblib')\n"
        "@app.post('/p')\ndef p():\n    return str(models['a'].predict([[1]])[0])",
        "class P:\n    def __init__(self):\n        self.m = joblib.load('m.joblib')\n    def ask(self):\n        return 1\n"
        "p = P()\n@app.post('/p')\ndef f():\n    m = joblib.load('m.joblib')\n    return str(m.predict([[1]])[0])",
    ],
)
def test_the_file_behind_a_prediction_is_found(text: str, tmp_path: Path) -> None:
    report = read(tmp_path, FLASK + text)
    assert "?" not in routes(report)["POST /p"].models
    assert any(m.role == "model" for m in report.models)


def test_data_that_is_read_is_told_from_models(tmp_path: Path) -> None:
    report = read(tmp_path, FLASK + "frame = pd.read_csv('a.csv')\nmodel = joblib.load('m.joblib')")
    assert [m.role for m in report.models] == ["data", "file"]


def test_a_model_that_fastapi_hands_over_is_found(tmp_path: Path) -> None:
    text = "from fastapi import Depends\ndef start():\n    app.state.model = joblib.load('m')\nstart()\n"
    text += "def get_model():\n    return app.state.model\n"
    text += "@app.post('/p')\ndef p(model=Depends(get_model)):\n    return float(model.predict([[1]])[0])"
    assert routes(read(tmp_path, FASTAPI + text))["POST /p"].models == ("app.state.model",)


def test_answers_of_a_class_and_of_a_generator_are_told(tmp_path: Path) -> None:
    text = FASTAPI + "class Weather(BaseModel):\n    city: str\n    temp: float\n"
    text += "@app.get('/w')\ndef weather(city: str):\n    return Weather(city=city, temp=1.5)\n"
    assert read(tmp_path, text).routes[0].answers == ("JSON {city, temp}",)
    text = (
        FLASK + "@app.get('/s')\ndef stream():\n    def parts():\n        yield 'a'\n    return parts(), {'x': 'y'}\n"
    )
    assert read(tmp_path, text).routes[0].answers == ("stream",)


def test_no_place_is_cut_short_in_the_tables(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "/".join(["a_folder_with_a_long_name"] * 3)
    read(tmp_path, "import flask\nfrom routes.deep.er import bp\napp = flask.Flask('x')\napp.register_blueprint(bp)\n")
    (tmp_path / "routes" / "deep").mkdir(parents=True)
    (tmp_path / "routes" / "deep" / "er.py").write_text(
        f"import flask\nbp = flask.Blueprint('b', __name__)\n@bp.get('/{names}/<int:number>')\ndef show(number): return 'x'\n"
    )
    assert run_adopt(tmp_path / "app.py", None, False, False) == 0
    assert "…" not in capsys.readouterr().out


def test_prefixes_that_are_constants_of_other_files_are_followed(tmp_path: Path) -> None:
    text = "from fastapi import FastAPI\nfrom config import PREFIX\nfrom routes import router\n"
    text += "app = FastAPI()\napp.include_router(router, prefix=PREFIX)\n"
    routed = "from fastapi import APIRouter\nfrom config import PREFIX\nrouter = APIRouter(prefix=PREFIX)\n"
    routed += "@router.get('/x')\ndef x(): return 1\n"
    assert read(tmp_path, text, config="PREFIX = '/api'\n", routes=routed).routes[0].path == "/api/api/x"


def test_a_model_in_a_class_that_a_start_handler_makes_is_loaded_at_start_up(tmp_path: Path) -> None:
    text = "from fastapi import FastAPI\nimport joblib\nclass Model:\n    def __init__(self):\n        self.open()\n"
    text += "    def open(self):\n        self.model = joblib.load('m.joblib')\n"
    text += "def starter(app):\n    def start():\n        app.state.model = Model()\n    return start\n"
    text += "app = FastAPI()\napp.add_event_handler('startup', starter(app))\n"
    assert [model.when for model in read(tmp_path, text).models] == ["startup"]

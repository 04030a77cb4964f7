"""For each rule applications that have the fault, and the same without it. `FLASK` and `FASTAPI` stand before each."""

from __future__ import annotations

from tests.adopt.reading import FASTAPI, FLASK, MODEL

POST = "@app.post('/p')\ndef p():\n    "
ASYNC = "@app.post('/p')\nasync def p(request: Request):\n    "
ROW = "class Row(BaseModel):\n    a: float\n    b: float\n"
OLD = "    class Config:\n        orm_mode = True\n"

FLASK_CASES: list[tuple[str, str, str]] = [
    ("removed-name", "from flask import Markup", "from markupsafe import Markup"),
    ("removed-name", "from flask.json import JSONEncoder", "from flask.json.provider import DefaultJSONProvider"),
    ("removed-name", "from sklearn.externals import joblib", "import joblib"),
    (
        "removed-name",
        "from sklearn.externals import joblib",
        "try:\n    import joblib\nexcept ImportError:\n    from sklearn.externals import joblib",
    ),
    ("removed-name", "import sklearn.externals.joblib as joblib", "import joblib as joblib"),
    ("removed-name", "from sklearn.datasets import load_boston", "from sklearn.datasets import load_iris"),
    ("removed-name", "x = np.zeros(3, dtype=np.float)", "x = np.zeros(3, dtype=np.float64)"),
    ("removed-name", "x = np.int(3)", "x = np.int64(3)"),
    (
        "removed-name",
        "d = pd.DataFrame({'a': [1]})\nd = d.append({'a': 2}, ignore_index=True)",
        "d = []\nd.append({'a': 2})",
    ),
    (
        "removed-name",
        POST + "d = pd.DataFrame()\n    return jsonify(len(d.append(d)))",
        POST + "d = []\n    d.append(1)\n    return jsonify(d)",
    ),
    ("removed-name", "@app.before_first_request\ndef load(): pass", "@app.before_request\ndef load(): pass"),
    ("removed-argument", "flask.send_file('x', attachment_filename='y')", "flask.send_file('x', download_name='y')"),
    ("ignored-setting", "class E: pass\napp.json_encoder = E", "class E: pass\nE.json_encoder = E"),
    ("ignored-setting", "app.config['JSON_SORT_KEYS'] = False", "app.config['DEBUG'] = False"),
    (
        "client-order",
        MODEL + POST + "x = [float(v) for v in request.form.values()]\n    return str(model.predict([np.array(x)])[0])",
        MODEL
        + POST
        + "x = [float(request.form[n]) for n in ['a', 'b']]\n    return str(model.predict([np.array(x)])[0])",
    ),
    (
        "client-order",
        MODEL + POST + "return str(model.predict(np.array(list(request.json.values())).reshape(1, -1))[0])",
        MODEL + POST + "d = request.json\n    return str(model.predict(np.array([d['a'], d['b']]).reshape(1, -1))[0])",
    ),
    (
        "client-order",
        MODEL + POST + "d = request.get_json()\n    return str(model.predict(pd.DataFrame([d]))[0])",
        MODEL + POST + "d = request.get_json()\n    return str(model.predict(pd.DataFrame([d])[['a', 'b']])[0])",
    ),
    (
        "client-order",
        MODEL
        + POST
        + "d = request.form.to_dict()\n    x = list(map(float, list(d.values())))\n    return str(model.predict([x])[0])",
        MODEL
        + POST
        + "d = request.form.to_dict()\n    x = [float(d['a'])]\n    x.append(float(d['b']))\n    return str(model.predict([x])[0])",
    ),
    (
        "numpy-in-json",
        MODEL + POST + "return jsonify({'y': model.predict([[1]])[0]})",
        MODEL + POST + "return jsonify({'y': int(model.predict([[1]])[0])})",
    ),
    (
        "numpy-in-json",
        MODEL + POST + "y = model.predict([[1]])\n    return jsonify(y=y)",
        MODEL + POST + "y = model.predict([[1]])\n    return jsonify(y=y.tolist())",
    ),
    (
        "numpy-in-json",
        MODEL + POST + "return {'y': model.predict_proba([[1]])[0]}",
        MODEL + POST + "return {'y': model.predict_proba([[1]])[0][1]}",
    ),
    (
        "numpy-in-json",
        MODEL + POST + "return json.dumps({'y': np.argmax(model.predict_proba([[1]]))})",
        MODEL + POST + "return json.dumps({'y': str(model.predict([[1]])[0])})",
    ),
    (
        "array-to-number",
        MODEL + POST + "return jsonify(float(model.predict([[1]])))",
        MODEL + POST + "return jsonify(float(model.predict([[1]])[0]))",
    ),
    ("missing-field", POST + "return jsonify(request.json['a'])", POST + "return jsonify(request.form['a'])"),
    (
        "missing-field",
        POST + "d = request.get_json()\n    return jsonify(d['a'])",
        POST
        + "d = request.get_json()\n    if 'a' not in d:\n        return jsonify(1), 400\n    return jsonify(d['a'])",
    ),
    (
        "missing-field",
        MODEL + POST + "d = request.json\n    return jsonify(list(model.predict([[d[n] for n in ['a', 'b']]])))",
        MODEL + POST + "d = request.json\n    return jsonify(list(model.predict([[d.get(n, 0) for n in ['a', 'b']]])))",
    ),
    (
        "missing-field",
        MODEL + POST + "d = request.json\n    return jsonify(list(model.predict(pd.DataFrame([d])[['a', 'b']])))",
        MODEL
        + POST
        + "d = request.json\n    try:\n"
        + "        return jsonify(list(model.predict(pd.DataFrame([d])[['a', 'b']])))\n"
        + "    except KeyError:\n        return jsonify(1), 400",
    ),
    (
        "unchecked-number",
        POST + "return jsonify([int(x) for x in request.form.values()])",
        POST + "return jsonify([int(x) for x in {'a': 1}.values()])",
    ),
    (
        "error-200",
        POST
        + "data = {'success': False}\n    if request.files.get('image'):\n        data['success'] = True\n"
        + "    return jsonify(data)",
        POST
        + "data = {'success': False}\n    if request.files.get('image'):\n        data['success'] = True\n"
        + "    return jsonify(data), 200 if data['success'] else 400",
    ),
    (
        "loaded-under-main",
        "from keras.applications import ResNet50\nmodel = None\ndef load():\n    global model\n"
        + "    model = ResNet50(weights='imagenet')\n"
        + POST
        + "return str(model.predict([[1]])[0])\nif __name__ == '__main__':\n    load()",
        "from keras.applications import ResNet50\nmodel = None\ndef load():\n    global model\n"
        + "    model = ResNet50(weights='imagenet')\n"
        + POST
        + "return str(model.predict([[1]])[0])\nload()",
    ),
    (
        "unchecked-number",
        POST + "return jsonify(float(request.form['a']))",
        POST + "return jsonify(request.args.get('a', type=float))",
    ),
    ("unread-json", POST + "return jsonify(json.loads(request.data))", POST + "return jsonify(request.get_json())"),
    (
        "error-200",
        POST + "try:\n        return jsonify(1)\n    except Exception as e:\n        return jsonify({'error': str(e)})",
        POST
        + "try:\n        return jsonify(1)\n    except Exception as e:\n        return jsonify({'error': str(e)}), 400",
    ),
    (
        "error-200",
        POST + "if not request.json:\n        return jsonify({'error': 'no data'})\n    return jsonify(1)",
        POST
        + "if not request.json:\n        return jsonify({'error': 'no data'}), 422\n    return jsonify({'error': None, 'y': 1})",
    ),
    (
        "error-200",
        POST + "try:\n        return jsonify(1)\n    except Exception as e:\n        return str(e)",
        POST + "try:\n        return jsonify(1)\n    except Exception as e:\n        flask.abort(400)",
    ),
    (
        "changing-get",
        "@app.get('/d')\ndef d():\n    os.remove('x')\n    return 'ok'",
        "@app.delete('/d')\ndef d():\n    os.remove('x')\n    return 'ok'",
    ),
    (
        "changing-get",
        "@app.route('/d')\ndef d():\n    c.execute('DELETE FROM t')\n    return 'ok'",
        "@app.route('/d')\ndef d():\n    c.execute('SELECT 1 FROM t')\n    return 'ok'",
    ),
    (
        "changing-get",
        "@app.route('/d')\ndef d():\n    open('x', 'w').write('a')\n    return 'ok'",
        "@app.route('/d')\ndef d():\n    return open('x').read()",
    ),
    ("debug", "if __name__ == '__main__':\n    app.run(debug=True)", "if __name__ == '__main__':\n    app.run()"),
    ("run-at-import", "app.run()", "if __name__ == '__main__':\n    app.run()"),
    (
        "run-at-import",
        "from waitress import serve\nserve(app, port=80)",
        "from waitress import serve\ndef main():\n    serve(app, port=80)",
    ),
    (
        "development-server",
        "if __name__ == '__main__':\n    app.run()",
        "if __name__ == '__main__':\n    print('hello')",
    ),
    ("secret-in-code", "app.secret_key = os.environ.get('KEY', 'abc')", "app.secret_key = os.environ.get('KEY')"),
    ("secret-in-code", "app.secret_key = 'abc'", "app.secret_key = os.environ['KEY']"),
    ("secret-in-code", "app.config['SECRET_KEY'] = 'abc'", "app.config['SECRET_KEY'] = os.urandom(16)"),
    (
        "cors-for-all",
        "from flask_cors import CORS\nCORS(app)",
        "from flask_cors import CORS\nCORS(app, origins=['https://a.example'])",
    ),
    ("code-from-client", POST + "return str(eval(request.form['a']))", POST + "return str(eval('1'))"),
    (
        "code-from-client",
        POST + "return str(pickle.load(request.files['f']))",
        POST + "return str(request.files['f'].filename)",
    ),
    ("loaded-under-main", "if __name__ == '__main__':\n    model = joblib.load('m.joblib')\n    app.run()", MODEL),
    (
        "loaded-under-main",
        "def load():\n    global model\n    model = joblib.load('m.joblib')\nif __name__ == '__main__':\n    load()\n",
        "def load():\n    global model\n    model = joblib.load('m.joblib')\nload()\n",
    ),
    (
        "loaded-per-request",
        POST + "m = joblib.load('m.joblib')\n    return str(m.predict([[1]])[0])",
        MODEL + POST + "return str(model.predict([[1]])[0])",
    ),
    (
        "loaded-per-request",
        "def load():\n    return joblib.load('m.joblib')\n" + POST + "return str(load().predict([[1]])[0])",
        "import functools\n@functools.lru_cache\ndef load():\n    return joblib.load('m.joblib')\n"
        + POST
        + "return str(load().predict([[1]])[0])",
    ),
    ("loaded-at-import", MODEL, POST + "m = joblib.load('m.joblib')\n    return str(m)"),
    ("missing-file", MODEL, "model = joblib.load(os.environ['MODEL'])"),
    ("relative-path", MODEL, "model = joblib.load(os.path.join(os.path.dirname(__file__), 'model.joblib'))"),
    (
        "trained-per-request",
        POST + "m = joblib.load('m')\n    m.fit([[1]], [1])\n    return str(m.predict([[1]])[0])",
        "m = joblib.load('m')\nm.fit([[1]], [1])\n" + POST + "return str(m.predict([[1]])[0])",
    ),
    (
        "loaded-per-request",
        POST + "return str(len(pd.read_csv('a.csv')))",
        POST + "return str(len(pd.read_csv(request.files['f'])))",
    ),
]

FASTAPI_CASES: list[tuple[str, str, str]] = [
    ("run-at-import", "uvicorn.run(app)", "if __name__ == '__main__':\n    uvicorn.run(app)"),
    ("removed-name", "app.add_event_handler('startup', print)", "app.add_middleware(print)"),
    ("removed-name", "@app.route('/x')\ndef x(request): pass", "@app.api_route('/x')\ndef x(): pass"),
    ("removed-name", "from pydantic import BaseSettings", "from pydantic import BaseModel"),
    ("deprecated", "@app.on_event('startup')\ndef load(): pass", "def load(): pass"),
    (
        "template-order",
        "@app.get('/')\ndef i(r: Request):\n    return templates.TemplateResponse('i.html', {'request': r})",
        "@app.get('/')\ndef i(r: Request):\n    return templates.TemplateResponse(r, 'i.html', {})",
    ),
    (
        "template-order",
        "@app.get('/')\ndef i(r: Request):\n    return templates.TemplateResponse(name='i.html', context={'request': r})",
        "@app.get('/')\ndef i(r: Request):\n    return templates.TemplateResponse(name='i.html', request=r)",
    ),
    ("removed-argument", "uvicorn.run(app, debug=True)", "uvicorn.run(app)"),
    ("uvicorn-app-object", "uvicorn.run(app, reload=True)", "uvicorn.run('app:app', reload=True)"),
    ("uvicorn-app-object", "uvicorn.run(app, workers=4)", "uvicorn.run(app, workers=1)"),
    (
        "ignored-config",
        ROW + "    class Config:\n        schema_extra = {}",
        ROW + "    class Config:\n        json_schema_extra = {}",
    ),
    (
        "ignored-config",
        ROW + "    model_config = {'orm_mode': True}",
        ROW + "    model_config = {'from_attributes': True}",
    ),
    (
        "validator",
        "from pydantic import validator\n" + ROW + "    @validator('a')\n    def c(cls, v, field): return v",
        "from pydantic import validator\n" + ROW + "    @validator('a')\n    def c(cls, v): return v",
    ),
    (
        "validator",
        "from pydantic import root_validator\n" + ROW + "    @root_validator\n    def c(cls, v): return v",
        "from pydantic import root_validator\n" + ROW + "    @root_validator(pre=True)\n    def c(cls, v): return v",
    ),
    ("untyped-field", "class R(BaseModel):\n    a = 1.0", "class R(BaseModel):\n    a: float = 1.0"),
    ("root-model", "class R(BaseModel):\n    __root__: List[int]", "class R(BaseModel):\n    root: List[int]"),
    (
        "array-field",
        "class R(BaseModel):\n    a: np.ndarray",
        "class R(BaseModel):\n    a: np.ndarray\n    class Config:\n        arbitrary_types_allowed = True",
    ),
    ("int-field", "class R(BaseModel):\n    a: int\n" + OLD, "class R(BaseModel):\n    a: int\n"),
    (
        "optional-required",
        "class R(BaseModel):\n    a: Optional[int]\n" + OLD,
        "class R(BaseModel):\n    a: Optional[int] = None\n" + OLD,
    ),
    (
        "removed-argument",
        "class R(BaseModel):\n    a: str = Field(regex='x')",
        "class R(BaseModel):\n    a: str = Field(pattern='x')",
    ),
    (
        "removed-argument",
        ROW + "@app.post('/p')\ndef p(row: Row):\n    return row.json(indent=1)",
        ROW + "@app.post('/p')\ndef p(row: Row):\n    return row.model_dump_json(indent=1)",
    ),
    (
        "deprecated",
        ROW + "@app.post('/p')\ndef p(row: Row):\n    return row.dict()",
        ROW + "@app.post('/p')\ndef p(row: Row):\n    return row.model_dump()",
    ),
    ("blocking-call", ASYNC + "time.sleep(1)", "@app.post('/p')\ndef p():\n    time.sleep(1)"),
    ("blocking-call", ASYNC + "return requests.get('http://a').json()", ASYNC + "return await client.get('http://a')"),
    (
        "blocking-call",
        MODEL + ASYNC + "return float(model.predict([[1]])[0])",
        MODEL + "@app.post('/p')\ndef p():\n    return float(model.predict([[1]])[0])",
    ),
    ("blocking-call", ASYNC + "open('x').read()", ASYNC + "def inner():\n        open('x').read()\n    return 1"),
    ("unread-json", ASYNC + "return await request.json()", "@app.post('/p')\nasync def p(row: dict):\n    return row"),
    (
        "missing-field",
        "@app.post('/p')\ndef p(row: dict):\n    return row['a']",
        ROW + "@app.post('/p')\ndef p(row: Row):\n    return row.a",
    ),
    (
        "numpy-in-json",
        MODEL + "@app.post('/p')\ndef p():\n    return {'y': model.predict([[1]])}",
        MODEL + "@app.post('/p')\ndef p() -> List[float]:\n    return model.predict([[1]])",
    ),
    (
        "array-in-response-model",
        MODEL
        + "class A(BaseModel):\n    y: float\n@app.post('/', response_model=A)\ndef p():\n    return {'y': model.predict([[1]])}",
        MODEL
        + "class A(BaseModel):\n    y: List[float]\n"
        + "@app.get('/', response_model=A)\ndef p():\n    return dict(y=model.predict([[1]]))",
    ),
    (
        "error-200",
        "@app.post('/p')\ndef p():\n    try:\n        return 1\n    except Exception as e:\n        return {'error': str(e)}",
        "@app.post('/p')\ndef p():\n    try:\n        return 1\n    except Exception as e:\n        raise HTTPException(400)",
    ),
    (
        "cors-for-all",
        "from fastapi.middleware.cors import CORSMiddleware\napp.add_middleware(CORSMiddleware, allow_origins=['*'])",
        "from fastapi.middleware.cors import CORSMiddleware\napp.add_middleware(CORSMiddleware, allow_origins=['https://a.example'])",
    ),
    (
        "code-from-client",
        "@app.post('/p')\ndef p(file: UploadFile):\n    return pickle.load(file.file)",
        "@app.post('/p')\ndef p(file: UploadFile):\n    return file.filename",
    ),
]

CASES = [(rule, FLASK + bad, FLASK + good) for rule, bad, good in FLASK_CASES]
CASES += [(rule, FASTAPI + bad, FASTAPI + good) for rule, bad, good in FASTAPI_CASES]

from flask import Flask
from flask_cors import CORS

from .api import api


def create_app():
    app = Flask(__name__)
    CORS(app)
    app.register_blueprint(api, url_prefix="/api/v1")

    @app.get("/health")
    def health():
        return {"status": "ok"}

    return app

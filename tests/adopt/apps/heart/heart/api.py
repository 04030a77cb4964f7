from flask import Blueprint, jsonify, request
from flask.views import MethodView

from .predictor import COLUMNS, score

api = Blueprint("api", __name__, url_prefix="/ignored")


class Prediction(MethodView):
    def post(self):
        try:
            result = score(request.get_json())
            return jsonify({"risk": result})
        except Exception as error:
            return jsonify({"error": str(error)})

    def get(self):
        return jsonify(columns=COLUMNS)


api.add_url_rule("/predict", view_func=Prediction.as_view("prediction"))

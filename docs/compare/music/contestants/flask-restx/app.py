"""Flask with typed validation by Flask-RESTX: models are declared, checked as JSON Schema, and documented."""

from flask import Flask, request
from flask_restx import Api, Resource, fields

import model

app = Flask(__name__)
api = Api(app)
Record = api.model(
    "Record",
    {
        "acousticness": fields.Float(required=True),
        "danceability": fields.Float(required=True),
        "energy": fields.Float(required=True),
        "instrumentalness": fields.Float(required=True),
        "liveness": fields.Float(required=True),
        "speechiness": fields.Float(required=True),
        "tempo": fields.Float(required=True),
        "valence": fields.Float(required=True),
    },
)


@api.route("/predict")
class Predict(Resource):
    @api.expect(Record, validate=True)
    def post(self):
        return model.predict([request.json])[0]


@api.route("/predict/batch")
class PredictBatch(Resource):
    @api.expect([Record], validate=True)
    def post(self):
        return model.predict(request.json)

import pickle

import numpy as np
from flask import Flask, Markup, jsonify, render_template, request
from sklearn.externals import joblib

app = Flask(__name__)
app.config["SECRET_KEY"] = "my-super-secret"
model = pickle.load(open("house_model.pkl", "rb"))


@app.route("/")
def home():
    return render_template("index.html")


@app.route("/predict", methods=["POST"])
def predict():
    int_features = [float(x) for x in request.form.values()]
    final_features = [np.array(int_features)]
    prediction = model.predict(final_features)
    output = round(prediction[0], 2)
    return render_template("index.html", prediction_text=Markup("Price: <b>$ {}</b>".format(output)))


@app.route("/api/predict", methods=["POST"])
def predict_api():
    data = request.get_json(force=True)
    area = float(data["area"])
    bedrooms = float(data["bedrooms"])
    age = float(data["age"])
    prediction = model.predict([[bedrooms, area, age]])
    return jsonify({"price": round(float(prediction[0]), 2), "currency": "USD"})


@app.route("/delete_history")
def delete_history():
    with open("history.csv", "w") as history:
        history.write("")
    return "deleted"


if __name__ == "__main__":
    app.run(debug=True)

from pathlib import Path

import joblib
import uvicorn
from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from fastapi.templating import Jinja2Templates

from schemas import Flower, Species

app = FastAPI(title="Iris")
app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
templates = Jinja2Templates(directory="templates")
classes = ["setosa", "versicolor", "virginica"]
ml_models = {}


@app.on_event("startup")
def load_model():
    ml_models["iris"] = joblib.load(Path(__file__).parent / "iris.joblib")


@app.get("/")
async def index(request: Request):
    return templates.TemplateResponse("index.html", {"request": request})


@app.post("/predict", response_model=Species)
async def predict(flower: Flower):
    data = flower.dict()
    features = [[data["sepal_length"], data["sepal_width"], data["petal_length"], data["petal_width"]]]
    prediction = ml_models["iris"].predict(features)
    probability = ml_models["iris"].predict_proba(features).max()
    return {"species": classes[prediction[0]], "probability": float(probability)}


@app.post("/class")
async def predict_class(flower: Flower):
    prediction = ml_models["iris"].predict(
        [[flower.sepal_length, flower.sepal_width, flower.petal_length, flower.petal_width]]
    )
    return {"class": prediction[0]}


if __name__ == "__main__":
    uvicorn.run(app, host="0.0.0.0", port=8000, debug=True)

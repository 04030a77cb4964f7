"""A function over rows, as people write them around their models: to begin costs far more than one more row does."""

from bench.contestants.forest import FOREST
from modelport import Service

service = Service("music")


@service.model("genre", batch=True)
def genre(songs: list[list[float]]) -> list[str]:
    return [str(label) for label in FOREST.predict(songs)]

"""The music classifier as a service: the file is the model, and the old address stands beside it, typed and batched."""

from songs import Song, Verdict

from modelport import Service

service = Service("music")
genre = service.model("genre", "genre.joblib")


@service.post("/classify")
async def classify(song: Song) -> Verdict:
    answer = await genre(song)
    return Verdict(genre=answer["prediction"], certainty=answer["probabilities"][answer["prediction"]])

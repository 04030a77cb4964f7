"""What the music model takes and gives."""

from pydantic import BaseModel, ConfigDict, Field


class Song(BaseModel):
    """Eight audio features of a track."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "acousticness": 0.13,
                    "danceability": 0.71,
                    "energy": 0.62,
                    "instrumentalness": 0.01,
                    "liveness": 0.11,
                    "speechiness": 0.34,
                    "tempo": 92.0,
                    "valence": 0.55,
                }
            ]
        }
    )

    acousticness: float = Field(description="how sure it is that the track is acoustic", ge=0, le=1)
    danceability: float = Field(description="how well one can dance to it", ge=0, le=1)
    energy: float = Field(description="how loud, fast and dense it is", ge=0, le=1)
    instrumentalness: float = Field(description="how sure it is that nobody sings", ge=0, le=1)
    liveness: float = Field(description="how sure it is that there is an audience", ge=0, le=1)
    speechiness: float = Field(description="how much of it is spoken", ge=0, le=1)
    tempo: float = Field(description="beats per minute", gt=0)
    valence: float = Field(description="how happy it sounds", ge=0, le=1)


class Verdict(BaseModel):
    """What the model says of a track."""

    genre: str
    certainty: float = Field(description="the probability of that genre")

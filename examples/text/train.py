"""Train a classifier of short messages to a shop:  python train.py

Writes `topics.joblib`. The sentences are made up; a real desk has thousands of them.
"""

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

MESSAGES = {
    "delivery": [
        "where is my parcel",
        "the parcel has not arrived",
        "when will my order be delivered",
        "the courier did not ring",
        "delivery takes too long",
        "my order was sent to the wrong address",
        "can you deliver on a Saturday",
        "the tracking number does not work",
    ],
    "payment": [
        "my card was charged twice",
        "I did not get an invoice",
        "can I pay by bank transfer",
        "the refund is not in my account",
        "your price is wrong on the invoice",
        "please send the receipt again",
        "why was my payment refused",
        "the discount code was not applied",
    ],
    "defect": [
        "the record is scratched",
        "the cover is bent",
        "one side does not play",
        "the player makes a strange noise",
        "the needle is broken",
        "it stopped working after a week",
        "a piece is missing in the box",
        "the lamp flickers and the motor hums",
    ],
}


def main() -> None:
    """Train and save."""
    texts = [text for group in MESSAGES.values() for text in group]
    topics = [topic for topic, group in MESSAGES.items() for _ in group]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=30))
    joblib.dump(model.fit(texts, topics), "topics.joblib")
    print(f"trained on {len(texts)} messages")


if __name__ == "__main__":
    main()

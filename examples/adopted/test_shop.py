"""The shop's own tests. They know nothing of Modelport."""

import io

from flask.testing import FlaskClient

SONG = {
    "acousticness": 0.13,
    "danceability": 0.71,
    "energy": 0.62,
    "instrumentalness": 0.01,
    "liveness": 0.11,
    "speechiness": 0.34,
    "tempo": 92.0,
    "valence": 0.55,
}


def log_in(client: FlaskClient, name: str = "ann", password: str = "rock") -> None:
    client.post("/account/login", data={"name": name, "password": password})


def test_a_stranger_is_asked_to_log_in(client: FlaskClient) -> None:
    assert b"log in" in client.get("/").data
    assert client.get("/account/me").status_code == 401
    assert client.post("/predict", json=SONG).status_code == 401


def test_a_wrong_password_is_told_once(client: FlaskClient) -> None:
    log_in(client, password="no")
    assert b"Wrong name or password." in client.get("/account/login").data
    assert b"Wrong name or password." not in client.get("/account/login").data


def test_who_has_logged_in_stays_so_until_they_log_out(client: FlaskClient) -> None:
    log_in(client)
    assert b"Welcome, ann!" in client.get("/").data
    assert client.get("/account/me").json == {"user": "ann", "asked": 0}
    client.post("/account/logout")
    assert client.get("/account/me").status_code == 401


def test_a_song_has_a_genre_and_the_session_counts(client: FlaskClient) -> None:
    log_in(client)
    assert client.post("/predict", json=SONG).json == {"genre": "Hip-Hop"}
    assert client.get("/account/me").json == {"user": "ann", "asked": 1}


def test_tracks_are_uploaded_listed_and_exported(client: FlaskClient) -> None:
    log_in(client)
    file = (io.BytesIO(b"title,tempo\nOne,90\nTwo,120\n"), "tracks.csv")
    assert b"2 tracks added." in client.post("/tracks", data={"file": file}, follow_redirects=True).data
    assert client.get("/tracks/2").json == {"title": "Two", "tempo": 120.0}
    assert client.get("/tracks/average").json == {"tempo": 105.0}
    assert client.get("/tracks.csv").text == "title,tempo\nOne,90.0\nTwo,120.0\n"


def test_a_file_without_the_columns_is_refused(client: FlaskClient) -> None:
    log_in(client)
    file = (io.BytesIO(b"a,b\n1,2\n"), "tracks.csv")
    assert client.post("/tracks", data={"file": file}).status_code == 400


def test_what_is_not_there_has_a_page_that_says_so(client: FlaskClient) -> None:
    answer = client.get("/tracks/7")
    assert (answer.status_code, answer.headers["X-Frame-Options"]) == (404, "DENY")
    assert b"<h1>404 Not Found</h1>" in answer.data


def test_the_logo_is_sent_and_known_again(client: FlaskClient) -> None:
    logo = client.get("/logo.svg")
    assert logo.mimetype == "image/svg+xml"
    assert client.get("/logo.svg", headers={"If-None-Match": logo.headers["ETag"]}).status_code == 304

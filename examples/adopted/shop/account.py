"""Who is there: log in, log out."""

from typing import Any

from flask import Blueprint, abort, current_app, flash, g, redirect, render_template, request, session, url_for

pages = Blueprint("account", __name__, url_prefix="/account")


@pages.route("/login", methods=["GET", "POST"])
def login() -> Any:
    if request.method == "GET":
        return render_template("login.html")
    name = request.form.get("name", "")
    if current_app.config["USERS"].get(name) != request.form.get("password"):
        flash("Wrong name or password.")
        return redirect(url_for("account.login"))
    session.clear()
    session["user"] = name
    flash(f"Welcome, {name}!")
    return redirect(url_for("home"))


@pages.post("/logout")
def logout() -> Any:
    session.clear()
    return redirect(url_for("home"))


@pages.get("/me")
def me() -> dict[str, Any]:
    if g.user is None:
        abort(401)
    return {"user": g.user, "asked": session.get("asked", 0)}

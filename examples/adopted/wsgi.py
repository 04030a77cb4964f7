"""The shop as it always ran:  gunicorn wsgi:app"""

from shop import create_app

app = create_app()

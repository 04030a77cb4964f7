"""Web code of users beside the models: routes, ASGI applications and WSGI applications, each in a lane of its own."""

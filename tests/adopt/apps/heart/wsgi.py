from heart import create_app

app = create_app()

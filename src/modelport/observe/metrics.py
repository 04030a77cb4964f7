"""temporary stub; will be replaced by the metrics work"""


def metrics_text(b, m):
    return b""


def status_document(b, m):
    return {}

"""temporary stub; will be replaced by the metrics work"""

OK, INVALID, FAILED, SHED, EXPIRED, CANCELLED, LOST, NOT_READY = range(8)

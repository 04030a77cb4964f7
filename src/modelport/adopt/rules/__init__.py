"""What breaks or is wrong: each rule looks at an analysis and keeps what it finds there.

Each was tried against the versions in `constraints.txt`, and `tests/adopt` tries them again.
A rule that cannot be sure stays silent.
"""

from modelport.adopt.rules.artifacts import check_artifacts, check_loading, check_training
from modelport.adopt.rules.blocking import check_blocking
from modelport.adopt.rules.errors import check_errors, check_state
from modelport.adopt.rules.fastapi import check_fastapi
from modelport.adopt.rules.numbers import check_conversions, check_numbers
from modelport.adopt.rules.order import check_order
from modelport.adopt.rules.production import check_production, check_secrets, check_uploads
from modelport.adopt.rules.pydantic import check_schemas
from modelport.adopt.rules.reading import check_reading
from modelport.adopt.rules.removed import check_arguments, check_frames, check_removed, check_settings

RULES = (
    check_removed,
    check_arguments,
    check_frames,
    check_settings,
    check_fastapi,
    check_schemas,
    check_artifacts,
    check_loading,
    check_training,
    check_order,
    check_numbers,
    check_conversions,
    check_reading,
    check_errors,
    check_state,
    check_blocking,
    check_production,
    check_secrets,
    check_uploads,
)

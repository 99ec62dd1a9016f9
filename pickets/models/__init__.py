"""Tables of pickets. What the public web may read of them stands in pub.py."""

from pickets.models.after import PHOTO_STATE_LABELS, Photo, PhotoState, PicketReport
from pickets.models.pickets import (
    CANCEL_REASON_LABELS,
    MODES,
    PICKET_STATE_LABELS,
    SHOWN_LABELS,
    AssemblyNotice,
    Paper,
    PaperState,
    Picket,
    PicketOrganiser,
    PicketState,
    PlaceShown,
)
from pickets.models.places import City, CityName
from pickets.models.taking_part import (
    SHIFT_ROLE_LABELS,
    Broadcast,
    BroadcastKind,
    BroadcastMail,
    Participant,
    ParticipantState,
    Shift,
    ShiftTaker,
)

__all__ = [
    "CANCEL_REASON_LABELS",
    "MODES",
    "PHOTO_STATE_LABELS",
    "PICKET_STATE_LABELS",
    "SHIFT_ROLE_LABELS",
    "SHOWN_LABELS",
    "AssemblyNotice",
    "Broadcast",
    "BroadcastKind",
    "BroadcastMail",
    "City",
    "CityName",
    "Paper",
    "PaperState",
    "Participant",
    "ParticipantState",
    "Photo",
    "PhotoState",
    "Picket",
    "PicketOrganiser",
    "PicketReport",
    "PicketState",
    "PlaceShown",
    "Shift",
    "ShiftTaker",
]

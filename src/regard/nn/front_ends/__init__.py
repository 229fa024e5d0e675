"""Front ends: raw input of every kind to tokens for one core."""

from regard.nn.front_ends.audio import AudioFrontEnd
from regard.nn.front_ends.calendar import calendar
from regard.nn.front_ends.conv_stem import ConvFrontEnd
from regard.nn.front_ends.events import EventFrontEnd
from regard.nn.front_ends.features import FeatureFrontEnd
from regard.nn.front_ends.hiding import Hiding
from regard.nn.front_ends.instance_scale import InstanceScale
from regard.nn.front_ends.joined import JoinedFrontEnd
from regard.nn.front_ends.log_mel import LogMel
from regard.nn.front_ends.patches import PatchFrontEnd
from regard.nn.front_ends.picture_changes import PictureChanges
from regard.nn.front_ends.series import SeriesFrontEnd
from regard.nn.front_ends.sound_changes import SoundChanges
from regard.nn.front_ends.symbols import SymbolFrontEnd
from regard.nn.front_ends.text import TextFrontEnd
from regard.nn.front_ends.tokens import FrontEnd, Tokens
from regard.nn.front_ends.units import Unit, Units

__all__ = [
    "AudioFrontEnd",
    "ConvFrontEnd",
    "EventFrontEnd",
    "FeatureFrontEnd",
    "FrontEnd",
    "Hiding",
    "InstanceScale",
    "JoinedFrontEnd",
    "LogMel",
    "PatchFrontEnd",
    "PictureChanges",
    "SeriesFrontEnd",
    "SoundChanges",
    "SymbolFrontEnd",
    "TextFrontEnd",
    "Tokens",
    "Unit",
    "Units",
    "calendar",
]

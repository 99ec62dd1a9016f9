"""The numbers that taking part goes by, which the forms explain and the worker decides by."""

from datetime import timedelta

MAX_ALIAS = 40
"""Characters."""
MOST_PEOPLE = 20
"""Whom one visitor can announce at once, themselves included."""
MOST_SHIFTS = 4
"""Of one participant."""
SURE_BEFORE = timedelta(hours=24)
"""Whoever takes a shift later than this before it begins has it confirmed: the reminder that would ask has left by then."""

MAILS_A_DAY = 3
"""To one mailbox for one picket, so that the form fills nobody's inbox."""
MOST_A_NETWORK = 20
"""People without an address from one network on one day: a household, or some friends. Beyond it an address is asked for."""
MOST_UNKNOWN = 200
"""The same for all together whose network is unknown, as of those who come by an onion service. They share it, so it is larger."""
UNCONFIRMED_A_NETWORK = 20
"""Mails on one day from one network to addresses that nobody has confirmed yet: the form must not write to thousands of strangers. Those
who press the button no longer count, so that a café full of people who mean it never meets the bound."""
UNCONFIRMED_UNKNOWN = 200
"""The same for all together whose network is unknown."""
UNCONFIRMED_AN_HOUR = 300
"""The same for one picket in an hour, from however many networks: more than come by themselves without confirming."""

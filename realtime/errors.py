"""The root of every error a person can meet: one sentence that says what happened, to what, and the way out."""


class DuettoError(Exception):
    """Something a person can mend. The command line shows its sentence, never a traceback."""

"""The banner across the top of the window: what this is, how it stands, the red stop, and the last thing to know.

What it is cannot be overlooked: a big word on a colour of its own, and a pattern of its own as second cue.

============  =======================================================  ====================
word          what it means                                            looks
============  =======================================================  ====================
LIVE          real devices, and animals in the box                     amber, plain
VIRTUAL       simulated devices and mice                               blue-grey, hatched
REPLAY        a recorded session: nothing can be given                 violet, hatched the other way
SETUP         no session has begun                                     grey, dotted
ENDED         the session is over, or ends just now                    dark, level lines
NO CONTACT    nothing is heard: what is shown is old                   dark red, crossed
============  =======================================================  ====================
"""

from dataclasses import dataclass
from typing import Final

from PyQt6.QtCore import Qt
from PyQt6.QtGui import QBrush, QColor, QPainter, QPaintEvent
from PyQt6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from gui.parts.elided import Elided
from gui.parts.stop_button import StopButton
from gui.parts.wording import newest_trouble
from gui.parts.words import (
    NONE_HEARD,
    TIME_TIP,
    WARNING,
    elapsed_s,
    mode_of,
    phase_words,
    starting_words,
    time_words,
    to_correct,
    who_words,
)
from gui.scene import Scene
from gui.theme import Theme

HEIGHT: Final = 60
"""Of the coloured part [px]."""
NOTHING_SAID: Final = "nothing to report"
OLD: Final = "what is shown is old"


@dataclass(frozen=True, slots=True)
class Look:
    """How a mode looks: colours of the band and of what is written on it, the pattern, and what it means."""

    colour: str
    ink: str
    pattern: Qt.BrushStyle
    means: str


PATTERN: Final = Qt.BrushStyle
LOOKS: Final = {
    "LIVE": Look("#ffb000", "#000000", PATTERN.NoBrush, "Real devices, and animals in the box."),
    "VIRTUAL": Look("#3d586f", "#ffffff", PATTERN.BDiagPattern, "Simulated devices and mice."),
    "REPLAY": Look("#663399", "#ffffff", PATTERN.FDiagPattern, "A recorded session: nothing can be given."),
    "SETUP": Look("#4a5560", "#ffffff", PATTERN.Dense6Pattern, "No session has begun."),
    "ENDED": Look("#2b3036", "#ffffff", PATTERN.HorPattern, "The session is over, or ends just now."),
    "NO CONTACT": Look("#7a0019", "#ffffff", PATTERN.DiagCrossPattern, "Nothing is heard: what is shown is old."),
}


class Band(QWidget):
    """The coloured part: the mode's colour, its pattern, and plain plates on which words stand."""

    def __init__(self) -> None:
        super().__init__()
        self.look = LOOKS["NO CONTACT"]
        self.setFixedHeight(HEIGHT)

    def paintEvent(self, a0: QPaintEvent | None) -> None:  # noqa: ARG002, N802  (Qt's name)
        """Draw colour and pattern."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor(self.look.colour))
        ink = QColor(self.look.ink)
        ink.setAlpha(130)
        painter.fillRect(self.rect(), QBrush(ink, self.look.pattern))
        painter.end()


class Banner(QWidget):
    """The banner.

    Attributes
    ----------
    mode
        The word that it shows.
    stop
        The red stop, at its right end.
    earlier, earlier_warnings
        Sentences that later ones have taken the place of since the line was last cleared, and warnings among them.
    """

    def __init__(self, theme: Theme) -> None:
        super().__init__()
        self._theme = theme
        self._lost: str | None = None
        self._scene: Scene | None = None
        self._session_shown = ""
        self._troubles = 0
        self._tells_trouble = False
        self.mode = ""
        self.earlier = self.earlier_warnings = 0
        self._latest: tuple[str, bool] | None = None
        self.band = Band()
        self.word, self.session, self.subjects = QLabel(), Elided(), Elided()
        self.state, self.time = Elided(), QLabel()
        self.sentence, self.count, self.dismiss = Elided(), QLabel(), QToolButton()
        self.stop = StopButton()
        self._plates: list[QWidget] = []
        self._lay_out()
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.dismiss.setText("×")
        self.dismiss.setToolTip("Clear this line; everything stays in the Events panel.")
        self.dismiss.setAccessibleName("Clear the line of messages")
        self.dismiss.clicked.connect(self.clear)
        self.time.setToolTip(TIME_TIP)
        self._show_mode("NO CONTACT")
        self._show_sentence()

    def _lay_out(self) -> None:
        self.word.setSizePolicy(QSizePolicy.Policy.Maximum, QSizePolicy.Policy.Preferred)
        self.word.setAlignment(Qt.AlignmentFlag.AlignCenter)
        row = QHBoxLayout(self.band)
        row.setContentsMargins(28, 0, 0, 0)
        row.setSpacing(24)
        row.addWidget(self.word)
        row.addWidget(self._plate(self.session, self.subjects), 3)
        row.addWidget(self._plate(self.state, self.time), 3)
        holder = QWidget()
        holder.setObjectName("spot")
        holder.setStyleSheet(f"#spot {{ background: {self._theme.base}; }}")
        spot = QHBoxLayout(holder)
        spot.setContentsMargins(8, 4, 8, 4)
        spot.addWidget(self.stop)
        row.addWidget(holder)
        line = QHBoxLayout()
        line.setContentsMargins(10, 2, 8, 2)
        line.addWidget(self.sentence, 1)
        line.addWidget(self.count)
        line.addWidget(self.dismiss)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.band)
        layout.addLayout(line)

    def _plate(self, upper: QWidget, lower: QWidget) -> QWidget:
        """Return two lines of words on one plain plate."""
        plate = QWidget()
        column = QVBoxLayout(plate)
        column.setContentsMargins(8, 4, 8, 4)
        column.setSpacing(0)
        for line in (upper, lower):
            line.setFixedHeight((HEIGHT - 8) // 2)
            column.addWidget(line)
        plate.setObjectName("plate")
        self._plates.append(plate)
        return plate

    # --- what this is -------------------------------------------------------------------------------------------

    def show_scene(self, scene: Scene) -> None:
        """Show what the session says; cheap enough for every drawing of the window."""
        self._scene = scene
        opening, setup = scene.opening, scene.setup
        known = mode_of(scene)
        self._show_mode("NO CONTACT" if self._lost is not None or not known else known)
        if opening is not None and known != "SETUP":
            self.session.setText(opening.session)
            self.subjects.setText(f"{who_words(opening.subjects, opening.day)}   {opening.task}")
            self.time.setText(time_words(elapsed_s(scene), opening.minutes))
        elif setup is not None:
            self.session.setText(f"{setup.rig}: the next session")
            self.subjects.setText(f"{who_words(setup.subjects, setup.day)}   {setup.task}")
            self.time.setText(time_words(0.0, setup.minutes))
        self.state.setText(OLD if self._lost is not None else _state(scene))
        self._show_stop(scene)
        self._notice_trouble(scene)

    def _notice_trouble(self, scene: Scene) -> None:
        """Tell the newest fault when there are more than before; where a replay went back, that of its moment."""
        troubles = scene.n_faults + len(scene.troubles)
        if troubles == self._troubles:
            return
        more, self._troubles = troubles > self._troubles, troubles
        if troubles and (more or self._tells_trouble):
            self.tell(newest_trouble(scene, troubles), warn=True)
            self._tells_trouble = True
        elif self._tells_trouble:
            self.clear()

    def _show_stop(self, scene: Scene) -> None:
        """Show on the red stop that every machine has ended; another session has it ready again."""
        session = scene.opening.session if scene.opening is not None else ""
        if session != self._session_shown:
            self._session_shown = session
            self.stop.show_state("idle")
        finished = scene.counts is not None and scene.counts.finished
        if finished and mode_of(scene) == "ENDED" and self.stop.state != "stopped":
            self.stop.show_state("stopped")

    def show_contact(self, sentence: str | None) -> None:
        """Show that nothing is heard of the session, and why; None once it is heard again.

        The line of messages says why meanwhile; what stood there comes back.
        """
        if sentence != self._lost:
            self._lost = sentence
            self._show_sentence()
            self.show_scene(self._scene or Scene())

    def _show_mode(self, mode: str) -> None:
        if mode == self.mode:
            return
        look = LOOKS[mode]
        self.mode = mode
        self.band.look = look
        self.word.setText(mode)
        self.word.setToolTip(look.means)
        self.setAccessibleName(f"{mode}: {look.means}")
        ink = f"color: {look.ink};"
        for plate in self._plates:
            plate.setStyleSheet(f"#plate {{ background: {look.colour}; }}")
        self.word.setStyleSheet(
            f"{ink} background: {look.colour}; padding: 0 8px; font-size: 30px; font-weight: 800; letter-spacing: 2px;"
        )
        for label in (self.session, self.state):
            label.setStyleSheet(ink + "font-size: 14px; font-weight: 600;")
        self.subjects.setStyleSheet(ink + "font-size: 13px;")
        self.time.setStyleSheet(ink + "font-size: 16px; font-weight: 600;")
        self.band.update()

    # --- what there is to know ----------------------------------------------------------------------------------

    def tell(self, sentence: str, warn: bool) -> None:
        """Show a sentence, in place of the one before; that one stays in the Events panel."""
        if self._latest is not None:
            self.earlier += 1
            self.earlier_warnings += self._latest[1]
        self._latest, self._tells_trouble = (sentence, warn), False
        self._show_sentence()

    def clear(self) -> None:
        """Show no sentence."""
        self._latest, self._tells_trouble = None, False
        self.earlier = self.earlier_warnings = 0
        self._show_sentence()

    def _show_sentence(self) -> None:
        text, warn = (self._lost, True) if self._lost is not None else self._latest or (NOTHING_SAID, False)
        quiet = self._theme.dim if self._latest is None else self._theme.text
        self.sentence.setText(WARNING + text if warn else text)
        self.sentence.setStyleSheet(f"color: {self._theme.warn if warn else quiet};")
        among = f", {self.earlier_warnings} of them ⚠" if self.earlier_warnings else ""
        self.count.setText(f"{self.earlier} earlier{among}: see Events" if self.earlier else "")
        self.count.setStyleSheet(f"color: {self._theme.dim};")
        self.dismiss.setEnabled(self._latest is not None)


def _state(scene: Scene) -> str:
    """Return how the session stands, in words."""
    if mode_of(scene) == "SETUP" and scene.setup is not None:
        phase = "" if scene.standing is None else scene.standing.phase
        problems = len(scene.setup.problems)
        if scene.setup.starting:
            return starting_words(phase)
        return to_correct(problems) if problems else "ready to start"
    reason = "" if scene.standing is None else scene.standing.reason
    words = phase_words(scene) or NONE_HEARD
    return f"{words} ({reason})" if reason else words

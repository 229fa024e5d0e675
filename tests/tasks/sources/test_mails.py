"""Mails: what of them is text, and what they are called."""

import csv

import pytest
from tests.tasks.package_files import tarball

from regard.tasks.sources.mails import mail_text, mails


def mail(body, *, kind="text/plain; charset=utf-8", subject="Hello", code="utf-8"):
    return f"From: a@b.example\nX-Spam: yes\nSubject: {subject}\nContent-Type: {kind}\n\n{body}\n".encode(code)


def test_subject_and_body_and_no_other_header():
    assert mail_text(mail("Dear  you,\n\nbye")) == "Hello Dear you, bye"
    assert mail_text(mail("Grüße", kind="text/plain; charset=iso-8859-1", code="iso-8859-1")) == "Hello Grüße"
    assert mail_text(mail("x", subject="=?utf-8?q?Gr=C3=BC=C3=9Fe?=")) == "Grüße x"


def test_of_html_what_is_shown():
    page = "<html><head><title>T</title></head><body><style>p {}</style><p>Buy &amp; <b>save</b></p></body></html>"
    assert mail_text(mail(page, kind="text/html")) == "Hello Buy & save"


def test_of_two_forms_the_plain_one():
    parts = "--=\nContent-Type: text/html\n\n<p>rich\n--=\nContent-Type: text/plain\n\nplain\n--=--"
    assert mail_text(mail(parts, kind='multipart/alternative; boundary="="')) == "Hello plain"


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(mail("Grüße", code="iso-8859-1"), id="another charset than it says"),
        pytest.param(mail("x", kind="text/plain; charset=nonesuch"), id="a charset that is none"),
        pytest.param(mail("", subject=""), id="empty"),
    ],
)
def test_what_cannot_be_read_as_it_says_is_no_text(content):
    assert mail_text(content) is None


def test_labels_are_by_folder(tmp_path):
    inside = {
        "package/data/easy-ham-1/1.txt": mail("lunch?"),
        "package/data/spam-1/1.txt": mail("buy"),
        "package/data/spam-1/2.txt": mail("", subject=""),
        "package/lib/main.js": "",
    }
    heard = []
    mails([tarball(tmp_path / "mails.tgz", inside)], tmp_path / "mails.csv", heard.append)
    with (tmp_path / "mails.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.reader(file)) == [["text", "label"], ["Hello lunch?", "ham"], ["Hello buy", "spam"]]
    assert heard[0].text.startswith("1 mails are empty")

"""Small exports in the shapes platforms really give, in other languages, columns and orders than the presets were tried
on first; each beside the rows that are right. All text is invented."""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Row = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """One export: how it is written, which preset reads it, and what is right.

    Attributes:
        name: of the file, with its suffix.
        preset: that reads it.
        rows: canonical columns by post, keyed by `content_id`; `published_at` as text, a day as `2026-03-01 (day)`.
        write: puts it on disk.
        timezone: of the account.
        left_out: rows that are no posts.
        rejected: rows refused.
        dates: instants of publication, for reports that lack them.
    """

    name: str
    preset: str
    rows: Sequence[Row]
    write: Callable[[Path], None]
    timezone: str = "UTC"
    left_out: int = 0
    rejected: int = 0
    dates: dict[str, str] = field(default_factory=dict)


def delimited(rows: Sequence[Sequence[object]], delimiter: str = ",", quoting: int = csv.QUOTE_MINIMAL) -> str:
    """Rows as text."""
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, quoting=quoting).writerows(rows)
    return text.getvalue()


def bytes_of(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


def text_of(text: str, encoding: str = "utf-8") -> Callable[[Path], None]:
    return bytes_of(text.encode(encoding))


def _meta_facebook_german() -> Export:
    """German header, other order, fewer columns, reactions in three columns, both sides of the DST change."""
    header = ["Veröffentlichungszeitpunkt", "Beitrags-ID", "Beitragsart", "Permanenter Link", "Titel", "Impressionen"]
    header += ["Kommentare", "Reaktionen", "Geteilte Inhalte", "Dauer (Sek.)", "Datum", "Klicks insgesamt"]
    link = "https://www.facebook.com/backstube/posts/"
    rows = [
        [
            "10/31/2026 23:30",
            "998877665544332211",
            "Fotos",
            link + "1",
            'Brot, "warm"\nund gut',
            "1500",
            "3",
            "10",
            "2",
            "0",
            "Lebenszeit",
            "7",
        ],
        [
            "11/01/2026 12:00",
            "998877665544332212",
            "Reels",
            link + "2",
            "Zweiter",
            "",
            "1",
            "4",
            "",
            "31",
            "Lebenszeit",
            "",
        ],
    ]
    common = {"content_type": "social", "channel": "facebook"}
    right = [
        common
        | {
            "content_id": "998877665544332211",
            "published_at": "2026-11-01T06:30:00Z",
            "media_type": "fotos",
            "body": 'Brot, "warm"\nund gut',
            "impressions": 1500,
            "engagements": 15,
            "clicks": 7,
        },
        common
        | {
            "content_id": "998877665544332212",
            "published_at": "2026-11-01T20:00:00Z",
            "media_type": "reels",
            "body": "Zweiter",
            "impressions": None,
            "engagements": 5,
            "clicks": None,
        },
    ]
    # `reels` is known, `fotos` is not: the common name exists for English names only.
    right[1]["media_type"] = "video"
    return Export(
        "fb.csv", "meta-facebook", right, text_of("\ufeff" + delimited([header, *rows], quoting=csv.QUOTE_ALL))
    )


def _meta_instagram_spanish() -> Export:
    """Spanish header, numbers with points for thousands, no saves."""
    header = ["Identificador de la publicación", "Identificador de la cuenta", "Descripción", "Hora de publicación"]
    header += ["Enlace permanente", "Tipo de publicación", "Fecha", "Visualizaciones", "Me gusta", "Comentarios"]
    link = "https://www.instagram.com/p/"
    rows = [
        [
            f"1801000000000{i:04}",
            "1",
            f"Pan número {i}",
            f"06/{10 + i:02}/2026 09:{i:02}",
            link + str(i),
            "Carrusel",
            "Total",
            views,
            50 + i,
            2,
        ]
        for i, views in enumerate(["1.234", "987", "12.345"])
    ]
    right = [
        {
            "content_id": f"1801000000000{i:04}",
            "content_type": "social",
            "channel": "instagram",
            "body": f"Pan número {i}",
            "published_at": f"2026-06/{10 + i}".replace("/", "-") + f"T16:{i:02}:00Z",
            "impressions": views,
            "engagements": 52 + i,
        }
        for i, views in enumerate([1234, 987, 12345])
    ]
    return Export("ig.csv", "meta-instagram", right, text_of(delimited([header, *rows])))


def _facebook_daily() -> Export:
    """Days of two posts, in no order."""
    header = ["Post ID", "Publish time", "Permalink", "Post type", "Date", "Views", "Reactions", "Comments", "Shares"]
    link = "https://www.facebook.com/reel/"
    rows = [
        [f"777000111222{p}", f"02/0{p}/2026 06:00", f"{link}{p}", "Reels", f"02/{p + d:02}/2026", 100 - d, 5 + p, d, 0]
        for d in (2, 0, 1)
        for p in (1, 2)
    ]
    right = [
        {
            "content_id": f"777000111222{p}",
            "published_at": f"2026-02-0{p}T14:00:00Z",
            "impressions": 297,
            "engagements": 3 * (5 + p) + 3,
            "media_type": "video",
        }
        for p in (1, 2)
    ]
    return Export("daily.csv", "meta-facebook-daily", right, text_of(delimited([header, *rows])))


def _x_2024() -> Export:
    """Another order; the second id does not agree with its day, so the day stands."""
    header = ["Date", "Impressions", "Post id", "Post text", "Engagements", "Likes"]
    rows = [
        ["Sat, Sep 12, 2026", "1,200", "2098652828267446272", "a &amp; b", 40, 20],
        ["Sun, Feb 1, 2026", "800", "2099092475212726272", "late", 41, 21],
    ]
    right = [
        {
            "content_id": "2098652828267446272",
            "published_at": "2026-09-12T06:00:00Z",
            "body": "a & b",
            "impressions": 1200,
            "engagements": 40,
            "channel": "x",
        },
        {
            "content_id": "2099092475212726272",
            "published_at": "2026-02-01 (day)",
            "body": "late",
            "impressions": 800,
            "engagements": 41,
        },
    ]
    return Export("x.csv", "x-2024", right, text_of(delimited([header, *rows])))


def _youtube_french() -> Export:
    """French, a sum at the end instead of the beginning, dates in French words."""
    header = ["Contenu", "Titre de la vidéo", "Heure de publication de la vidéo", "Durée", "Vues", "Impressions"]
    rows = [
        ["abcDEF12345", "Le pain", "1 août 2025", 65, "1 234", "20 500"],
        ["-bcDEF12345", "La brioche", "14 févr. 2026", 30, "890", "9 100"],
        ["Total", "", "", "", "2 124", "29 600"],
    ]
    right = [
        {
            "content_id": "abcDEF12345",
            "published_at": "2025-08-01 (day)",
            "title": "Le pain",
            "impressions": 20500,
            "engagements": 1234,
            "content_type": "video",
            "channel": "youtube",
        },
        {
            "content_id": "-bcDEF12345",
            "published_at": "2026-02-14 (day)",
            "title": "La brioche",
            "impressions": 9100,
            "engagements": 890,
        },
    ]
    text = delimited([header, *rows]).replace("1 234", "1\u202f234").replace("2 124", "2\u202f124")
    return Export("Tableau.csv", "youtube", right, text_of(text), left_out=1)


def _tiktok_zip() -> Export:
    """The zip as it comes, with other tables in it; Russian dates; a photo post."""
    ids = [7682349590799974407, 7682720675974448798]
    header = [
        "Time",
        "Video title",
        "Video link",
        "Post time",
        "Total likes",
        "Total comments",
        "Total shares",
        "Total views",
    ]
    kinds = ("video", "photo")
    rows = [
        ["20 сентября", f"хлеб {i}", f"https://www.tiktok.com/@b/{kinds[i]}/{key}", "6 сентября", "1.2K", 4, 5, "5,431"]
        for i, key in enumerate(ids)
    ]
    right = [
        {
            "content_id": str(key),
            "published_at": f"2026-09-0{6 + i}T09:20:00Z",
            "impressions": 5431,
            "engagements": 1209,
        }
        for i, key in enumerate(ids)
    ]

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("Overview.csv", "Date,Video Views\nSeptember 6,1\n")
            archive.writestr("Content.csv", delimited([header, *rows]))
            archive.writestr("__MACOSX/._Content.csv", b"\x00\x05")

    return Export("tiktok.zip", "tiktok", right, write)


def _mailchimp() -> Export:
    """Other columns, a 24-hour clock without words, no orders; 29 March 2026 is the DST change in Berlin."""
    header = [
        "Unique Id",
        "Subject",
        "Send Date",
        "Successful Deliveries",
        "Unique Opens",
        "Unique Clicks",
        "Open Rate",
    ]
    rows = [
        ["ff01", "Frühling", "Mar 28, 2026 09:00 am", "12,000", "3,500", 410, "29.2%"],
        ["ff02", "Sommerzeit", "Mar 29, 2026 12:30 pm", 900, 300, 12, "33.3%"],
    ]
    right = [
        {
            "content_id": "ff01",
            "published_at": "2026-03-28T08:00:00Z",
            "title": "Frühling",
            "impressions": 3500,
            "engagements": 410,
            "clicks": 410,
            "audience_size": 12000,
            "content_type": "email",
        },
        {
            "content_id": "ff02",
            "published_at": "2026-03-29T10:30:00Z",
            "title": "Sommerzeit",
            "impressions": 300,
            "engagements": 12,
            "clicks": 12,
            "audience_size": 900,
        },
    ]
    content = gzip.compress(delimited([header, *rows]).encode())
    return Export("campaigns.csv.gz", "mailchimp", right, bytes_of(content), timezone="Europe/Berlin")


def _google_ads_german() -> Export:
    """The `Excel .csv` kind: UTF-16 and tabs; German header, numbers and sums."""
    head = [["Kampagnenbericht"], ["1. März 2026 - 31. März 2026"]]
    header = ["Kampagne", "Kampagnentyp", "Impressionen", "Klicks", "Conversions", "Kosten"]
    rows = [
        ["Brot", "Suche", "12.000", "1.234", "3,50", "1.069,60"],
        ["Kuchen", "Display", "8.500", "77", " --", "9,00"],
        ["Gesamt: Konto", " --", "20.500", "1.311", "3,50", "1.078,60"],
    ]
    right = [
        {
            "content_id": "Brot",
            "published_at": "2026-01-05 (day)",
            "impressions": 12000,
            "clicks": 1234,
            "conversions": 3.5,
            "content_type": "ad",
        },
        {
            "content_id": "Kuchen",
            "published_at": "2026-01-06T10:00:00Z",
            "impressions": 8500,
            "clicks": 77,
            "conversions": None,
        },
    ]
    text = "\ufeff" + delimited([*head, header, *rows], delimiter="\t")
    dates = {"Brot": "2026-01-05", "Kuchen": "2026-01-06T10:00:00Z"}
    return Export("ads.csv", "google-ads", right, text_of(text, "utf-16-le"), left_out=1, dates=dates)


def _meta_ads_by_ad() -> Export:
    """No ids: the ad's name stands for it; the sum comes last and has no name."""
    header = [
        "Ad name",
        "Reporting starts",
        "Reporting ends",
        "Impressions",
        "Link clicks",
        "Starts",
        "Post engagement",
    ]
    rows = [
        ["Bread", "2026-03-01", "2026-03-31", 2000, 6, "2026-03-03", 70],
        ["Cake", "2026-03-01", "2026-03-31", 2100, "", "2026-03-05", 71],
        ["", "2026-03-01", "2026-03-31", 4100, 6, "", 141],
    ]
    right = [
        {
            "content_id": "Bread",
            "published_at": "2026-03-03 (day)",
            "impressions": 2000,
            "clicks": 6,
            "engagements": 70,
        },
        {
            "content_id": "Cake",
            "published_at": "2026-03-05 (day)",
            "impressions": 2100,
            "clicks": None,
            "engagements": 71,
        },
    ]
    return Export("ads.csv", "meta-ads", right, text_of(delimited([header, *rows])), left_out=1)


def _ga4() -> Export:
    """One table only, other columns, a web address longer than a key."""
    long = "/blog/" + "brot-" * 40
    text = "# ---\n# Seiten\n# Startdatum: 20260301\n# Enddatum: 20260331\n"
    text += delimited(
        [
            ["Seitenpfad und Bildschirmklasse", "Aufrufe", "Aktive Nutzer", "Schlüsselereignisse"],
            ["/blog/a", "1,500", 700, 3],
            [long, 20, 10, 0],
            ["", "1,520", 710, 3, "Gesamtsumme"],
        ]
    )
    right = [
        {
            "content_id": "/blog/a",
            "published_at": "2026-01-05 (day)",
            "impressions": 1500,
            "engagements": 700,
            "conversions": 3.0,
            "measured_at": "2026-03-31T00:00:00Z",
            "content_type": "blog",
        },
    ]
    return Export(
        "seiten.csv", "ga4", right, text_of(text), left_out=1, dates={"/blog/a": "2026-01-05", long: "2026-01-06"}
    )


def _substack_zip() -> Export:
    """The zip as it comes, posts as pages beside the table; one post has none."""
    header = ["title", "post_id", "post_date", "is_published", "audience", "type", "subtitle"]
    rows = [
        ["One", "1.one", "2025-03-02T06:00:00.000Z", "true", "everyone", "newsletter", "first"],
        ["Two", "3.three", "2025-03-03T06:00:00.000Z", "true", "everyone", "newsletter", "second"],
        ["Draft", "2.two", "", "false", "everyone", "newsletter", ""],
    ]
    right = [
        {
            "content_id": "1.one",
            "published_at": "2025-03-02T06:00:00Z",
            "title": "One",
            "body": "One & only\nWhat do you think?",
        },
        {"content_id": "3.three", "title": "Two", "body": "second", "published_at": "2025-03-03T06:00:00Z"},
    ]

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("posts.csv", delimited([header, *rows]))
            archive.writestr(
                "posts/1.one.html", "<style>p {}</style><h2>One &amp; only</h2><p>What do <b>you</b>\nthink?</p>"
            )
            archive.writestr("posts/1.one.opens.csv", "post_id,timestamp\n1.one,2025\n")

    return Export("export.zip", "substack", right, write, left_out=1)


def _scheduler() -> Export:
    """Seconds instead of milliseconds, a tab between, other names."""
    header = ["Service", "Text", "Date", "Likes", "Comments", "Views"]
    rows = [["linkedin", "a", 1719900000, 5, 1, "1.2M"], ["x", "b", 1719986400, 6, 0, "950"]]
    right = [
        {"published_at": "2024-07-02T06:00:00Z", "channel": "linkedin", "impressions": 1_200_000, "engagements": 6},
        {"published_at": "2024-07-03T06:00:00Z", "channel": "x", "impressions": 950, "engagements": 6},
    ]
    return Export("posts.tsv", "buffer", right, text_of(delimited([header, *rows], delimiter="\t")))


def _spreadsheet_french() -> Export:
    """French, spaces for thousands, the zone of Paris."""
    header = ["Publié le", "Identifiant", "Canal", "Impressions", "Interactions", "Clics"]
    rows = [
        ["14.07.2026 09:00", "f1", "Instagram", "12 500", "1 100", 7],
        ["15.07.2026", "f2", "Facebook", "980", "80", 8],
    ]
    right = [
        {
            "content_id": "f1",
            "published_at": "2026-07-14T07:00:00Z",
            "channel": "instagram",
            "impressions": 12500,
            "engagements": 1100,
            "clicks": 7,
        },
        {
            "content_id": "f2",
            "published_at": "2026-07-15 (day)",
            "channel": "facebook",
            "impressions": 980,
            "engagements": 80,
        },
    ]
    text = delimited([header, *rows], delimiter=";")
    return Export("posts.csv", "spreadsheet", right, text_of(text, "cp1252"), timezone="Europe/Paris")


def _sprout() -> Export:
    header = ["Date", "Post ID", "Network", "Post Type", "Post", "Impressions", "Engagements", "Post Link Clicks"]
    rows = [["3/2/2026 6:00 am", "p1", "X", "Post", "hello", "1,200", "40", "3"]]
    right = [
        {
            "content_id": "p1",
            "published_at": "2026-03-02T11:00:00Z",
            "channel": "x",
            "impressions": 1200,
            "engagements": 40,
            "clicks": 3,
        }
    ]
    return Export("sprout.csv", "sprout", right, text_of(delimited([header, *rows])), timezone="America/New_York")


def _hubspot() -> Export:
    header = ["Email name", "Email ID", "Subject", "Send date", "Delivered", "Opened", "Clicked"]
    rows = [["News 1", 555, "Bread", "2026-03-02 09:30", "1,900", "700", "80"]]
    right = [
        {
            "content_id": "555",
            "published_at": "2026-03-02T08:30:00Z",
            "title": "Bread",
            "impressions": 700,
            "engagements": 80,
            "audience_size": 1900,
        }
    ]
    return Export("emails.csv", "hubspot", right, text_of(delimited([header, *rows])), timezone="Europe/Berlin")


EXPORTS = [
    _meta_facebook_german(),
    _meta_instagram_spanish(),
    _facebook_daily(),
    _x_2024(),
    _youtube_french(),
    _tiktok_zip(),
    _mailchimp(),
    _google_ads_german(),
    _meta_ads_by_ad(),
    _ga4(),
    _substack_zip(),
    _scheduler(),
    _spreadsheet_french(),
    _sprout(),
    _hubspot(),
]

"""One name for each kind of media, whatever the platform calls it."""

from __future__ import annotations

import polars as pl

MEDIA_TYPES = {
    "photo": ("photo", "photos", "image", "images", "picture", "pic", "jpg", "jpeg", "png", "static", "graphic"),
    "video": (
        "video",
        "videos",
        "reel",
        "reels",
        "short",
        "shorts",
        "clip",
        "live",
        "live_video",
        "native_video",
        "mp4",
    ),
    "link": ("link", "links", "url", "share", "shared_link", "article"),
    "text": ("text", "status", "note", "none", "text_only", "plain"),
    "carousel": ("carousel", "album", "gallery", "slideshow", "carousel_album", "multi_image", "photo_album"),
    "animation": ("animation", "gif", "animated", "animated_gif"),
    "audio": ("audio", "podcast", "mp3", "music"),
    "event": ("event", "events"),
    "poll": ("poll", "quiz", "survey"),
    "story": ("story", "stories"),
}
_KNOWN = {alias: media for media, aliases in MEDIA_TYPES.items() for alias in aliases}


def normal_media_type(media_type: pl.Expr) -> pl.Expr:
    """The common name where the alias is known, else the given one in lower case; blank is null."""
    name = media_type.str.strip_chars().str.to_lowercase().str.replace_all(r"[\s\-]+", "_")
    return pl.when(name != "").then(name.replace(_KNOWN))

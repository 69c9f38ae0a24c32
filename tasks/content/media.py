"""One name for each kind of media, whatever the platform calls it."""

from __future__ import annotations

import polars as pl

MEDIA_TYPES = {
    "photo": "photo photos image images picture pic jpg jpeg png static graphic "
    "foto fotos bild bilder imagen imágenes imagem imagens immagine immagini afbeelding afbeeldingen zdjęcie zdjęcia "
    "fotoğraf фото фотография изображение 写真 画像 图片 照片 사진 이미지",
    "video": "video videos reel reels short shorts clip live live_video native_video mp4 "
    "vidéo vidéos vídeo vídeos video's film filmy wideo rolka rolki secuencia secuencias видео рилс "
    "動画 ビデオ リール 视频 短视频 동영상 릴스",
    "link": "link links url share shared_link article "
    "lien liens enlace enlaces collegamento łącze bağlantı ссылка リンク 链接 링크",
    "text": "text status note none text_only plain texte texto testo tekst metin statut estado stato текст статус "
    "テキスト 文字 텍스트",
    "carousel": "carousel album gallery slideshow carousel_album multi_image photo_album "
    "karussell carrousel carrusel carrossel carosello карусель カルーセル 轮播 슬라이드",
    "animation": "animation gif animated animated_gif",
    "audio": "audio podcast mp3 music",
    "event": "event events veranstaltung événement evento мероприятие イベント 活动 이벤트",
    "poll": "poll quiz survey umfrage sondage encuesta sondaggio enquete опрос アンケート 投票 설문",
    "story": "story stories storys historia historias storie ストーリーズ 快拍 스토리",
}
_KNOWN = {alias: media for media, aliases in MEDIA_TYPES.items() for alias in aliases.split()}
# What Meta calls `IG image` is `Imagen de IG` or `IG-Bild` elsewhere.
_PLATFORM = r"^(ig|instagram|facebook|fb)_|_(d[aeio]_)?(ig|instagram|facebook|fb)$"


def normal_media_type(media_type: pl.Expr) -> pl.Expr:
    """The common name where the alias is known, in whatever language, else the given one in lower case; blank is null.

    The name of the platform before or after it is left out.
    """
    name = media_type.str.strip_chars().str.to_lowercase().str.replace_all(r"[\s\-]+", "_").str.replace(_PLATFORM, "")
    return pl.when(name != "").then(name.replace(_KNOWN))

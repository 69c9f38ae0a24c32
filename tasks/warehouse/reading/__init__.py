"""Files as people really have them: containers, encodings, headers, quotes, numbers, dates. Pure, light to import."""

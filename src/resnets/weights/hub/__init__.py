"""Published weights: a catalogue of them, and one downloader that fetches only what was asked for."""

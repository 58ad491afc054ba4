"""Recognising while somebody signs: pictures from a camera or a file, and the window that shows what is seen."""

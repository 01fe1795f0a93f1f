"""Google's Gemini as transcriber and as annotator: one service, two kinds, so it has a folder of its own.

Checked against a server of our own that follows the published interface; never against the live service.
"""

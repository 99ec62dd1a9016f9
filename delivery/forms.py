"""Forms of the console's delivery pages: buttons, guarded by the staff session's CSRF token."""

from __future__ import annotations

from flask_wtf import FlaskForm


class RequestBundleForm(FlaskForm):
    """The button that asks for a bundle."""


class DownloadForm(FlaskForm):
    """The button that asks for the PDF of a ready bundle."""

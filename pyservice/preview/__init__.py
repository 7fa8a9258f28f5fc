"""Mails as a template and a build make them, without sending any."""

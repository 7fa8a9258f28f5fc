"""The service behind the Pipeline step `notifyEmail`: build reports in, mail out."""

__version__ = "0.1.0"

"""Whether readers see the images, or what these say."""

from collections.abc import Iterator

from pyservice.mail_checks.finding import Finding
from pyservice.mail_checks.parsed import Element, ParsedMail


def check(mail: ParsedMail) -> Iterator[Finding]:
    """Check the alternative text and the source of each image."""
    for image in mail.all("img"):
        alt = image.get("alt")
        if alt is None:
            yield image.finding(
                "error",
                "An image has no alternative text: who can't see it learns the file's name only.",
                'Add alt="…" with what it says, or alt="" if it only decorates.',
                "<img",
            )
        elif alt.lower().endswith((".png", ".jpg", ".jpeg", ".gif")):
            yield image.finding(
                "warning",
                f"The alternative text “{alt[:40]}” is a file's name.",
                "Write what the image says, such as the team's name.",
                f'alt="{alt}"',
            )
        yield from _check_source(image, mail)


def _check_source(image: Element, mail: ParsedMail) -> Iterator[Finding]:
    source = (image.get("src") or "").strip()
    excerpt = f'src="{source[:60]}'
    inline = 'Put the file into the template\'s folder and write src="cid:logo.png".'
    if not source:
        yield image.finding("error", "An image has no `src`.", inline, "<img")
    elif source.startswith("cid:"):
        if source.removeprefix("cid:") not in mail.content_ids:
            yield image.finding(
                "error",
                f"The mail has no part for the image {source[:80]}.",
                inline,
                excerpt,
            )
    elif source.startswith("data:"):
        yield image.finding(
            "warning",
            "Gmail and Outlook do not show images that stand in the HTML itself (`data:`).",
            inline,
            'src="data:',
        )
    elif source.startswith(("https:", "http:")):
        yield image.finding(
            "warning",
            f"The image {source[:80]} is loaded from a server: most clients ask first, and its "
            "server learns who reads the mail.",
            inline,
            excerpt,
        )
    else:
        yield image.finding(
            "error",
            f"The image's address {source[:80]!r} leads nowhere: a mail has no folder.",
            inline,
            excerpt,
        )
    if source.partition("?")[0].lower().endswith(".svg") or source.startswith("data:image/svg"):
        yield image.finding(
            "warning",
            "Gmail and Outlook do not show SVG images.",
            "Save the image as PNG, at twice the size that it is shown in.",
            excerpt,
        )

"""secrets.py: what is masked in a report before it is stored, and what stays."""

from pathlib import Path

import pytest
from pydantic import JsonValue

from pyservice import samples
from pyservice.report import schema
from pyservice.report.schema import (
    Build,
    Change,
    Changes,
    FailedTest,
    Failure,
    Mail,
    Report,
    Stage,
)
from pyservice.report.secrets import MAX_MASKED, SecretMasker

MASKER = SecretMasker()
KEY_LINES = [
    "-----BEGIN RSA PRIVATE KEY-----",
    *("MIIEowIBAAKCAQEA0123456789abcdef0123456789abcdef0123456789abcdef" for _ in range(3)),
    "-----END RSA PRIVATE KEY-----",
]
BUILD = Build(job="shop/checkout", number=7, result="FAILURE", started_at=1)


def masked(text: str, masker: SecretMasker = MASKER) -> tuple[str, int]:
    """Return an error's message as a stored report has it, and how many secrets were in it."""
    report = masker.mask(Report(build=BUILD, error=Failure(message=text)))
    assert report.error is not None
    return report.error.message, report.masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("+ deploy --password hunter --dry-run", "+ deploy --password **** --dry-run"),
        ("mysql --password 'my pass'", "mysql --password '****'"),
        ("+ curl -sSf -u ada:hunter2 https://x", "+ curl -sSf -u ada:**** https://x"),
        ("PGPASSWORD=secret psql", "PGPASSWORD=**** psql"),
        ("DB_PASSWORD=pa$$w0rd", "DB_PASSWORD=****"),
        ('export API_TOKEN="a b c d"', 'export API_TOKEN="****"'),
        ("-Djavax.net.ssl.trustStorePassword=changeit", "-Djavax.net.ssl.trustStorePassword=****"),
        ("User(name=ada, password=hunter2)", "User(name=ada, password=****)"),
        ("https://x.org/a?token=abc123&b=1", "https://x.org/a?token=****&b=1"),
        ("Server=db;Uid=sa;Pwd=abc123;", "Server=db;Uid=sa;Pwd=****;"),
        ('{"password": "s3cret", "user": "a"}', '{"password": "****", "user": "a"}'),
        (r"{\"db_password\":\"s3cret\"}", r"{\"db_password\":\"****\"}"),
        ("spring.datasource.password: Xy12!!ab", "spring.datasource.password: ****"),
        ("<password>hunter2</password>", "<password>****</password>"),
        ("X-Api-Key: 0123456789abcdef", "X-Api-Key: ****"),
        ("\x1b[36mpassword\x1b[0m=hunter2", "\x1b[36mpassword\x1b[0m=****"),
        ("Authorization: Bearer abcdefgh1234", "Authorization: Bearer ****"),
        ('-H "authorization: Basic dXNlcjpw"', '-H "authorization: Basic ****"'),
        ("Authorization: 0123456789abcdefghij", "Authorization: ****"),
        ('Authorization: Digest username="a", nonce="b"', "Authorization: Digest ****"),
        (
            "git clone https://ada:p@ss@git.example.com/x",
            "git clone https://ada:****@git.example.com/x",
        ),
        ("https://" + "0123456789abcdef" * 2 + "@git.x.org/a", "https://****@git.x.org/a"),
        ("redis://:hunter2@cache:6379/0", "redis://:****@cache:6379/0"),
        ("key " + "AKIA" + "IOSFODNN7EXAMPLE", "key ****"),
        ("ghp_" + "0123456789" * 4, "****"),
        ("glpat-" + "abcdefghij0123456789", "****"),
        ("xoxb-" + "123456789012-abcdefghij", "****"),
        ("eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxIn0.dozjgNryP4J3jVmNHl0w5N", "****"),
        ("11" + "0123456789abcdef" * 2, "****"),
        ("password=ab", "password=**"),
    ],
)
def test_a_secret_is_masked(text: str, shown: str) -> None:
    """The secret alone becomes stars, so that a reader sees what stood there; it counts once."""
    assert masked(f"before\n{text}\nbehind") == (f"before\n{shown}\nbehind", 1)


@pytest.mark.parametrize(
    "text",
    [
        "tests/test_token.py:12: AssertionError",
        "SyntaxError: Unexpected token '}'",
        "WorkflowScript: 12: unexpected token: } @ line 12, column 5.",
        "Unexpected token: 'export'",
        "WARNING! Using --password via the CLI is insecure. Use --password-stdin.",
        "error: the following arguments are required: --password",
        "usage: deploy --password <password>",
        "String token = parser.nextToken();",
        "client = Client(token=self.token, password=settings.db_password)",
        "assert token == expected_token",
        "token_count=5 max_tokens=4096 passwordEncoder=BCrypt",
        "password: must not be blank",
        "✓ resetPassword: 12.3456ms",
        "test_reset_password: FAILED",
        "PasswordResetTest > resetsPassword() FAILED",
        "at com.example.TokenServiceTest.rejectsToken(TokenServiceTest.java:42)",
        "Checking out 8ed0cf870123456789abcdef0123456789abcdef",
        "20261130:8ed0cf870123456789abcdef0123456789abcdef",
        "TASK5d41402abc4b2a76b9719d911017c592",
        "id 123e4567-e89b-12d3-a456-426614174000",
        "expected:<QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=>",
        "org.NotificationDispatcherTests.orders.shouldReturnTheDefaultValueWhenEmpty",
        "class APDUResponse",
        "docker://alpine:3.19@sha256:0123456789abcdef",
        "git@github.com:example/shop.git",
        "http://localhost:8080,admin@example.com",
        "PWD=/var/jenkins/workspace/shop OLDPWD=/tmp",
        "PASSWORD=$DB_PASSWORD TOKEN=${TOKEN} password=**** secret=%SECRET%",
        "Authorization: required",
        "secret: not found",
        "credentialsId: 'github-token'",
        "Error: Cannot find module './token'",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    """Commits, UUIDs, data in base64, files, classes, tests, code and sentences are no secrets."""
    assert masked(text) == (text, 0)


@pytest.mark.parametrize(
    ("lines", "shown"),
    [
        (["a", *KEY_LINES, "b"], ["a", "****", "b"]),
        (["a", *KEY_LINES[:-1], "b"], ["a", "****", "b"]),
        (["a", *KEY_LINES[2:], "b"], ["a", "****", "b"]),
        (["a", "+ key='" + r"\n".join(KEY_LINES) + "'", "b"], ["a", "+ key='****'", "b"]),
        ([*KEY_LINES, *KEY_LINES], ["****", "****"]),
    ],
)
def test_a_private_key(lines: list[str], shown: list[str]) -> None:
    """All its lines become one, in a log and in a text, even if a log has cut its end or begin."""
    assert MASKER.mask(Report(build=BUILD, log=lines)).log == shown
    assert masked("\n".join(lines))[0] == "\n".join(shown)


def test_every_text_is_masked() -> None:
    """Of changes, tests, stages, the author's data, and what stands anywhere else."""
    report = Report(
        build=BUILD.model_copy(update={"description": "token=abcd1"}),
        changes=Changes(total=1, items=[Change(message="token=abcd2", paths=["a", "token=abcd3"])]),
        error=Failure(message="token=abcd4"),
        tests=schema.Tests(total=1, failed=1, failures=[FailedTest(stack_trace="token=abcd5")]),
        stages=[Stage(name="token=abcd6", status="FAILURE")],
        log=["token=abcd7", "b"],
        mail=Mail(subject="token=abcd8", data={"x": [{"y": "token=abcd9"}], "n": 1}),
    )
    stored = MASKER.mask(report)
    assert "abcd" not in stored.model_dump_json()
    assert stored.masked == 9
    assert Report.parse(stored.model_dump_json().encode()) == stored


def test_what_names_the_build_and_its_readers_stays() -> None:
    """A job, a link to the build and below it, and addresses are never changed."""
    url = "https://ci.example.com/job/label=a,token=abcd/7/"
    report = Report(
        build=BUILD.model_copy(update={"job": "shop/label=a,token=abcd", "url": url}),
        log=[f"see {url}artifact/password=a/x and https://ci.example.com/job/b?token=abcd"],
        mail=Mail(to=["token=abcd@example.com"], template="build"),
    )
    stored = MASKER.mask(report)
    assert stored.build == report.build
    assert stored.mail == report.mail
    assert stored.log == [
        f"see {url}artifact/password=a/x and https://ci.example.com/job/b?token=****"
    ]


def test_equal_secrets_count_once() -> None:
    """The count is that of secrets, and not of the places where they stand."""
    assert masked("token=abcd token=abcd --token abcd password=efgh")[1] == 2


def test_a_callers_count_is_ignored() -> None:
    """The service alone counts."""
    report = Report.parse(b'{"build": %b, "masked": 5}' % BUILD.model_dump_json().encode())
    assert MASKER.mask(report).masked == 0


def test_patterns_of_the_administrator() -> None:
    """The group of a pattern is the secret, or all of it; new patterns replace the old ones."""
    masker = SecretMasker([r"pin (\d+)", r"(?i)acme-[a-z]{2,4}"])
    assert masked("pin 123456, ACME-xyz", masker) == ("pin ****, ****", 2)
    masker.use([])
    assert masked("pin 123456, ACME-xyz", masker) == ("pin 123456, ACME-xyz", 0)


def test_a_pattern_of_everything() -> None:
    """Each text that a report needs is still there, and no longer than it was."""
    report = samples.load("2-failure")
    stored = SecretMasker([r"(?s).+"]).mask(report)
    assert Report.parse(stored.model_dump_json().encode()) == stored
    assert stored.build.job == report.build.job
    assert stored.build.result == report.build.result
    assert {stage.name for stage in stored.stages} == {"****"}


def test_more_secrets_than_are_masked_one_by_one() -> None:
    """All that comes after them is masked, too."""
    log = [f"token=abcd{number} visible" for number in range(MAX_MASKED)]
    stored = MASKER.mask(Report(build=BUILD, log=[*log[:4999], "token=abcd token=efgh x"]))
    assert stored.log[0] == "token=**** visible"
    assert "efgh" not in stored.log[-1]
    assert stored.log[-1].endswith("****")
    few = MASKER.mask(Report(build=BUILD, log=log[:10]))
    assert few.masked == 10


def test_builds_recorded_from_inside() -> None:
    """What the step sends of them has no secret: the only one is masked by Jenkins already."""
    for file in (Path(__file__).parents[2] / "contract").glob("inside-*.json"):
        report = Report.parse(file.read_bytes())
        assert MASKER.mask(report) == report, file.name


@pytest.mark.parametrize("name", samples.names())
def test_recorded_builds(name: str) -> None:
    """Two of them show a password, and nothing else is masked."""
    sample = samples.load(name)
    assert sample.masked == (1 if name in {"2-failure", "6-failing-still-running"} else 0)
    assert "****" not in sample.model_dump_json().replace("password=****", "")


def test_a_secret_beside_its_name_in_data() -> None:
    """Its name shows what it is, as in a text; other values stay, whatever is in them."""
    plain: dict[str, JsonValue] = {
        "Stage": 'say "hi"\n',
        "": "",
        "token_count": "5",
        "Notes": "password: see the wiki",
    }
    secret: dict[str, JsonValue] = {
        "DB_PASSWORD": "two words",
        "inner": [{"api-token": "abc"}],
        "a": "token=abc123",
    }
    report = MASKER.mask(Report(build=BUILD, mail=Mail(data=plain | secret)))
    assert report.mail.data == plain | {
        "DB_PASSWORD": "****",
        "inner": [{"api-token": "***"}],
        "a": "token=****",
    }
    assert report.masked == 3

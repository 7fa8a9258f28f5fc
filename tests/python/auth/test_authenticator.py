"""authenticator.py and web/dependencies.py: who calls, and what they may do, through a service."""

import typing
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import time_machine
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from pyservice.auth import tokens
from pyservice.auth.authenticator import Authenticator
from pyservice.auth.permissions import Permissions
from pyservice.config.settings import Settings
from pyservice.errors import PolicyError, UnauthorizedError
from pyservice.web.app import create_app
from tests.builders.answers import problem
from tests.python.conftest import LOCAL, Json, post, serve, settled


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A tokens file's path."""
    return tmp_path / "tokens.toml"


def bearer(file: Path, name: str = "ci", **rights: typing.Any) -> dict[str, str]:
    """The headers of a new token's caller."""
    return {"authorization": f"Bearer {tokens.new(file, name, Permissions.model_validate(rights))}"}


def serve_to(peer: str, settings: Settings) -> TestClient:
    """A service, and a client with this address."""
    return TestClient(
        create_app(settings),
        base_url="http://127.0.0.1:8525",
        raise_server_exceptions=False,
        client=(peer, 50000),
    )


class TestRights:
    """What a token's members do to its requests."""

    def test_a_report_outside(self, settings: Settings, file: Path, report: Json) -> None:
        """403 names the member and the token's bounds; nothing is stored."""
        headers = bearer(file, jobs=["team-a"], recipient_domains=["example.com"])
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            with capture_logs() as logs:
                refusal = problem(post(client, report, **headers), 403)
            assert [log["owner"] for log in logs if log["event"] == "request.refused"] == ["ci"]
            assert [error["pointer"] for error in refusal["errors"]] == ["/build/job"]
            assert "team-a" in refusal["detail"]
            report["build"]["job"] = "team-a/checkout"
            report["mail"]["cc"] = ["eve@example.org"]
            refusal = problem(post(client, report, **headers), 403)
            assert [error["pointer"] for error in refusal["errors"]] == ["/mail/cc"]
            assert client.get("/v1/reports", headers=headers).json()["reports"] == []
            del report["mail"]["cc"]
            assert post(client, report, **headers).status_code == 202

    def test_rights_do_not_widen(self, settings: Settings, file: Path, report: Json) -> None:
        """A domain that the settings forbid stays forbidden."""
        headers = bearer(file, recipient_domains=["example.com"])
        strict = {"tokens_file": file, "allowed_domains": ("example.org",)}
        with serve(settings.model_copy(update=strict)) as client:
            problem(post(client, report, **headers), 403)

    def test_default_recipients(self, settings: Settings, file: Path, report: Json) -> None:
        """The token's bounds hold for the default recipients, too."""
        headers = bearer(file, recipient_domains=["example.org"])
        update = {"tokens_file": file, "default_to": "team@example.com"}
        with serve(settings.model_copy(update=update)) as client:
            refusal = problem(post(client, report | {"mail": {}}, **headers), 403)
        assert refusal["errors"][0]["pointer"] == "/mail/to"

    @pytest.mark.parametrize("act", ["send", "see", "scrape"])
    def test_may(self, settings: Settings, file: Path, report: Json, act: str) -> None:
        """Each permission opens its own routes, and no others."""
        headers = bearer(file, may=[act])
        calls = {
            "send": ["POST /v1/reports"],
            "see": ["GET /v1/reports", "GET /outbox", "GET /outbox/rates", "GET /doctor"],
            "scrape": ["GET /metrics"],
        }
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            for right, those in calls.items():
                for method, _, path in (call.partition(" ") for call in those):
                    body = report if method == "POST" else None
                    response = client.request(method, path, headers=headers, json=body)
                    if right == act:
                        assert response.status_code in {200, 202}
                    else:
                        assert "This token may" in problem(response, 403)["detail"]
            for path in ("/v1/reports/x", "/v1/reports/x/preview"):
                problem(client.get(path, headers=headers), 404 if act == "see" else 403)
            for path in ("/v1/reports/x/retry", "/v1/reports/x/cancel"):
                problem(client.post(path, headers=headers), 403)

    def test_a_right_that_changes(self, settings: Settings, file: Path, report: Json) -> None:
        """A changed permission holds from the next request on, for earlier reports, too."""
        headers = bearer(file)
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            client.headers.update(headers)
            answer = post(client, report).json()
            settled(client, answer)
            file.write_text(file.read_text() + 'jobs = ["team-a"]\n')
            for path in (answer["status_url"], answer["preview_url"]):
                assert "team-a" in problem(client.get(path), 403)["detail"]
            for act in ("retry", "cancel"):
                problem(client.post(f"{answer['status_url']}/{act}"), 403)
            assert client.get("/v1/reports").json()["reports"] == []
            problem(post(client, report), 403)
            report["build"]["job"] = "team-a"
            assert post(client, report).status_code == 202
            assert len(client.get("/v1/reports").json()["reports"]) == 1

    def test_a_file_that_breaks(self, settings: Settings, file: Path, report: Json) -> None:
        """The known tokens stay, with their bounds, and the reason is logged once."""
        headers = bearer(file, jobs=["shop"])
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            whole = file.read_text()
            with capture_logs() as logs:
                file.write_text(whole + "job = 1\n")
                assert post(client, report, **headers).status_code == 202
                other = report | {"build": report["build"] | {"job": "team-b"}}
                problem(post(client, other, **headers), 403)
                file.rename(file.with_suffix(".away"))
                for _ in range(2):
                    assert post(client, report, **headers).status_code == 200
                file.with_suffix(".away").rename(file)
            events = [log for log in logs if log["event"] == "tokens.reload_failed"]
            assert len(events) == 2
            assert "No such file" in events[1]["reason"]
            assert "'ci': `job`: there is no such member" in events[0]["reason"]
            file.write_text(whole.replace("shop", "team-b"))
            assert post(client, other, **headers).status_code == 202


class TestRate:
    """How many reports a token may send."""

    def test_over_it(self, settings: Settings, file: Path, report: Json) -> None:
        """429 with Retry-After, and nothing is stored; a repeated report isn't counted."""
        headers = bearer(file, rate="2/hour")
        free = bearer(file, "free")

        def build(number: int) -> Json:
            return report | {"build": report["build"] | {"number": number}}

        with (
            time_machine.travel("2026-11-25T12:00:00Z", tick=False) as clock,
            serve(settings.model_copy(update={"tokens_file": file})) as client,
        ):
            assert post(client, build(1), **headers).status_code == 202
            clock.shift(60)
            for _ in range(3):
                assert post(client, build(1), **headers).status_code == 200
            problem(post(client, build(2) | {"colour": 1}, **headers), 422)
            assert post(client, build(2), **headers).status_code == 202
            refused = post(client, build(3), **headers)
            refusal = problem(refused, 429)
            assert "at most 2 reports per hour" in refusal["detail"]
            assert 3500 < int(refused.headers["retry-after"]) <= 3540
            assert post(client, build(2), **headers).status_code == 200
            assert post(client, build(3), **free).status_code == 202
            assert len(client.get("/v1/reports", headers=headers).json()["reports"]) == 2
            clock.shift(3541)
            assert post(client, build(3), **headers).status_code == 202
            problem(post(client, build(4), **headers), 429)
            metrics = client.get("/metrics", headers=free).text
        assert 'notify_email_requests_refused_total{status="429"} 2.0' in metrics

    def test_a_key(self, settings: Settings, file: Path, report: Json) -> None:
        """A repeated call is recognized by its key."""
        headers = bearer(file, rate="1/day")
        with serve(settings.model_copy(update={"tokens_file": file})) as client:
            assert post(client, report, idempotency_key="k", **headers).status_code == 202
            assert post(client, report, idempotency_key="k", **headers).status_code == 200
            problem(post(client, report, **headers), 429)

    def test_at_the_same_moment(self, settings: Settings, file: Path, report: Json) -> None:
        """However many call at once, no more reports than the rate are accepted."""
        headers = bearer(file, rate="5/hour")
        builds = [report | {"build": report["build"] | {"number": n}} for n in range(1, 31)]
        with (
            serve(settings.model_copy(update={"tokens_file": file})) as client,
            ThreadPoolExecutor(10) as pool,
        ):
            answers = list(pool.map(lambda body: post(client, body, **headers), builds))
        codes = [answer.status_code for answer in answers]
        assert sorted(codes) == [202] * 5 + [429] * 25


class TestTrustedNetworks:
    """Callers without a token, known by their network."""

    @pytest.fixture
    def trusting(self, settings: Settings) -> Settings:
        """A service that trusts docker0's network and one of IPv6."""
        return Settings.model_validate(
            settings.model_dump() | {"trusted_networks": "172.17.0.0/16, fd00:1::/64"}
        )

    @pytest.mark.parametrize("peer", ["172.17.0.5", "::ffff:172.17.0.5", "fd00:1::7"])
    def test_they_may_send(self, trusting: Settings, report: Json, peer: str) -> None:
        """They may send, and may not even see what they sent."""
        with serve_to(peer, trusting) as client:
            answer = post(client, report)
            assert answer.status_code == 202
            assert post(client, report).status_code == 200
            path = answer.json()["status_url"]
            for ask in (path, answer.json()["preview_url"], "/v1/reports", "/metrics", "/outbox"):
                refusal = problem(client.get(ask), 403)
                assert "may send reports and nothing else" in refusal["detail"]
                assert "notify-email token new" in refusal["detail"]
            for act in ("retry", "cancel"):
                problem(client.post(f"{path}/{act}"), 403)
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 200

    def test_each_address_has_a_rate(self, trusting: Settings, file: Path, report: Json) -> None:
        """Over it: 429 with Retry-After. Another address and a token have their own."""
        both = trusting.model_copy(update={"tokens_file": file, "trusted_rate": "2/hour"})
        headers = bearer(file)
        builds = [report | {"build": report["build"] | {"number": n}} for n in range(1, 6)]
        with serve_to("192.0.2.7", both) as started:
            for peer, number, token, status in (
                ("172.17.0.5", 0, {}, 202),
                ("172.17.0.5", 0, {}, 200),
                ("::ffff:172.17.0.5", 1, {}, 202),
                ("172.17.0.5", 2, {}, 429),
                ("172.17.0.5", 2, headers, 202),
                ("172.17.0.6", 3, {}, 202),
                ("fd00:1::7", 4, {}, 202),
            ):
                client = TestClient(started.app, base_url=LOCAL, client=(peer, 50000))
                answer = post(client, builds[number], **token)
                assert answer.status_code == status, (peer, number)
                if status == 429:
                    detail = problem(answer, 429)["detail"]
                    assert "NOTIFY_EMAIL_TRUSTED_RATE" in detail
                    assert "172.17.0.5 may send at most 2 reports per hour" in detail
                    assert 3500 < int(answer.headers["retry-after"]) <= 3600

    @pytest.mark.parametrize("peer", ["172.18.0.5", "192.0.2.7", "fd00:2::7", "testclient"])
    def test_others_may_not(self, trusting: Settings, report: Json, peer: str) -> None:
        """403 names the address of the connection, whatever a header says."""
        with serve_to(peer, trusting) as client:
            for headers in ({}, {"x_forwarded_for": "172.17.0.5", "forwarded": "for=172.17.0.5"}):
                refusal = problem(post(client, report, **headers), 403)
                assert f"{peer} is in none of NOTIFY_EMAIL_TRUSTED_NETWORKS" in refusal["detail"]
            problem(client.get("/v1/reports"), 403)

    def test_loopback(self, trusting: Settings, report: Json) -> None:
        """If there are no tokens, this machine may do everything."""
        for peer in ("127.0.0.1", "::1", "::ffff:127.0.0.1"):
            with serve_to(peer, trusting) as client:
                answer = post(client, report).json()
                assert client.get(answer["status_url"]).status_code == 200
                assert client.get("/metrics").status_code == 200

    def test_with_tokens(self, trusting: Settings, file: Path, report: Json) -> None:
        """A token gives its permissions; a wrong token is refused, and other networks need one."""
        headers = bearer(file)
        both = trusting.model_copy(update={"tokens_file": file})
        with serve_to("172.17.0.5", both) as client:
            assert post(client, report).status_code == 202
            answer = post(client, report, host="mail.example.com", **headers)
            assert answer.status_code == 202
            path = answer.json()["status_url"]
            assert client.get(path, headers=headers).status_code == 200
            problem(client.get(path), 403)
            problem(post(client, report, authorization="Bearer wrong"), 401)
        for peer in ("172.18.0.5", "127.0.0.1"):
            with serve_to(peer, both) as client:
                problem(post(client, report), 401)
                assert post(client, report, **headers).status_code == 200

    def test_foreign_hosts(self, trusting: Settings, file: Path, report: Json) -> None:
        """A web page in the network, whose name resolves to the service, can't send."""
        tokens.new(file, "ci")
        for settings in (trusting, trusting.model_copy(update={"tokens_file": file})):
            with serve_to("172.17.0.5", settings) as client:
                problem(post(client, report, host="evil.example"), 421)

    @pytest.mark.parametrize("peer", [None, "", "unix", "fe80::1%eth0", "1.2.3.4:5"])
    def test_odd_peers(self, trusting: Settings, peer: str | None) -> None:
        """Something that isn't an IP address is in no network."""
        with pytest.raises(PolicyError):
            Authenticator(trusting).authenticate(None, peer)

    def test_no_networks(self, settings: Settings, file: Path) -> None:
        """Without trusted networks every caller needs a token."""
        tokens.new(file, "ci")
        with pytest.raises(UnauthorizedError):
            Authenticator(settings.model_copy(update={"tokens_file": file})).authenticate(
                None, "127.0.0.1"
            )


def test_what_an_owner_may_do_now(settings: Settings, tmp_path: Path) -> None:
    """A report's owner has the permissions that its token has now; without a token it has none."""
    file = tmp_path / "tokens.toml"
    tokens.new(file, "ci", Permissions(jobs=("shop",)))
    tokens.new(file, "other")
    authenticator = Authenticator(settings.model_copy(update={"tokens_file": file}))
    known = authenticator.permissions_of("ci")
    assert known is not None
    assert known.jobs == ("shop",)
    tokens.remove(file, "ci")
    assert authenticator.permissions_of("ci") is None
    assert authenticator.permissions_of("trusted") is None
    assert Authenticator(settings).permissions_of("local") is None

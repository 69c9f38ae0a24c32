"""Pages of other addresses, in the browser of an operator who has signed in: they read nothing and change nothing."""

from __future__ import annotations

import json
import shutil
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tests.running_platform import FOREIGN_NAME, RunningPlatform, eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = pytest.mark.skipif(shutil.which("chromium") is None, reason="no chromium: `apt-get install chromium`")

# Every way a page has to ask another address, once with and once without asking the other side first.
SCRIPT = """
const [prefect, mlflow] = JSON.parse(document.getElementById('targets').textContent);
const json = {'Content-Type': 'application/json'}, plain = {'Content-Type': 'text/plain'};
const flow = JSON.stringify({name: 'attack'}), experiment = JSON.stringify({name: 'attack'});
const tried = {};
async function read(name, ...asked) {
  try {
    const answer = await fetch(...asked);
    tried[name] = answer.type === 'opaque' ? 'opaque' : [answer.status, await answer.text()];
  } catch (error) { tried[name] = 'refused'; }
}
function socket(name, address) {
  return new Promise(done => {
    const open = new WebSocket(address, ['prefect']);
    open.onopen = () => { tried[name] = 'open'; open.close(); done(); };
    open.onerror = () => { tried[name] = 'refused'; done(); };
  });
}
function element(name, kind, address) {
  return new Promise(done => {
    const made = document.createElement(kind);
    made.onload = () => { tried[name] = 'loaded'; done(); };
    made.onerror = () => { tried[name] = 'refused'; done(); };
    made.src = address;
    document.body.append(made);
  });
}
(async () => {
  for (const credentials of ['include', 'omit'])
    for (const mode of ['cors', 'no-cors']) {
      const how = {credentials, mode}, named = `${mode} ${credentials}`, headers = mode === 'cors' ? json : plain;
      const post = body => ({...how, method: 'POST', body, headers});
      await read(`settings ${named}`, `${prefect}/api/admin/settings`, how);
      await read(`flows ${named}`, `${prefect}/api/flows/filter`, post('{}'));
      await read(`create ${named}`, `${prefect}/api/flows/`, post(flow));
      await read(`experiment ${named}`, `${mlflow}/ajax-api/2.0/mlflow/experiments/create`, post(experiment));
      await read(`models ${named}`, `${mlflow}/ajax-api/2.0/mlflow/registered-models/search`, how);
      const artifact = `${mlflow}/api/2.0/mlflow-artifacts/artifacts/x`;
      if (mode === 'cors') await read(`delete ${named}`, artifact, {...how, method: 'DELETE'});
    }
  await socket('events in', prefect.replace('http', 'ws') + '/api/events/in');
  await socket('events out', prefect.replace('http', 'ws') + '/api/events/out');
  await element('script', 'script', `${prefect}/api/admin/version`);
  await element('image', 'img', `${prefect}/ico/favicon-32x32.png`);
  document.title = 'tried';
  document.getElementById('tried').textContent = JSON.stringify(tried);
})();
"""
FORM = """<form method="post" enctype="text/plain" action="{target}">
<input name='{{"name": "attack", "x": "' value='"}}'></form>"""


@contextmanager
def attacking(*targets: str) -> Iterator[str]:
    """A web server of somebody else on this machine; gives its port."""
    probes = f'<script type="application/json" id="targets">{json.dumps(targets)}</script><pre id="tried"></pre>'
    pages = {"/": f"<!doctype html><body>{probes}<script>{SCRIPT}</script>"}
    pages["/prefect-form"] = FORM.format(target=f"{targets[0]}/api/flows/")
    pages["/mlflow-form"] = FORM.format(target=f"{targets[1]}/ajax-api/2.0/mlflow/experiments/create")
    pages["/frame"] = f'<iframe src="{targets[0]}/settings"></iframe>'

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = pages.get(self.path, "").encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield str(server.server_port)
    finally:
        server.shutdown()


def require_nothing_happened(platform: RunningPlatform) -> None:
    with platform.client() as client:
        body = {"flows": {"name": {"any_": ["attack"]}}}
        assert client.request("POST", "/flows/filter", json=body).json() == []
    asked = urllib.request.Request(f"{platform.mlflow}/api/2.0/mlflow/experiments/get-by-name?experiment_name=attack")
    asked.add_header("Authorization", platform.login.header)
    with pytest.raises(urllib.error.HTTPError) as answer:
        urllib.request.urlopen(asked)
    assert answer.value.code == 404


@pytest.mark.parametrize("name", ["127.0.0.1", FOREIGN_NAME])
def test_another_page_reads_and_changes_nothing(platform: RunningPlatform, page: Page, name: str) -> None:
    with attacking(platform.prefect, platform.mlflow) as port:
        page.goto(f"http://{name}:{port}/", wait_until="domcontentloaded")
        page.wait_for_function("document.title === 'tried'")
        tried = json.loads(page.inner_text("#tried"))
        assert len(tried) >= 24, tried
        answered = {how: said for how, said in tried.items() if said not in ("refused", "opaque")}
        assert answered == {}, "what a page cannot read may be called opaque, and must not have happened"
        for form in ("prefect-form", "mlflow-form"):
            page.goto(f"http://{name}:{port}/{form}", wait_until="load")
            with page.expect_navigation():
                page.evaluate("document.forms[0].submit()")
            assert "may not ask" in page.inner_text("body")
        page.goto(f"http://{name}:{port}/frame", wait_until="domcontentloaded")
        page.wait_for_timeout(2000)
        assert "Prefect" not in "".join(
            frame.inner_text("body") for frame in page.frames[1:] if "chrome-error" not in frame.url
        )
    require_nothing_happened(platform)


def test_a_foreign_name_pointed_here_sees_nothing(platform: RunningPlatform, page: Page) -> None:
    """DNS rebinding: to the browser, page and server are one address."""
    for address in (platform.prefect, platform.mlflow):
        foreign = address.replace("127.0.0.1", FOREIGN_NAME)
        answer = page.goto(foreign, wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == 403
        asked = """async path => (await fetch(path, {method: 'POST', body: '{"name": "attack"}',
            headers: {'Content-Type': 'application/json'}})).status"""
        for path in ("/api/flows/", "/ajax-api/2.0/mlflow/experiments/create", "/api/flows/filter"):
            assert page.evaluate(asked, path) == 403
    require_nothing_happened(platform)


def test_the_operators_own_pages_go_on_working(platform: RunningPlatform, page: Page) -> None:
    refused: list[str] = []
    page.on("response", lambda answer: refused.append(answer.url) if answer.status in (401, 403) else None)
    page.goto(f"{platform.prefect}/v2/deployments", wait_until="domcontentloaded")
    page.get_by_text("meta-learning").first.wait_for()
    page.goto(f"{platform.prefect}/deployments", wait_until="domcontentloaded")
    page.get_by_text("meta-learning").first.wait_for()
    page.goto(f"{platform.mlflow}/#/models", wait_until="domcontentloaded")
    page.get_by_text("Registered Models").first.wait_for()
    assert refused == []


def test_who_has_not_signed_in_is_asked_to(platform: RunningPlatform, page: Page) -> None:
    assert page.context.browser is not None
    with page.context.browser.new_context() as stranger:
        shown = stranger.new_page()
        for address in (platform.prefect, platform.mlflow):
            shown.goto(f"{address}/?from=here", wait_until="domcontentloaded")
            assert "raptorflow status" in shown.inner_text("body")
        shown.fill("input[name=password]", platform.login.password)
        shown.get_by_role("button", name="Sign in").click()
        eventually(lambda: shown.url, lambda url: "from=here" in url and "sign-in" not in url)
        shown.goto(f"{platform.prefect}/v2/deployments", wait_until="domcontentloaded")
        shown.get_by_text("meta-learning").first.wait_for()

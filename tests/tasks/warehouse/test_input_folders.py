"""A form names files of the inbox and of declared folders; what else there is, it cannot find out."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from tasks.settings import get_settings
from tasks.warehouse import Warehouse
from tasks.warehouse.errors import BadFileError, InboxError, UndeclaredFileError
from tasks.warehouse.schema import Content, Workspace
from tasks.warehouse.steps import ingest_files
from tests.factories import store, workspace_row

WORKSPACES = "workspace_id,name,industry,size\nacme,Acme,retail,smb\n"


@pytest.fixture
def inbox() -> Path:
    folder = get_settings().inbox / "workspaces"
    folder.mkdir(parents=True)
    (folder / "one.csv").write_text(WORKSPACES)
    return folder


def from_form(file: Path | str, mapping: Path | str | None = None, kind: str = "workspaces") -> int:
    how = {"mapping": str(mapping) if mapping else None}
    read: int = ingest_files.fn(kind, [str(file)] if file else [], how, "run", True)["read"]
    return read


def test_files_of_the_inbox_are_read(inbox: Path) -> None:
    assert from_form(inbox / "one.csv") == 1
    assert from_form(inbox / ".." / "workspaces" / "one.csv") == 1
    assert from_form("") == 1, "all of the inbox"


def test_declared_folders_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "rows.csv").write_text(WORKSPACES)
    monkeypatch.setenv("RAPTORFLOW_INPUT_FOLDERS", f"{tmp_path / 'one'}:{tmp_path / 'two'}")
    get_settings.cache_clear()
    assert [from_form(tmp_path / name / "rows.csv") for name in ("one", "two")] == [1, 1]


@pytest.mark.parametrize(
    "name", ["/etc/shadow", "/etc/no-such-file", "/etc", "/", "../../../../etc/shadow", "~/x", "rows.csv"]
)
def test_no_other_file_is_looked_at(inbox: Path, name: str) -> None:
    with pytest.raises(UndeclaredFileError) as as_file:
        from_form(name)
    with pytest.raises(UndeclaredFileError) as as_mapping:
        from_form(inbox / "one.csv", name)
    for said in (as_file, as_mapping):
        assert str(said.value) == f"{name}: " + str(said.value).partition(": ")[2], "the same, there or not"
        assert "root:" not in str(said.value)
        assert "RAPTORFLOW_INPUT_FOLDERS" in str(said.value)


def test_links_are_followed_before_they_are_judged(inbox: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "two.csv").write_text(WORKSPACES)
    (inbox / "two.csv").symlink_to(outside / "two.csv")
    (inbox / "folder").symlink_to(outside)
    for name in ("two.csv", "folder/two.csv", "folder/../../two.csv"):
        with pytest.raises(UndeclaredFileError):
            from_form(inbox / name)
    with pytest.raises(UndeclaredFileError):
        from_form("")
    neighbor = inbox.parent.with_name("inbox-2")
    neighbor.mkdir()
    (neighbor / "two.csv").write_text(WORKSPACES)
    with pytest.raises(UndeclaredFileError):
        from_form(neighbor / "two.csv")


def test_by_hand_a_person_reads_what_the_person_can(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(WORKSPACES)
    assert ingest_files.fn("workspaces", [str(tmp_path / "rows.csv")], {}, "run")["read"] == 1
    with pytest.raises(BadFileError, match="unknown suffix"):
        ingest_files.fn("workspaces", ["/etc/passwd"], {}, "run")


def test_a_folder_that_cannot_be_taken_in_keeps_none_of_the_others_back(
    sqlite_warehouse: Warehouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAPTORFLOW_DATABASE_URL", sqlite_warehouse.url)
    get_settings.cache_clear()
    store(sqlite_warehouse, Workspace, [workspace_row()])
    folder = get_settings().inbox / "content"
    export = "Subject,Send Date,Successful Deliveries,Unique Opens,Unique Clicks,Unique Id\n"
    export += '"Hi","Feb 14, 2026 09:00 am",1000,250,25,abc1\n'
    for place, text in (("acme/mailchimp", export), ("acme/ga4", "<!DOCTYPE html>"), ("nobody/mailchimp", export)):
        (folder / place).mkdir(parents=True)
        (folder / place / "export.csv").write_text(text)
    with pytest.raises(InboxError) as raised:
        ingest_files.fn("content", [], {}, "run", True)
    said = str(raised.value)
    assert "\n" not in said
    assert said.startswith("2 of the inbox's 3 folders were not taken in, the others were: ")
    assert "is a web page" in said
    assert "unknown workspace 'nobody'" in said
    assert sqlite_warehouse.rows(select(Content.content_id, Content.impressions)) == [
        {"content_id": "abc1", "impressions": 250}
    ]

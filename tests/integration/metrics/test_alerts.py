"""The alert rules and dashboards as files: sound, tested, and described in the documents."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.integration.metrics import panels
from tests.processes.prometheus import needed

CASES = Path(__file__).with_name("alerts.yml")


def promtool(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [needed("promtool"), *map(str, words)], capture_output=True, text=True, check=False
    )


def test_promtool_takes_the_rules() -> None:
    done = promtool("check", "rules", panels.RULES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_promtool_takes_the_configuration(tmp_path: Path) -> None:
    text = (panels.GRAFANA / "prometheus.yml").read_text()
    shutil.copytree(panels.GRAFANA / "alerts", tmp_path / "alerts")
    shutil.copytree(panels.GRAFANA / "targets", tmp_path / "targets")
    (tmp_path / "teimoso.key").touch()
    (tmp_path / "prometheus.yml").write_text(text)
    done = promtool("check", "config", tmp_path / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sample_for_alertmanager_is_taken() -> None:
    amtool = shutil.which("amtool")
    if amtool is None:
        pytest.skip("Debian's package prometheus-alertmanager is not installed here")
    done = subprocess.run(
        [amtool, "check-config", panels.GRAFANA / "alertmanager.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_sample_for_alertmanager_names_alerts_that_are_there() -> None:
    text = (panels.GRAFANA / "alertmanager.yml").read_text()
    named = set(re.findall(r'alertname!?="(\w+)"', text))
    assert named
    assert named <= {rule["alert"] for rule in panels.rules()}


def test_the_address_of_the_runbook_is_a_setting_of_prometheus() -> None:
    """It is in the links alone: each alert leaves without the label."""
    told = yaml.safe_load((panels.GRAFANA / "prometheus.yml").read_text())
    default = told["global"]["external_labels"]["runbook"]
    assert (panels.ROOT / default).is_file()
    dropped = {"action": "labeldrop", "regex": "runbook"}
    assert dropped in told["alerting"]["alert_relabel_configs"]


def test_each_alert_fires_when_it_should_and_not_before() -> None:
    done = promtool("test", "rules", CASES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_is_tested_both_ways() -> None:
    cases = [
        case
        for test in yaml.safe_load(CASES.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    alerts = {rule["alert"] for rule in panels.rules()}
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_each_alert_leads_to_its_section_of_the_runbook() -> None:
    runbook = (panels.ROOT / "docs" / "runbook.md").read_text()
    sections = {heading.lower() for heading in re.findall(r"^## (\w+)$", runbook, re.MULTILINE)}
    linked = set()
    for rule in panels.rules():
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page == "{{ $externalLabels.runbook }}"
        assert anchor == rule["alert"].lower()
        assert rule["labels"]["severity"] in {"warning", "critical"}
        linked.add(anchor)
    assert linked == sections


def test_each_section_of_the_runbook_has_steps_with_their_output_and_says_whom_to_wake() -> None:
    page = (panels.ROOT / "docs" / "runbook.md").read_text()
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in panels.rules()}
    for section in page.split("\n## ")[1:]:
        title = section.partition("\n")[0]
        assert re.search(r"^1\. `[^`]+`.* → ", section, re.MULTILINE), title
        [wake] = re.findall(r"^\*\*Wake:\*\* (.+)\.$", section, re.MULTILINE)
        assert "at once" in wake or severities.get(title) != "critical", title


def test_no_query_says_something_where_nothing_is_known() -> None:
    for query in (*panels.of_panels("shop"), *panels.of_rules()):
        assert "vector(" not in query.text, query.where
        assert "absent(" not in query.text, query.where
        assert panels.metrics(query.text) or "up{" in query.text, query.where


def test_each_panel_has_a_place_and_a_title_of_its_own() -> None:
    found = dict(panels.dashboards())
    assert set(found) == {"overview", "connection", "machine"}
    assert len({dashboard["uid"] for dashboard in found.values()}) == len(found)
    for dashboard in found.values():
        taken: set[tuple[int, int]] = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(at["x"], at["x"] + at["w"])
                for y in range(at["y"], at["y"] + at["h"])
            }
            assert at["x"] + at["w"] <= 24
            assert not cells & taken, panel["title"]
            taken |= cells
        titles = [panel["title"] for panel in dashboard["panels"]]
        ids = [panel["id"] for panel in dashboard["panels"]]
        assert len(set(titles)) == len(titles)
        assert len(set(ids)) == len(ids)


def test_each_query_of_a_panel_is_about_the_chosen_instances() -> None:
    for name, dashboard in panels.dashboards():
        chosen_by = [
            each for each in dashboard["templating"]["list"] if each["name"] in {"job", "instance"}
        ]
        assert [(each["multi"], each["includeAll"]) for each in chosen_by] == [(True, True)] * 2
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                series = re.findall(r"\b(?:(?:teimoso|process)_[a-z_]+|up)\b(?!\()", target["expr"])
                chosen = target["expr"].count('{job=~"$job",instance=~"$instance"')
                assert len(series) == chosen > 0, f"{name}: {panel['title']}"


def test_each_recovery_is_noted_on_each_dashboard() -> None:
    for name, dashboard in panels.dashboards():
        [annotation] = dashboard["annotations"]["list"]
        assert re.search(r"teimoso_(connection_)?restarts_total", annotation["expr"]), name
        assert '{job=~"$job",instance=~"$instance"' in annotation["expr"]


def test_grafanas_linter_finds_nothing() -> None:
    linter = shutil.which("dashboard-linter")
    if linter is None:
        pytest.skip("Grafana's dashboard-linter is not installed here; docs/metrics.md says how")
    for path in panels.DASHBOARDS:
        done = subprocess.run(
            [linter, "lint", "--strict", path], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_panel_says_what_it_shows() -> None:
    for name, dashboard in panels.dashboards():
        shown = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        assert not [panel["title"] for panel in shown if not panel.get("description")], name


def test_a_panel_of_whether_something_is_so_shows_a_word() -> None:
    page = (panels.ROOT / "docs" / "metrics.md").read_text()
    whether = {"up", *re.findall(r"^\| `(\w+)` \| gauge .*\| Whether ", page, re.MULTILINE)}
    shown = [
        panel
        for _, dashboard in panels.dashboards()
        for panel in dashboard["panels"]
        if panel["type"] == "stat"
        and whether & set(re.findall(r"\w+", panel["targets"][0]["expr"]))
    ]
    assert len(shown) == len(whether)
    for panel in shown:
        [mapping] = panel["fieldConfig"]["defaults"]["mappings"]
        assert mapping["options"].keys() == {"0", "1"}, panel["title"]


def test_the_provisioning_leads_to_the_dashboards() -> None:
    provisioning = panels.GRAFANA / "provisioning"
    [source] = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text())[
        "datasources"
    ]
    assert source["type"] == "prometheus"
    [provider] = yaml.safe_load((provisioning / "dashboards" / "teimoso.yml").read_text())[
        "providers"
    ]
    assert provider["type"] == "file"
    assert provider["options"]["path"].endswith(panels.DASHBOARDS[0].parent.name)

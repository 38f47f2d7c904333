"""The gallery in a real browser: what it shows, hides and enlarges, and that it can be used without eyes or mouse."""

import json
import subprocess
from html import unescape
from importlib.util import find_spec
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from browsing import BROWSER

from radarlib.errors import UserError
from radarlib.files import write_json
from study.gallery import gallery

in_a_browser = pytest.mark.skipif(not BROWSER, reason="no Chromium on this machine")

CLAIMS = pd.DataFrame(
    [
        ("RADAR is best", "RADAR, Table II", "experiment of ours", "holds", "radar_table2_detection"),
        ("Simplex noise is <best>", "noise study, §6", "experiment of ours", "fails", "noise_fig1_chains"),
        ("MVTec AD has 6,612 images", "noise study, §5.1", "the paper against itself", "fails", "data/paper/x.csv"),
    ],
    columns=["claim", "where", "kind", "verdict", "exhibit"],
)


@pytest.fixture
def page(tmp_path) -> Path:
    folder = tmp_path / "figures/tiny"
    folder.mkdir(parents=True)
    CLAIMS.to_csv(folder / "claims.csv", index=False)
    (folder / "radar_table2_detection.md").write_text("Detection.\n\n| set | f1 |\n|:--|:--|\n| prints | 0.79 |\n")
    pd.DataFrame({"set": ["prints"], "method": ["radar"]}).to_csv(folder / "radar_table2_detection.csv", index=False)
    fig, _ = plt.subplots(figsize=(2, 1))
    fig.savefig(folder / "noise_fig1_chains.png")
    plt.close(fig)
    pd.DataFrame({"label": ["PaDiM"], "method": ["nobody's"]}).to_csv(folder / "noise_fig1_chains.csv", index=False)
    names = ["claims", "radar_table2_detection", "noise_fig1_chains"]
    for name in names:
        facts = {
            "caption": f"Of {name} & more",
            "sets": ["tiles"] if "noise" in name else ["prints"],
            "settings": {"t": 1},
        }
        write_json(folder / f"{name}.provenance.json", {**facts, "inputs": {"a.npz": "0" * 64}, "commit": "abc1234def"})
    gallery(folder, names, tmp_path / "gallery.html")
    return tmp_path / "gallery.html"


def browsed(page: Path, script: str) -> object:
    """What a script gives that runs on the loaded page."""
    run = f"<script>addEventListener('load', async () => {{ const found = await (async () => {{ {script} }})();"
    run += "document.body.innerHTML = '<pre id=found></pre>';"
    run += "document.getElementById('found').textContent = JSON.stringify(found); });</script></body>"
    other = page.with_name("browsed.html")
    other.write_text(page.read_text().replace("</body>", run))
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=60000", "--dump-dom"]
    done = subprocess.run([str(BROWSER), *options, other.as_uri()], capture_output=True, text=True, timeout=120)
    return json.loads(unescape(done.stdout.split('<pre id="found">')[1].split("</pre>")[0]))


SHOWN = "const shown = () => exhibits.filter(e => !e.hidden).map(e => e.id);"
TELL = "const tell = (e, kind) => e.dispatchEvent(new Event(kind, {bubbles: true}));"


def test_the_page_has_every_exhibit_escaped_and_loads_nothing(page):
    text = page.read_text()
    assert text.count('<section class="exhibit"') == 3 and "Of claims &amp; more" in text
    assert "Simplex noise is &lt;best&gt;" in text and "0.79</td>" in text
    assert "http" not in text.replace("https://", "http://").replace("http://www.w3.org", "")
    assert text.count('"t": 1') + text.count("&#34;t&#34;: 1") == 1  # the same settings stand once


def test_a_missing_exhibit_is_named(tmp_path):
    with pytest.raises(UserError, match=r"systems\.provenance\.json: missing; run the workflow"):
        gallery(tmp_path, ["systems"], tmp_path / "gallery.html")


@in_a_browser
def test_search_and_filters_hide_what_does_not_fit(page):
    script = f"""{SHOWN} {TELL} const found = [];
        search.value = '0.79 MORE'; tell(search, 'input'); found.push(shown());
        search.value = ''; const by = document.getElementById('by-method');
        found.push([...by.options].map(o => o.text));
        by.value = 'PaDiM'; tell(by, 'input'); found.push(shown(), document.getElementById('count').textContent);
        by.value = ''; const set = document.getElementById('by-set'); set.value = 'prints'; tell(set, 'input');
        found.push(shown()); return found;"""
    searched, methods, method, count, by_set = browsed(page, script)
    assert searched == ["radar_table2_detection"]
    assert methods == ["all", "PaDiM", "RADAR"] and method == ["noise_fig1_chains"] and count == "1 of 3 shown"
    assert by_set == ["claims", "radar_table2_detection"]


@in_a_browser
def test_a_link_leads_to_what_a_filter_hides(page):
    script = f"""{SHOWN} {TELL} search.value = 'nothing has this'; tell(search, 'input'); const none = shown();
        location.hash = '#noise_fig1_chains'; await new Promise(r => setTimeout(r, 100)); const after = shown();
        search.value = 'nothing has this'; tell(search, 'input');
        all('a[href="#noise_fig1_chains"]')[0].click(); return [none, after, shown()];"""
    none, after, again = browsed(page, script)
    assert none == [] and len(after) == len(again) == 3


@in_a_browser
def test_the_ledger_is_filtered_by_verdict_and_leads_to_exhibits(page):
    script = f"""{TELL} const rows = () => all('tbody tr', ledger).filter(r => !r.hidden).length;
        const box = all('fieldset input').find(i => i.value == 'fails'); box.checked = false; tell(box, 'change');
        const some = rows(); document.querySelector('[type=reset]').click();
        return [some, rows(), all('tbody a', ledger).map(a => a.getAttribute('href'))];"""
    assert browsed(page, script) == [1, 3, ["#radar_table2_detection", "#noise_fig1_chains"]]


@in_a_browser
def test_a_figure_is_enlarged_the_page_is_dark_and_a_key_leads_to_the_search(page):
    script = """document.querySelector('.zoom').click(); const open = large.open, small = picture.className;
        size.click(); const full = picture.className; document.getElementById('close').click();
        const before = root.classList.contains('dark'); theme.click();
        dispatchEvent(new KeyboardEvent('keydown', {key: '/'}));
        return [open, small, full, large.open, before != root.classList.contains('dark'), document.activeElement.id];"""
    assert browsed(page, script) == [True, "fit", "", False, True, "search"]


@in_a_browser
@pytest.mark.skipif(find_spec("axe_core_python") is None, reason="axe-core is not installed")
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(page, theme):
    where = find_spec("axe_core_python")
    assert where is not None and where.origin is not None
    axe = Path(where.origin).with_name("axe.min.js").read_text()
    page.write_text(page.read_text().replace("</body>", f"<script>{axe}</script></body>"))
    script = f"""dark({json.dumps(theme == "dark")}); all('details').forEach(d => d.open = true);
        return (await axe.run()).violations.map(v => v.id + ': ' + v.nodes[0].html);"""
    assert browsed(page, script) == []

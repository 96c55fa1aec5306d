"""Items of filings with edgartools: for each FILE (NUMBER.FORM.html) writes NUMBER.FORM.json, an object of
item -> text (10-Q: I.2, II.1A). Usage: filing_items.py FILE ..."""
import json
import logging
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from edgar.company_reports.ten_k import TenK  # noqa: E402
from edgar.company_reports.ten_q import TenQ  # noqa: E402

ANNUAL = ["1", "1A", "1B", "1C", "2", "3", "4", "5", "6", "7", "7A", "8", "9", "9A", "9B", "9C",
          "10", "11", "12", "13", "14", "15", "16"]
QUARTERLY = [("I", n) for n in ["1", "2", "3", "4"]] + [("II", n) for n in ["1", "1A", "2", "3", "4", "5", "6"]]


class LoneFiling:
    """A filing of one file, without network."""

    accession_number = "0000000000-00-000000"
    base_dir = ""
    attachments = ()
    company = ""
    filing_date = ""

    def __init__(self, html, form):
        self.form = form
        self._html = html

    def html(self):
        return self._html

    def text(self):
        return self._html


def items(path):
    html = path.read_text(encoding="utf-8", errors="replace")
    if "10-Q" in path.name:
        report = TenQ(LoneFiling(html, "10-Q"))
        names = {f"{part}.{number}": f"Part {part}, Item {number}" for part, number in QUARTERLY}
    else:
        report = TenK(LoneFiling(html, "10-K"))
        names = {number: f"Item {number}" for number in ANNUAL}
    found = {}
    for item, name in names.items():
        try:
            text = report[name]
        except Exception:
            continue
        if text:
            found[item] = str(text)
    return found


if __name__ == "__main__":
    for name in sys.argv[1:]:
        path = pathlib.Path(name)
        try:
            found = items(path)
        except Exception:
            found = {}
        path.with_suffix(".json").write_text(json.dumps(found))

#!/usr/bin/env python3
"""Makes members/sp500.csv: who was in the S&P 500, under which ticker and CIK, on which days.

    scripts/sp500_members.py DATA        (DATA has the folders sp500 and company-sectors)

The spells of membership name tickers alone. A CIK comes from, in this order:

1. members/reviewed.tsv, decisions by hand: a CIK (one more with `+`), `as:TICKER` for a company that was
   renamed, `-` where the lists have another company;
2. for members of today, the list of constituents, which has CIKs; then sp500_CIKS.csv;
3. the list of companies, where one company alone has the ticker; then sp500_CIKS.csv.

Spells without a CIK go to members/sp500-without-cik.csv. The same lists give the same bytes.
"""

import csv
import sys
from pathlib import Path

MEMBERS = Path(__file__).resolve().parent.parent / "members"


def rows(path, delimiter=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def spells_of(data):
    """(ticker, first day, last day or empty), with the changes that came after the list was made."""
    listed = rows(data / "sp500" / "sp500_ticker_start_end.csv")
    spells = [(row["ticker"], row["start_date"], row["end_date"]) for row in listed]
    latest = max(max(start, end) for _, start, end in spells)
    for change in rows(data / "sp500" / "sp500_changes_since_2019.csv"):
        day = change["date"]
        if day <= latest:
            continue
        removed = {ticker.strip() for ticker in change["remove"].split(",") if ticker.strip()}
        spells = [
            (ticker, start, day if not end and ticker in removed else end) for ticker, start, end in spells
        ]
        added = {ticker.strip() for ticker in change["add"].split(",") if ticker.strip()}
        spells += [(ticker, day, "") for ticker in sorted(added)]
    return sorted(spells)


class Lists:
    """The CIKs that each list has for a ticker."""

    def __init__(self, data):
        constituents = rows(data / "sp500" / "constituents.csv")
        self.constituents = {row["Symbol"]: int(row["CIK"]) for row in constituents}
        self.members = {row["Ticker"]: int(row["CIK"]) for row in rows(data / "sp500" / "sp500_CIKS.csv")}
        self.companies = {}
        for row in rows(data / "company-sectors" / "companies.tsv", "\t"):
            if row["ticker"]:
                self.companies.setdefault(row["ticker"], set()).add(int(row["cik"]))

    def company(self, ticker):
        """The one company that has the ticker."""
        companies = self.companies.get(ticker, set())
        return next(iter(companies)) if len(companies) == 1 else None

    def find(self, ticker, is_member):
        """A CIK and the list that has it, or nothing."""
        found = [("constituents", self.constituents.get(ticker)), ("sp500_CIKS", self.members.get(ticker))]
        if not is_member:
            found = [("companies", self.company(ticker)), found[1]]
        else:
            found.append(("companies", self.company(ticker)))
        return next(((cik, source) for source, cik in found if cik), None)


def decisions(path):
    """Decisions by ticker and first day of a spell; an empty day is every spell of the ticker."""
    decided = {}
    for row in rows(path, "\t"):
        decided.setdefault((row["ticker"], row["start_date"]), []).append(row)
    return decided


def members_of(spell, lists, decided):
    """(cik, ticker, first day, last day, source) of a spell; without any it is a gap."""
    ticker, start, end = spell
    reviewed = decided.get((ticker, start), []) + decided.get((ticker, ""), [])
    found, replaced = [], False
    for row in reviewed:
        cik, days = row["cik"], (row["from"] or start, row["to"] or end)
        if cik.startswith("+"):
            found.append((int(cik[1:]), ticker, *days, "reviewed"))
            continue
        replaced = True
        if cik.startswith("as:"):
            as_today = lists.find(cik[3:], True)
            if as_today:
                found.append((as_today[0], ticker, *days, "renamed, " + as_today[1]))
        elif cik != "-":
            found.append((int(cik), ticker, *days, "reviewed"))
    if not replaced:
        listed = lists.find(ticker, not end)
        if listed:
            found.append((listed[0], ticker, start, end, listed[1]))
    return sorted(set(found))


def write(path, header, lines):
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(lines)


def main():
    data = Path(sys.argv[1])
    lists, decided = Lists(data), decisions(MEMBERS / "reviewed.tsv")
    members, gaps = [], []
    for ticker, start, end in spells_of(data):
        found = members_of((ticker, start, end), lists, decided)
        members += found
        if not found:
            reviewed = decided.get((ticker, start), []) + decided.get((ticker, ""), [])
            notes = "; ".join(row["note"] for row in reviewed) or "no list has a company with this ticker"
            gaps.append((ticker, start, end, notes))
    members.sort(key=lambda row: (row[1], row[2], row[0]))
    columns = ["ticker", "start_date", "end_date"]
    write(MEMBERS / "sp500.csv", ["cik", *columns, "source"], [(f"{row[0]:010}", *row[1:]) for row in members])
    write(MEMBERS / "sp500-without-cik.csv", [*columns, "note"], gaps)
    print(f"{len(members)} rows, {len(gaps)} spells without a CIK")


if __name__ == "__main__":
    main()

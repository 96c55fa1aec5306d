//! Filings and wiki dumps to documents to shards.

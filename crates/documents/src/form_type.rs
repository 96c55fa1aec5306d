//! Form types as EDGAR writes them, and which of them this corpus reads. It does not look at text.

/// Annual and quarterly reports, without the `/A` of an amendment.
const PERIODIC_REPORTS: [&str; 14] = [
    "10-K", "10-K405", "10-KSB", "10-KSB40", "10-KT", "10-KT405", "10-K405T", "10-KTSB", "10-Q", "10-QSB",
    "10-QT", "10-QTSB", "10-KD", "10-QSBT",
];

/// The reports whose items are numbered alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// 10-K and its variants.
    Annual,
    /// 10-KSB and its variants.
    SmallAnnual,
    /// 10-Q and 10-QSB.
    Quarterly,
}

impl ReportKind {
    /// The kind of a form, amended or not; none of any that is no annual or quarterly report.
    pub fn of(form: &str) -> Option<Self> {
        match without_amendment(form) {
            "10-KTSB" => Some(Self::SmallAnnual),
            form if form.starts_with("10-KSB") => Some(Self::SmallAnnual),
            form if form.starts_with("10-K") => Some(Self::Annual),
            form if form.starts_with("10-Q") => Some(Self::Quarterly),
            _ => None,
        }
    }
}

/// Whether the form is an annual or quarterly report (any variant, any amendment).
pub fn is_periodic_report(form: &str) -> bool {
    PERIODIC_REPORTS.contains(&without_amendment(form))
}

/// The form without `/A`, `/A1` and the like.
pub fn without_amendment(form: &str) -> &str {
    form.split_once("/A").map_or(form, |(base, _)| base)
}

/// A form type as EDGAR writes it: upper case, one line, `FORM` in front removed.
pub fn normalize(form: &str) -> String {
    let form = normalize_dashes(&crate::clean_line::one_line(form)).to_ascii_uppercase();
    let form = form.strip_prefix("FORM ").unwrap_or(&form);
    // Covers write "10K" now and then.
    match form.strip_prefix("10") {
        Some(rest) if rest.starts_with(['K', 'Q']) => format!("10-{rest}"),
        _ => form.to_owned(),
    }
}

/// Every kind of hyphen and dash as `-`.
pub fn normalize_dashes(text: &str) -> String {
    text.replace(['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}'], "-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amendments_and_variants_are_periodic_reports_and_nothing_else_is() {
        for form in [
            "10-K",
            "10-K/A",
            "10-K405/A",
            "10-KSB",
            "10-QSB/A",
            "10-KT",
            "10-Q",
        ] {
            assert!(is_periodic_report(form), "{form}");
        }
        for form in [
            "8-K", "NT 10-K", "10-12G", "10-C", "S-1/A", "", "10-KX", "11-K", "20-F",
        ] {
            assert!(!is_periodic_report(form), "{form}");
        }
        assert_eq!(normalize(" form 10\u{2011}k "), "10-K");
    }
}

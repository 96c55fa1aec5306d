//! Behavior switches (`__NOTOC__`): the words between double underscores that `MediaWiki` takes
//! for its own, in the languages of its large wikis. Any other such word is text (`__FILE__`).

use super::work::looks_at;

/// A longer word is no switch.
const MAX_WORD_BYTES: usize = 80;

/// The words in upper case.
const SWITCHES: &[&str] = &[
    // Every wiki knows these.
    "NOTOC",
    "FORCETOC",
    "TOC",
    "NOEDITSECTION",
    "NEWSECTIONLINK",
    "NONEWSECTIONLINK",
    "NOGALLERY",
    "HIDDENCAT",
    "EXPECTUNUSEDCATEGORY",
    "EXPECTUNUSEDTEMPLATE",
    "EXPECTEDUNCATEGORIZED",
    "NOCONTENTCONVERT",
    "NOCC",
    "NOTITLECONVERT",
    "NOTC",
    "START",
    "END",
    "INDEX",
    "NOINDEX",
    "STATICREDIRECT",
    "NOGLOBAL",
    "DISAMBIG",
    "ARCHIVEDTALK",
    "NOTALK",
    // German.
    "KEIN_INHALTSVERZEICHNIS",
    "KEININHALTSVERZEICHNIS",
    "INHALTSVERZEICHNIS_ERZWINGEN",
    "INHALTSVERZEICHNIS",
    "KEINE_GALERIE",
    "KEINEGALERIE",
    "ABSCHNITTE_NICHT_BEARBEITEN",
    "VERSTECKTE_KATEGORIE",
    "INDEXIEREN",
    "NICHT_INDEXIEREN",
    // French.
    "AUCUNSOMMAIRE",
    "AUCUNETDM",
    "FORCERSOMMAIRE",
    "FORCERTDM",
    "SOMMAIRE",
    "TDM",
    "AUCUNEGALERIE",
    "SECTIONNONEDITABLE",
    "CATCACHEE",
    // Spanish, Portuguese, Italian, Catalan.
    "NOTDC",
    "NO_TDC",
    "FORZARTDC",
    "FORZAR_TDC",
    "TDC",
    "NOEDITARSECCION",
    "NO_EDITAR_SECCIÓN",
    "SEMTDC",
    "SEMSUMARIO",
    "FORCARTDC",
    "FORÇARSUMARIO",
    "SUMARIO",
    "NAOEDITARSECAO",
    "NOINDICE",
    "FORZAINDICE",
    "INDICE",
    // Dutch, Swedish, Danish, Norwegian.
    "GEENINHOUD",
    "INHOUD_DWINGEN",
    "FORCEERINHOUD",
    "INHOUD",
    "NIETBEWERKBARESECTIE",
    "INGENINNEHÅLLSFÖRTECKNING",
    "ALLTIDINNEHÅLLSFÖRTECKNING",
    "INNEHÅLLSFÖRTECKNING",
    "INTEREDIGERASEKTION",
    "INGENINDHOLDSFORTEGNELSE",
    "INGENINNHOLDSFORTEGNELSE",
    // Polish, Czech, Hungarian, Turkish.
    "BEZSPISU",
    "ZESPISEM",
    "SPIS",
    "BEZEDYCJISEKCJI",
    "BEZOBSAHU",
    "VŽDYOBSAH",
    "OBSAH",
    "NINCSTARTALOMJEGYZÉK",
    "LEGYENTARTALOMJEGYZÉK",
    "TARTALOMJEGYZÉK",
    "İÇİNDEKİLERYOK",
    "İÇİNDEKİLER",
    // Russian, Ukrainian, Bulgarian, Serbian.
    "БЕЗ_ОГЛАВЛЕНИЯ",
    "БЕЗ_ОГЛ",
    "ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ",
    "ОБЯЗ_ОГЛ",
    "ОГЛАВЛЕНИЕ",
    "ОГЛ",
    "БЕЗ_ГАЛЕРЕИ",
    "БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА",
    "СКРЫТАЯ_КАТЕГОРИЯ",
    "БЕЗ_ЗМІСТУ",
    "ОБОВ_ЗМІСТ",
    "ЗМІСТ",
    "БЕЗСЪДЪРЖАНИЕ",
    "СЪСЪДЪРЖАНИЕ",
    "СЪДЪРЖАНИЕ",
    "БЕЗГАЛЕРИЯ",
    "БЕЗ_РЕДАКТИРАНЕ_НА_РАЗДЕЛИ",
    "БЕЗСАДРЖАЈА",
    "САДРЖАЈ",
    // Arabic, Persian, Hebrew, Chinese, Japanese, Korean.
    "لافهرس",
    "فهرس",
    "بی‌فهرست",
    "فهرست",
    "ללא_תוכן_עניינים",
    "ללא_תוכן",
    "חייב_תוכן_עניינים",
    "תוכן_עניינים",
    "תוכן",
    "无目录",
    "無目錄",
    "强制目录",
    "目录",
    "目錄",
    "目次非表示",
    "目次強制",
    "目次",
    "목차숨김",
    "목차보임",
    "목차",
];

/// The text without switches.
pub(super) fn without_switches(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("__") {
        out.push_str(&rest[..at]);
        let word = &rest[at + 2..];
        let length = switch_length(word);
        looks_at(at + 2);
        rest = if let Some(length) = length {
            &word[length + 2..]
        } else {
            // One of three underscores may begin the word.
            out.push('_');
            &rest[at + 1..]
        };
    }
    out.push_str(rest);
    out
}

/// The length of the switch that begins `text` and ends in two underscores.
fn switch_length(text: &str) -> Option<usize> {
    let mut window = text.len().min(MAX_WORD_BYTES);
    while !text.is_char_boundary(window) {
        window -= 1;
    }
    let length = text[..window].find("__");
    looks_at(length.unwrap_or(window));
    let length = length?;
    let word = text[..length].to_uppercase();
    SWITCHES.contains(&word.as_str()).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_of_mediawiki_vanish() {
        for (text, expected) in [
            ("a__NOTOC__b", "ab"),
            ("__notoc__ __БЕЗ_ОГЛ__", " "),
            ("__LINE__ __init__ __A__TOC__ ___TOC__", "__LINE__ __init__ __A _"),
            ("__", "__"),
            ("x____y", "x____y"),
        ] {
            assert_eq!(without_switches(text), expected);
        }
    }
}

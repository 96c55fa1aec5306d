//! Pages that only point to another: by what they begin with, in any language.

/// The words behind `#`, in lower case, as the wikis of many languages have them; `redirect` is
/// known to all.
const WORDS: &[&str] = &[
    "redirect",
    "aanstuur",
    "adkas",
    "ail-cyfeirio",
    "ailgyfeirio",
    "alidirekto",
    "alidirektu",
    "alih",
    "athsheoladh",
    "birzuzendu",
    "doorverwiezing",
    "doorverwijzing",
    "elekeza",
    "lencong",
    "ohjaus",
    "omdirigering",
    "omdiriger",
    "patrz",
    "peradresavimas",
    "preusmeri",
    "preusmeritev",
    "preusmjeri",
    "preusmjerenje",
    "presmeruj",
    "přesměruj",
    "przekieruj",
    "pusapuy",
    "pāradresācija",
    "redirección",
    "redireccion",
    "redirecció",
    "redirecionamento",
    "redirecteaza",
    "redirection",
    "ridrejto",
    "rimando",
    "rinvia",
    "rinvio",
    "rindirizza",
    "suuna",
    "tam",
    "tilvísun",
    "uudelleenohjaus",
    "varda",
    "viruleeden",
    "weiterleitung",
    "wiederleiden",
    "yoʻnaltirish",
    "yönlendir",
    "yönlendirme",
    "yönləndir",
    "istiqamətləndirmə",
    "átirányítás",
    "đổi",
    "đổihướng",
    "ανακατευθυνση",
    "ανακατεύθυνση",
    "айдау",
    "айдоо",
    "види",
    "виж",
    "перанакіраванне",
    "перанакіраваньне",
    "перенапр",
    "перенаправление",
    "перенаправлення",
    "преусмери",
    "преусмјери",
    "пренасочване",
    "пренасочување",
    "юнәлтү",
    "վերահղում",
    "გადამისამართება",
    "הפניה",
    "ווייטערפירן",
    "تحويل",
    "تغییر_مسیر",
    "تغییرمسیر",
    "رجوع_مکرر",
    "ڕەوانەکردن",
    "अनुप्रेषित",
    "पुनर्प्रेषित",
    "पुनर्निर्देशन",
    "পুনঃনির্দেশ",
    "পুনর্নির্দেশ",
    "ਰੀਡਿਰੈਕਟ",
    "வழிமாற்று",
    "దారిమార్పు",
    "ಪುನರ್ನಿರ್ದೇಶನ",
    "തിരിച്ചുവിടുക",
    "යළියොමුව",
    "เปลี่ยนทาง",
    "បញ្ជូនបន្ត",
    "ប្ដូរទីតាំងទៅ",
    "넘겨주기",
    "転送",
    "リダイレクト",
    "重定向",
    "重新導向",
    "重新定向",
];

/// A longer word is none.
const MAX_WORD_BYTES: usize = 80;

/// Whether a page's text only points to another page: its first word is one of those, or the whole
/// page is one word of any language and a link (`#WORT [[Ziel]]`).
pub(super) fn is_redirect(wikitext: &str) -> bool {
    let start = wikitext.trim_start_matches(|letter: char| letter.is_whitespace() || letter == '\u{feff}');
    let Some(rest) = start.strip_prefix(['#', '＃']) else {
        return false;
    };
    let mut window = rest.len().min(MAX_WORD_BYTES);
    while !rest.is_char_boundary(window) {
        window -= 1;
    }
    let length = rest[..window]
        .find(|letter: char| letter.is_whitespace() || matches!(letter, '[' | ':'))
        .unwrap_or(window);
    // Dotted capital I has a lower case of two characters.
    let word = rest[..length].to_lowercase().replace('\u{307}', "");
    let behind = rest[length..].trim_start_matches(|letter: char| letter.is_whitespace() || letter == ':');
    let is_known = WORDS.contains(&word.as_str());
    (is_known && (word == "redirect" || behind.starts_with("[["))) || is_word_and_link(&word, behind)
}

/// A list of one item that is nothing but a word and a link is no article.
fn is_word_and_link(word: &str, behind: &str) -> bool {
    let is_word = !word.is_empty()
        && word
            .chars()
            .all(|letter| !letter.is_ascii_punctuation() || "-_'".contains(letter));
    let link = behind
        .trim_end()
        .strip_prefix("[[")
        .and_then(|link| link.strip_suffix("]]"));
    is_word && link.is_some_and(|link| !link.contains(['[', ']', '\n', '{', '<']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_are_known_in_every_language() {
        for text in [
            "#REDIRECT [[Oak]]",
            "#redirect: [[Oak]] {{R from move}}",
            "#REDIRECT Oak",
            " \n#WEITERLEITUNG[[Eiche]]",
            "#REDIRECCIÓN [[Roble]]",
            "#перенаправление [[Дуб]]\n[[Категория:Дубы]]",
            "#виж [[Дъб]]",
            "#YÖNLENDİRME [[Meşe]]",
            "#YÖNLENDİR [[Meşe]]",
            "#تحويل [[بلوط]]",
            "#重定向 [[栎]]",
            "＃転送 [[オーク]]",
            "#넘겨주기 [[참나무]]",
            "#ΑΝΑΚΑΤΕΥΘΥΝΣΗ [[Δρυς]]",
            "#UNBEKANNT [[Eiche]]",
        ] {
            assert!(is_redirect(text), "{text}");
        }
    }

    #[test]
    fn a_list_is_no_redirect() {
        for text in [
            "# one [[Oak]]",
            "#one [[Oak]]\n#two [[Ash]]",
            "#tam is a word",
            "#viž",
            "",
            "#",
            "#see [[Oak]] and [[Ash]]",
            "Oak #REDIRECT [[Ash]]",
        ] {
            assert!(!is_redirect(text), "{text}");
        }
    }
}

//! An invented company: its names, places, officers, products and identifiers, all drawn from
//! (seed, number of the company).

use super::draw::Draw;
use super::topics::{TOPICS, Topic};
use super::words;

const HEADS: [&str; 36] = [
    "Bal", "Cor", "Dren", "El", "Far", "Gal", "Har", "Il", "Jor", "Kel", "Lan", "Mer", "Nor", "Or", "Pel",
    "Quin", "Ros", "Sel", "Tor", "Ul", "Ver", "Wes", "Yar", "Zan", "Bran", "Cal", "Dov", "Est", "Fen",
    "Grim", "Hol", "Kar", "Lum", "Mar", "Tam", "Vin",
];
const MIDDLES: [&str; 24] = [
    "a", "en", "i", "or", "al", "e", "in", "o", "an", "u", "er", "is", "on", "ar", "el", "id", "om", "ur",
    "as", "et", "ol", "um", "ev", "ad",
];
const TAILS: [&str; 30] = [
    "dale", "ton", "vex", "mont", "lis", "ford", "wick", "tra", "dor", "nia", "mere", "stead", "gate",
    "field", "rix", "borne", "well", "tech", "lane", "ville", "mark", "burg", "ham", "ley", "shaw", "worth",
    "combe", "ridge", "hurst", "more",
];
const TITLES: [&str; 4] = [
    "Chief Executive Officer",
    "Chief Financial Officer",
    "General Counsel",
    "Chief Operating Officer",
];
/// State code, state name and the telephone area that goes with it.
const STATES: [(&str, &str, &str); 12] = [
    ("OH", "Ohio", "614"),
    ("TX", "Texas", "713"),
    ("CA", "California", "408"),
    ("NY", "New York", "212"),
    ("IL", "Illinois", "312"),
    ("PA", "Pennsylvania", "412"),
    ("GA", "Georgia", "404"),
    ("WA", "Washington", "206"),
    ("MN", "Minnesota", "612"),
    ("CO", "Colorado", "303"),
    ("NC", "North Carolina", "704"),
    ("MA", "Massachusetts", "617"),
];
/// Month and last day of a fiscal year, and the month's name.
const YEAR_ENDS: [(i8, i8, &str); 4] = [
    (12, 31, "December"),
    (6, 30, "June"),
    (9, 30, "September"),
    (3, 31, "March"),
];

/// A person in an invented filing.
#[derive(Debug, Clone)]
pub(super) struct Officer {
    pub(super) name: String,
    pub(super) title: &'static str,
    pub(super) age: i64,
}

/// An invented filer.
#[derive(Debug, Clone)]
pub(super) struct Company {
    pub(super) index: u64,
    pub(super) name: String,
    pub(super) short_name: String,
    pub(super) ticker: String,
    pub(super) cik: u64,
    pub(super) topic: &'static Topic,
    pub(super) city: String,
    pub(super) street: String,
    pub(super) zip: i64,
    pub(super) phone: String,
    pub(super) state: (&'static str, &'static str, &'static str),
    pub(super) founded: i64,
    pub(super) year_end: (i8, i8, &'static str),
    pub(super) segments: Vec<String>,
    pub(super) products: Vec<String>,
    pub(super) sites: Vec<(String, String)>,
    pub(super) officers: Vec<Officer>,
    pub(super) auditor: String,
    pub(super) competitor: String,
    pub(super) irs_number: String,
    pub(super) file_number: String,
}

/// A pronounceable invented name.
pub(super) fn invented_name(draw: &mut Draw) -> String {
    let middle = if draw.chance(60) { *draw.pick(&MIDDLES) } else { "" };
    format!("{}{middle}{}", draw.pick(&HEADS), draw.pick(&TAILS))
}

fn person(draw: &mut Draw) -> String {
    let initial = char::from(b'A' + u8::try_from(draw.below(26)).expect("below 26"));
    let first = format!("{}{}", draw.pick(&HEADS), draw.pick(&MIDDLES));
    format!("{first} {initial}. {}", invented_name(draw))
}

impl Company {
    /// Company number `index` of the sample made with `seed`.
    pub(super) fn new(seed: u64, index: u64) -> Self {
        let mut draw = Draw::new(seed, "company", index);
        let topic = &TOPICS[usize::try_from(index % 12).expect("below 12")];
        let stem = invented_name(&mut draw);
        let legal_form = *draw.pick(&["Inc.", "Corporation", "Company", "Group, Inc."]);
        let state = *draw.pick(&STATES);
        let titles = TITLES.iter().map(|title| Officer {
            name: person(&mut draw),
            title,
            age: draw.between(41, 69),
        });
        let officers: Vec<Officer> = titles.collect();
        let num_segments = 2 + draw.below(3);
        let segments = words::items(topic.segments)
            .into_iter()
            .take(num_segments)
            .collect();
        let products = draw
            .shuffled(&words::items(topic.products))
            .into_iter()
            .take(5)
            .collect();
        let sites = draw.shuffled(&words::items(topic.sites)).into_iter().take(4);
        let sites = sites.map(|site| (site, invented_name(&mut draw))).collect();
        let ticker: String = stem
            .chars()
            .filter(|letter| !"aeiou".contains(*letter))
            .take(4)
            .collect();
        Self {
            index,
            name: format!("{stem} {} {legal_form}", topic.suffix),
            ticker: ticker.to_uppercase(),
            short_name: stem,
            cik: 9_000_001 + index * 37,
            topic,
            city: invented_name(&mut draw),
            street: format!(
                "{} {} {}",
                draw.between(1, 99) * 50,
                invented_name(&mut draw),
                draw.pick(&["Avenue", "Street", "Parkway", "Drive"])
            ),
            zip: draw.between(10_000, 99_000),
            phone: format!("({}) 555-{:04}", state.2, draw.below(10_000)),
            state,
            founded: draw.between(1891, 1988),
            year_end: *draw.pick_early(&YEAR_ENDS),
            segments,
            products,
            sites,
            officers,
            auditor: format!("{} & {} LLP", invented_name(&mut draw), invented_name(&mut draw)),
            competitor: format!("{} {}", invented_name(&mut draw), topic.suffix),
            irs_number: format!("{:02}-{:07}", draw.between(11, 98), draw.below(10_000_000)),
            file_number: format!("001-{:05}", draw.below(100_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn companies_repeat_by_seed_and_have_names_of_their_own() {
        assert_eq!(Company::new(3, 5).name, Company::new(3, 5).name);
        let names: BTreeSet<String> = (0..60).map(|index| Company::new(1, index).name).collect();
        assert!(names.len() > 57, "{}", names.len());
    }
}

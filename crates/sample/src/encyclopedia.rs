//! The invented encyclopedia: articles in wikitext with templates, tables, references and links.

use std::fmt::Write as _;

use super::company::invented_name;
use super::draw::Draw;
use super::prose::{Drawn, Lexicon, Prose, capitalized};
use super::words;

/// A kind of article, with words of its own.
struct Kind {
    name: &'static str,
    infobox: &'static str,
    category: &'static str,
    lists: [(&'static str, &'static str); 4],
    lead: &'static str,
    frames: &'static [&'static str],
}

const KINDS: [Kind; 5] = [
    Kind {
        name: "river",
        infobox: "Infobox river",
        category: "Rivers of Invented Lands",
        lists: [
            (
                "feature",
                "gorge floodplain estuary waterfall meander delta headwater reservoir oxbow_lake sandbar canyon spring",
            ),
            (
                "creature",
                "otters herons trout kingfishers eels beavers pike dragonflies salmon turtles",
            ),
            (
                "deed",
                "dammed bridged dredged diverted surveyed navigated polluted restored channelled fished",
            ),
            (
                "crop",
                "barley rice orchards vineyards willow_groves pastures hops sugar_beet",
            ),
        ],
        lead: "The '''{title}''' is a river in the [[{region}]] region, {number} [[kilometre]]s long. It rises near [[{place.a}]] and flows past [[{place.b}|the town of {place.b}]] to the sea.<ref>{{cite book |title=Rivers of {region} |year={year}}}</ref>",
        frames: &[
            "Below [[{place.a}]] the {title} forms {a:feature.f}. The {feature.f} is known for its {creature.c}, and {creature.c} are ''still'' seen there in spring.",
            "The {title} was {deed.d} in {year} and again {deed.d} in {year}, after floods had ruined the {crop.c} near {place.a}. Today the {crop.c} are irrigated from the river.",
            "Along the {feature.f}, {creature.c} feed on insects. A survey of the {feature.f} counted {number} {creature.c} in {year}.<ref name=\"survey\" />",
        ],
    },
    Kind {
        name: "town",
        infobox: "Infobox settlement",
        category: "Invented towns",
        lists: [
            (
                "building",
                "cathedral town_hall market_square lighthouse railway_station granary city_wall monastery theatre clock_tower",
            ),
            (
                "trade",
                "weaving shipbuilding glassmaking brewing tanning printing clockmaking pottery coopering papermaking",
            ),
            (
                "deed",
                "besieged rebuilt incorporated fortified evacuated annexed electrified burned twinned",
            ),
            (
                "official",
                "mayor bishop magistrate alderman sheriff schoolmaster constable abbot",
            ),
        ],
        lead: "'''{title}''' is a town in the [[{region}]] region with a population of {number},{three}. It lies on the [[{place.a} River|{place.a}]] and is known for {trade}.{{citation needed|date=May {year}}}",
        frames: &[
            "The {building.b} of {title} was built in {year} by the {official.o}. When the town was {deed}, the {official.o} had the {building.b} locked and the bells taken down.",
            "{trade.t!} came to {title} in the {ordinal} century. Guilds of {trade.t} met in the {building}, and [[{trade.t}]] employed {number} families by {year}.",
            "In {year} the town was {deed.d} by the people of [[{place.a}]]. It was {deed.d} a second time {tens} years later, but the {building} was spared.",
        ],
    },
    Kind {
        name: "mineral",
        infobox: "Infobox mineral",
        category: "Invented minerals",
        lists: [
            (
                "colour",
                "crimson amber emerald violet turquoise ochre ivory charcoal azure russet",
            ),
            (
                "rock",
                "granite basalt schist marble gneiss dolerite pegmatite sandstone serpentinite limestone",
            ),
            (
                "deed",
                "polished powdered smelted carved heated leached assayed quarried faceted ground",
            ),
            (
                "habit",
                "prismatic fibrous tabular dendritic botryoidal acicular massive granular cubic hexagonal",
            ),
        ],
        lead: "'''{title}ite''' is a {colour.c} mineral found in [[{rock.r}]] near [[{place.a}]]. Its crystals are {habit.h}, with a hardness of {small}.<ref>{{cite journal |last={place} |title=On {title}ite |year={year}}}</ref>",
        frames: &[
            "Crystals of {title}ite are {habit.h} in {rock.r} and turn {colour.c} when {deed.d}. Once {deed.d}, the {colour.c} tone does not fade.",
            "The mineral was first {deed} in {year} at a quarry of {rock.r} near {place.a}. The {rock.r} of that quarry also yields [[quartz]] and {habit} [[calcite]].",
            "Jewellers prize {colour.c} stones above {colour.b} ones; {colour.b} stones are mostly {deed} for pigment.",
        ],
    },
    Kind {
        name: "instrument",
        infobox: "Infobox instrument",
        category: "Invented musical instruments",
        lists: [
            (
                "part",
                "bridge reed soundboard drone bellows fingerboard bell keyboard membrane mouthpiece",
            ),
            (
                "wood",
                "spruce maple rosewood walnut pearwood boxwood ebony cedar beech cherry",
            ),
            ("deed", "plucked bowed struck blown tuned strummed muted shaken"),
            (
                "occasion",
                "weddings harvest_feasts funerals processions coronations regattas midwinter_dances market_days",
            ),
        ],
        lead: "The '''{title}''' is a folk instrument of [[{region}]], made of {wood.w} and {deed.d} with both hands. It is played at {occasion.o}.",
        frames: &[
            "The {part.p} of the {title} is cut from {wood.w}. Makers in [[{place.a}]] season {wood.w} for {tens} years before the {part.p} is glued.",
            "At {occasion.o} the {title} is {deed.d} together with drums. Songs for {occasion.o} are slow, and the strings are {deed.d} lightly.",
            "A {title} of {year} with a carved {part.p} is kept in the museum of {place.a}; its {part.p} is of {wood}.",
        ],
    },
    Kind {
        name: "insect",
        infobox: "Speciesbox",
        category: "Invented insects",
        lists: [
            (
                "organ",
                "antennae wings mandibles abdomen thorax ovipositor compound_eyes hind_legs proboscis",
            ),
            (
                "habitat",
                "heathland peat_bogs salt_marshes alpine_meadows hedgerows dunes birch_woods reed_beds",
            ),
            ("deed", "hatch moult pupate swarm hibernate burrow migrate feed"),
            ("food", "nectar aphids bark fungi pollen sap leaf_litter carrion"),
        ],
        lead: "'''{title}a''' is a genus of beetles of the family [[{place.a}idae]]. Its species live in {habitat.h} and eat {food.f}.",
        frames: &[
            "Larvae {deed.d} in {habitat.h} and eat {food.f}. Adults do not {deed.d}; they leave the {habitat.h} in the {ordinal} week of summer.",
            "The {organ.o} of the male are longer than the {organ.o} of the female. In {year} the {organ.o} of {number} specimens were measured at [[{place.a}]].",
            "Where {food.f} is scarce, the beetles {deed}. A shortage of {food.f} in the {habitat.h} of {region} ended the study of {year}.",
        ],
    },
];

/// Frames that fit every kind of article.
const SHARED_FRAMES: &[&str] = &[
    "A {adjective.a} {noun.n} of {title} appeared in {year.y}. Critics of {year.y} found the {noun.n} {adverb} {adjective}, but later writers {adverb} {ed} it.",
    "{title} gave its name to {a:noun} in [[{place.a}]] and to {a:noun} in [[{region}]]. Both {ed} the {nouns} of {place.a}.",
    "The {nouns.n} of {title} were {adverb} {ed} by [[{place.a}]] scholars, whose {adjective} {noun} of the {nouns.n} runs to {number} pages.<ref>{{cite web |url=https://wiki.example/{year} |title={place}}}</ref>",
    "In {year} {a:adjective.a} {noun.n} was held at {place.a}. The {noun.n} {ed} {number} visitors, most of them from {place}.",
];

/// An article: its title and its wikitext.
pub(super) struct Article {
    pub(super) title: String,
    pub(super) wikitext: String,
}

/// Article number `index`.
pub(super) fn article(seed: u64, index: u64) -> Article {
    let mut draw = Draw::new(seed, "article", index);
    let kind = &KINDS[usize::try_from(index % 5).unwrap_or(0)];
    let stem = invented_name(&mut draw);
    let prose = article_prose(kind, index, &stem, &mut draw);
    let mut text = format!(
        "{{{{{}\n| name = {stem}\n| image = [[File:{stem}.jpg|thumb|The [[{stem}]] in spring]]\n| length = {{{{convert|{}|km}}}}\n}}}}\n",
        kind.infobox,
        draw.between(2, 900)
    );
    // Tags agree inside a paragraph; each paragraph draws anew.
    let frame = |frame: &str, draw: &mut Draw| {
        let text = prose.fill(&protect(frame), &mut Drawn::new(), draw);
        capitalized(&text).replace(OPEN, "{{").replace(CLOSE, "}}")
    };
    let _ = write!(text, "{}\n\n", frame(kind.lead, &mut draw));
    let mut frames: Vec<&str> = kind.frames.iter().chain(SHARED_FRAMES).copied().collect();
    for heading in ["Description", "History", "Reception"] {
        let _ = writeln!(text, "== {heading} ==");
        frames = draw.shuffled(&frames);
        for pair in frames.chunks(2).take(3) {
            let _ = write!(text, "{}\n\n", frame(&pair.join(" "), &mut draw));
        }
    }
    let first_list = kind.lists[0].0;
    text.push_str("=== Records ===\n{| class=\"wikitable\"\n|+ Records by year\n! Year !! Name !! style=\"text-align:right\" | Count\n");
    for _ in 0..4 {
        let row = frame(
            &format!("|-\n| {{year}} || [[{{place}}]] {{{first_list}}} || {{number}}\n"),
            &mut draw,
        );
        text.push_str(&row);
    }
    text.push_str("|}\n<!-- figures to be checked -->\n");
    for _ in 0..3 {
        let _ = writeln!(
            text,
            "* {}",
            frame(&format!("[[{{place}}]], {{{first_list}}} of {{year}}"), &mut draw)
        );
    }
    let _ = write!(
        text,
        "\n== References ==\n{{{{reflist}}}}\n\n[[Category:{}]]\n[[de:{stem}]]\n",
        kind.category
    );
    Article {
        title: format!("{stem} ({})", kind.name),
        wikitext: text,
    }
}

/// Stand-ins for the braces of templates while slots, which have braces too, are filled.
const OPEN: char = '\u{e000}';
const CLOSE: char = '\u{e001}';

fn protect(frame: &str) -> String {
    let mut out = String::with_capacity(frame.len());
    let mut rest = frame;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        // The end of a template is the first `}}` that does not end a slot inside it.
        let end = template_end(after);
        out.push(OPEN);
        out.push_str(&after[..end]);
        out.push(CLOSE);
        rest = after.get(end + 2..).unwrap_or("");
    }
    out.push_str(rest);
    out
}

fn template_end(text: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in text.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => return at,
            '}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

fn article_prose(kind: &Kind, index: u64, stem: &str, draw: &mut Draw) -> Prose {
    let mut lexicon = Lexicon::general(usize::try_from(index % 5).unwrap_or(0));
    for (name, list) in kind.lists {
        lexicon.insert(name, words::items(list));
    }
    lexicon.insert("place", (0..5).map(|_| invented_name(draw)).collect());
    lexicon.insert(
        "year",
        (0..6).map(|_| draw.between(1_410, 1_990).to_string()).collect(),
    );
    lexicon.insert(
        "number",
        (0..6).map(|_| draw.between(11, 870).to_string()).collect(),
    );
    lexicon.insert("three", vec![draw.between(100, 999).to_string()]);
    let mut prose = Prose::new(lexicon);
    prose.fact("title", stem);
    prose.fact("region", invented_name(draw));
    prose
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn articles_have_their_templates_whole_and_no_slot_left() {
        for index in 0..30 {
            let article = article(5, index);
            assert_eq!(
                article.wikitext.matches("{{").count(),
                article.wikitext.matches("}}").count(),
                "{}",
                article.wikitext
            );
            let without = article
                .wikitext
                .replace("{{", "")
                .replace("}}", "")
                .replace("{|", "")
                .replace("|}", "");
            assert!(!without.contains(['{', '}', OPEN, CLOSE]), "{without}");
        }
    }
}

//! The sentence frames of an invented filing, by the section in which they stand.
//!
//! `{name}` is a slot: a fact of the filing, or a word of the list of that name. `{name.x}` draws
//! once and says the same again at each later `{name.x}` of the paragraph, so that sentences
//! agree across a distance. `{a:name}` puts the right article before the word.

/// Item 1: what the company does.
pub(super) const BUSINESS: &[&str] = &[
    "{company} was founded in {city}, {state} in {founded} and is engaged in the {industry} business through its {segment.a} segment and other operations. References to \"{short}\" mean {company} and its consolidated subsidiaries.",
    "The {segment.a} segment of {short} sells {quality} {products.p} to {customers.c}. In the {segment.a} segment, {products.p} are made from {materials.m}, and {customers.c} generally order under annual supply agreements.",
    "{short} depends on {materials.m} and {materials.n} for its {process.p}. When the supply of {materials.m} falls short, {process.p} slows and {customers} wait longer for {quality} {products}.",
    "Our {site.s} in {place} is used for {process.p}. The {site.s} employs {adjective} technicians who are trained in {process.p} and who {verb} the {noun} and {noun} of {quality} {products}.",
    "We compete with {competitor} and with {adjective} producers of {quality.q} {products.p}. {competitor} sells {quality.q} {products.p} to {customers} at prices that {adverb} {verb} our own.",
    "{customers.c!} accounted for {small}% of the revenue of the {segment.a} segment. No single buyer among these {customers.c} exceeded ten percent of consolidated revenue of {short}.",
    "The {industry} industry is {adjective} and {adjective}. Demand for {products.p} follows the {noun} of {customers.c}, and {customers.c} in turn {adverb} {verb} their {nouns}.",
    "{short} holds patents that cover {process.p} and the {noun} of {quality} {products.x}. We {adverb} {verb} {phrase}, but no single patent on {process.p} is material to the {segment} segment.",
    "As of the end of fiscal {year}, {short} employed {employees} people, of whom {small}% work at {a:site} or another plant used for {process}. We believe that relations with our employees are good.",
    "Research and development at {short} is directed at {quality} {products.p} and at better {process}. Spending on research and development was {research} in fiscal {year} and {prior_research} in fiscal {prior_year}.",
    "The backlog of the {segment.a} segment consists of firm orders for {products.p}. Orders from {customers.c} in the {segment.a} segment may be canceled on short notice, and {customers.c} have done so in the past.",
    "{process.p!} requires permits from federal and {state} authorities. We {verb} the {noun} of {process.p} under {phrase}, and we {ed} {small} inspections in fiscal {year} without {a:adjective} finding.",
    "Sales of {products.p} are seasonal: {customers.c} buy most {products.p} in the {ordinal} quarter, when supplies of {materials.m} are {adverb} available and {process} runs at capacity.",
    "{ceo}, who has been with {short} since its {noun} in {city}, {ed} the {adjective} {noun} under which the {segment} segment {adverb} {ed} its {nouns}.",
];

/// Item 1A: a risk's heading; the paragraph that follows uses the same tags.
pub(super) const RISKS: &[(&str, &str)] = &[
    (
        "{hazards.h!} could disrupt {process.p} and harm our results.",
        "Our {process.p} has been affected by {hazards.h} in the past. If {hazards.h} recur, our {site} in {place} may be unable to {verb} {quality} {products.x}, and {customers.c} could turn to {competitor}. We {verb} insurance against {hazards.h}, but it may not {adverb} {verb} our {nouns}.",
    ),
    (
        "We depend on the supply of {materials.m}, which may become scarce or costly.",
        "We buy {materials.m} from a limited number of suppliers. Shortages of {materials.m}, together with {phrase}, have {adverb} {ed} our {nouns}. If the price of {materials.m} rises and we cannot pass the increase on to {customers.c}, the margin of the {segment} segment will decline.",
    ),
    (
        "The loss of {customers.c} would reduce our revenue.",
        "A {adjective} part of our revenue comes from {customers.c} who buy {quality} {products.p}. These {customers.c} may {verb} their {nouns}, {verb} a {adjective} {noun}, or buy {products.p} from {competitor} instead of from {short}.",
    ),
    (
        "Competition in the {industry} industry is intense.",
        "Our competitors, including {competitor}, have {adjective} {nouns} and may {verb} {products.p} more quickly than we do. {competitor} has {adverb} {ed} prices for {quality} {products.p}, and we may have to {verb} ours to keep {customers}.",
    ),
    (
        "Changes in {phrase.f} may adversely affect our {noun.n}.",
        "We are subject to {phrase.f}. The {noun.n} that follows from {phrase.f} is {adjective} and requires {adjective} judgment. If the {noun.n} proves {adjective}, we would have to {verb} the related {noun.o}, and that {noun.o} could be material.",
    ),
    (
        "We may be unable to protect our know-how in {process.p}.",
        "Our position in {process.p} rests on {quality} methods that {competitor} and others may {verb}. Litigation over {process.p} is costly, diverts management, and may end in {a:adjective} {noun}.",
    ),
    (
        "Our indebtedness could limit our {noun.n}.",
        "As of the end of fiscal {year}, {short} had {debt} of debt. Our {phrase} contains covenants that restrict our {noun.n}. A breach would allow lenders to {verb} the {noun.n} of {short} and to demand repayment of the whole {debt}.",
    ),
    (
        "We rely on key officers, including {ceo}.",
        "Our success depends on {ceo}, our Chief Executive Officer, and on {cfo}, our Chief Financial Officer. The departure of {ceo} or of {cfo} could {verb} our {noun} and {verb} the {noun} of the {segment} segment.",
    ),
    (
        "A failure of our information systems could interrupt {process.p}.",
        "We use {adjective} systems to {verb} {process.p} and to bill {customers.c}. An intrusion or outage could stop {process.p}, expose data of {customers.c}, and require {phrase}.",
    ),
    (
        "Acquisitions may not bring the benefits that we expect.",
        "We have {adverb} {ed} makers of {quality} {products.p}. The integration of {products.p} into the {segment.a} segment may {verb} management, and goodwill of {goodwill} could become impaired if the {segment.a} segment does not perform.",
    ),
];

/// Item 7: overview and outlook.
pub(super) const OVERVIEW: &[&str] = &[
    "Revenue of {short} {revenue_dir} {revenue_pct} to {revenue} in {period} from {prior_revenue} in {prior_period}. The change reflects {revenue_adj} demand for {products.p} from {customers} in the {segment} segment.",
    "Gross profit was {gross} in {period}, compared with {prior_gross} in {prior_period}. Gross margin {margin_dir} to {margin} of revenue from {prior_margin}, as the cost of {materials.m} {margin_cause} relative to the price of {products}.",
    "Selling, general and administrative expenses {selling_dir} {selling_pct} to {selling} in {period} from {prior_selling} in {prior_period}, primarily because of {selling_adj} compensation and {selling_adj} spending on {phrase}.",
    "Research and development expenses {research_dir} {research_pct} to {research} from {prior_research}, reflecting the {noun} of {quality} {products.p} and {research_adj} activity in {process}.",
    "Net income {net_dir} to {net} in {period} from {prior_net} in {prior_period}. Earnings per share were {eps} in {period} and {prior_eps} in {prior_period}.",
    "Interest expense was {interest} in {period} and {prior_interest} in {prior_period}. The average balance of our {phrase} was {adjective}, and the rate that we pay {adverb} {ed} the {noun}.",
    "Our effective tax rate {tax_dir} to {tax_rate} in {period} from {prior_tax_rate} in {prior_period}, mainly because of {adjective} changes in {phrase}.",
    "We expect that demand for {products.p} from {customers.c} will remain {adjective} in fiscal {next_year}. We plan to {verb} our {site} in {place} and to {verb} the {noun} of {process}.",
];

/// Item 7: one segment's paragraph.
pub(super) const SEGMENT_RESULTS: &[&str] = &[
    "Revenue of the {seg} segment {seg_dir} {seg_pct} to {seg_now} in {period} from {seg_before} in {prior_period}. The {seg_noun} was due to {seg_adj} shipments of {products.p} to {customers.c} and {seg_adj} prices for {quality} {products.p}. Orders from {customers.c} in the {seg} segment {seg_dir} as well.",
    "The {seg} segment reported revenue of {seg_now} in {period}, compared with {seg_before} in {prior_period}, {a:seg_noun} of {seg_pct}. {seg_adj!} volumes of {quality} {products.p} accounted for most of the {seg_noun}, and {customers.c} {adverb} {ed} their {nouns}.",
    "In the {seg} segment, revenue {seg_dir} by {seg_pct}, from {seg_before} in {prior_period} to {seg_now} in {period}. {customers.c!} ordered {seg_more} {products.p} because of {hazards.h}, while the cost of {process.p} at our {site} in {place} was {seg_adj}.",
];

/// Item 7: cash and debt.
pub(super) const LIQUIDITY: &[&str] = &[
    "Cash and cash equivalents were {cash} at the end of {period}, compared with {prior_cash} at the end of {prior_period}. We believe that cash on hand and our {phrase} are sufficient for at least the next twelve months.",
    "Net cash provided by operating activities was {operating_cash} in {period} and {prior_operating_cash} in {prior_period}. The {operating_cash_noun} was mainly the result of {operating_cash_adj} collections from {customers}.",
    "Capital expenditures were {capital} in {period}, principally for the {site.s} in {place}, and {prior_capital} in {prior_period}. We expect to {verb} the {site.s} and to spend on {process} in fiscal {next_year}.",
    "Total debt was {debt} at the end of {period} and {prior_debt} at the end of {prior_period}. Borrowings under our {phrase.f} bear interest at {a:adjective} rate, and we were in compliance with the covenants of the {phrase.f}.",
    "Inventories, mostly {materials.m} and finished {products.p}, were {inventories}. Receivables from {customers.c} were {receivables}. We {verb} both {adverb}, and write-offs of {materials.m} or of {products.p} have not been {adjective}.",
    "The board of directors {ed} a {phrase}. In {period} we {ed} shares of {short} at {a:adjective} average price, and the {noun.n} is subject to {phrase}. The {noun.n} may be suspended at any time.",
];

/// Item 7 and notes: accounting policies.
pub(super) const POLICIES: &[&str] = &[
    "{short} recognizes revenue from {products.p} when control passes to {customers.c}, which is generally when {products.p} leave our {site}. Rebates to {customers.c} are estimated from {adjective} experience.",
    "We test goodwill of the {segment.a} segment for impairment each year. The fair value of the {segment.a} segment rests on {adjective} estimates of demand for {products.p} and on {phrase}.",
    "Inventories of {materials.m} and of {products.p} are stated at the lower of cost or net realizable value. Stocks of {materials.m} are counted at each {site}, and obsolete {products.p} are written down.",
    "The preparation of financial statements requires management to {verb} estimates that {verb} the reported {nouns.a} of assets and liabilities. Actual {nouns} could differ from these {nouns.a}.",
    "{phrase.f!} is among our critical estimates. A change in the {noun.n} on which {phrase.f} rests could have {a:adjective} effect, because the {noun.n} is {adverb} {ed} by {adjective} {nouns}.",
    "Depreciation of {a:site} is computed over its useful life by the straight-line method. Equipment for {process.p} is depreciated over {tens} years, and spare parts for {process.p} are expensed as they are used.",
];

/// Items 2, 3, 7A, 9A and other short ones.
pub(super) const PROPERTIES: &[&str] = &[
    "Our headquarters are in {city}, {state}, where we own {a:adjective} building on {street}. We also operate the {site} in {place} and a {site} in {place}.",
    "We believe that each {site.s} is well maintained and {adjective} for {process.p}. The {site.s} in {place} operates at {small}% of its capacity, and its lease may be {ed} until {late_year}.",
];

/// Item 3.
pub(super) const LEGAL: &[&str] = &[
    "{short} is a defendant in {a:phrase} filed by {customers.c} in the district court of {state}. The complaint alleges that {quality} {products.p} were {adjective}. We believe that the claims of the {customers.c} about {products.p} are without merit and intend to defend them vigorously.",
    "In fiscal {prior_year}, {competitor} sued {short} over {process.p}. The court {ed} the {noun.n} in fiscal {year}, and {competitor} has appealed that {noun.n}. We cannot {verb} the outcome.",
    "From time to time we are party to {adjective} proceedings about {hazards.h}. We have accrued a liability for {hazards.h} where a loss is probable and can be {adverb} estimated.",
];

/// Item 7A.
pub(super) const MARKET_RISK: &[&str] = &[
    "We are exposed to changes in the price of {materials.m}. A ten percent increase in the price of {materials.m} would reduce annual pre-tax income by about {risk_amount}, assuming that {customers} do not bear any of it.",
    "A change of one hundred basis points in interest rates would change annual interest expense on our debt of {debt} by about {rate_amount}. We use {phrase} to {verb} this {noun}.",
];

/// Item 9A.
pub(super) const CONTROLS: &[&str] = &[
    "Under the supervision of {ceo}, our Chief Executive Officer, and {cfo}, our Chief Financial Officer, management evaluated our disclosure controls and procedures. Based on that evaluation, {ceo} and {cfo} concluded that they were effective as of the end of {period}.",
    "There was no change in our internal control over financial reporting during the {ordinal} quarter that has {adverb} {ed}, or is likely to {verb}, our internal control over financial reporting. {auditor} has audited its effectiveness.",
];

/// Items of a general kind, where the general vocabulary is at its widest.
pub(super) const GENERAL: &[&str] = &[
    "Management {adverb} {ed} the {adjective.a} {noun.n} and concluded that the {adjective.a} {noun.n} does not {verb} the {nouns} of {short}.",
    "The {noun.n} between {short} and {competitor} provides for {a:adjective} {noun.o}. Either party may {verb} the {noun.n}, but only after the {noun.o} has been {adverb} {ed}.",
    "To {verb.v} our {nouns.n}, we {verb} {adjective} {nouns} and {verb} the {noun} of {phrase}. Our ability to {verb.v} the {nouns.n} depends on {adjective} {nouns}.",
    "We have {ed} {a:adjective} {noun.n} for {ing} {nouns.m}. Under the {noun.n}, each {noun.o} is {adverb} {ed}, and the {noun.o} is then compared with the {nouns.m} of prior years.",
    "{ing!} {adjective.a} {nouns.n} requires {adjective} {noun}. When {adjective.a} {nouns.n} are {ed}, the {noun.o} is {adverb} {ed}; otherwise the {noun.o} remains {adjective}.",
];

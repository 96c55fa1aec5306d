//! The items of each form with their titles.

/// One item of a form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// As sections name it: `1A`, `II.1A`.
    pub(crate) name: &'static str,
    /// As the heading has it: `1A`.
    pub(crate) number: &'static str,
    /// 1 to 4.
    pub(crate) part: u8,
    /// Word groups of its titles, without spaces, in lower case: of one group every word is in the title.
    pub(crate) titles: &'static [&'static [&'static str]],
    /// Whole titles that stand for it without a number, without spaces, in lower case.
    pub(crate) alone: &'static [&'static str],
    /// First and last end of a period (`YYYY-MM-DD`) of which the form asks for it.
    pub(crate) years: Years,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Years {
    pub(crate) first: &'static str,
    pub(crate) last: &'static str,
}

const ALWAYS: Years = Years { first: "", last: "9" };

const fn since(first: &'static str) -> Years {
    Years { first, last: "9" }
}

const fn item(
    name: &'static str,
    part: u8,
    titles: &'static [&'static [&'static str]],
    alone: &'static [&'static str],
    years: Years,
) -> Item {
    Item {
        name,
        number: name,
        part,
        titles,
        alone,
        years,
    }
}

const fn of_part(number: &'static str, named: Item) -> Item {
    Item { number, ..named }
}

const BUSINESS: &[&[&str]] = &[&["business"], &["generaldevelopment"], &["thecompany"]];
const RISK_FACTORS: &[&[&str]] = &[&["riskfactor"], &["factorsthatmayaffect"]];
const STAFF_COMMENTS: &[&[&str]] = &[&["unresolved"], &["staffcomment"]];
const PROPERTIES: &[&[&str]] = &[&["propert"]];
const LEGAL: &[&[&str]] = &[&["legalproceeding"], &["litigation"], &["legalmatters"]];
const VOTE: &[&[&str]] = &[
    &["submission", "vote"],
    &["matters", "vote"],
    &["minesafety"],
    &["safetydisclosure"],
    &["reserved"],
    &["removed"],
];
const MARKET: &[&[&str]] = &[
    &["market", "equity"],
    &["market", "stock"],
    &["market", "registrant"],
    &["market", "securit"],
    &["market", "units"],
    &["market", "shares"],
    &["market", "interests"],
];
const SELECTED: &[&[&str]] = &[
    &["selected"],
    &["reserved"],
    &["removed"],
    &["financialhighlights"],
];
const DISCUSSION: &[&[&str]] = &[
    &["management", "discussion"],
    &["management", "analysis"],
    &["planofoperation"],
    &["discussionandanalysis"],
];
const MARKET_RISK: &[&[&str]] = &[&["marketrisk"], &["quantitative"], &["marketandbusinessrisk"]];
const STATEMENTS: &[&[&str]] = &[
    &["financialstatement"],
    &["supplementarydata"],
    &["financialinformation"],
];
const DISAGREEMENTS: &[&[&str]] = &[&["disagreement"], &["change", "accountant"]];
const CONTROLS: &[&[&str]] = &[
    &["control", "procedure"],
    &["internalcontrol"],
    &["disclosurecontrol"],
];
const OTHER: &[&[&str]] = &[&["otherinformation"], &["othermatters"], &["otherevents"]];
const DIRECTORS: &[&[&str]] = &[&["director"], &["executiveofficer"]];
const COMPENSATION: &[&[&str]] = &[&["compensation"], &["remuneration"]];
const OWNERSHIP: &[&[&str]] = &[&["ownership"], &["beneficialowner"]];
const RELATIONSHIPS: &[&[&str]] = &[
    &["relationship"],
    &["relatedtransaction"],
    &["relatedparty"],
    &["relatedperson"],
    &["certaintransactions"],
];
const INSPECTIONS: &[&[&str]] = &[&["foreignjurisdiction"], &["preventinspection"]];
const EXHIBITS: &[&[&str]] = &[&["exhibit"], &["financialstatementschedule"]];

pub(crate) const ANNUAL: &[Item] = &[
    item("1", 1, BUSINESS, &["business", "descriptionofbusiness"], ALWAYS),
    item("1A", 1, RISK_FACTORS, &["riskfactors"], since("2005-12-01")),
    item(
        "1B",
        1,
        STAFF_COMMENTS,
        &["unresolvedstaffcomments"],
        since("2005-12-01"),
    ),
    item(
        "1C",
        1,
        &[&["cybersecurity"], &["cyber"]],
        &["cybersecurity"],
        since("2023-12-15"),
    ),
    item(
        "2",
        1,
        PROPERTIES,
        &["properties", "descriptionofproperties"],
        ALWAYS,
    ),
    item("3", 1, LEGAL, &["legalproceedings"], ALWAYS),
    item("4", 1, VOTE, VOTE_ALONE, ALWAYS),
    item("5", 2, MARKET, MARKET_ALONE, ALWAYS),
    item(
        "6",
        2,
        SELECTED,
        &["selectedfinancialdata", "selectedconsolidatedfinancialdata"],
        ALWAYS,
    ),
    item("7", 2, DISCUSSION, DISCUSSION_ALONE, ALWAYS),
    item("7A", 2, MARKET_RISK, MARKET_RISK_ALONE, since("1997-06-15")),
    item(
        "8",
        2,
        STATEMENTS,
        &["financialstatementsandsupplementarydata"],
        ALWAYS,
    ),
    item("9", 2, DISAGREEMENTS, DISAGREEMENTS_ALONE, ALWAYS),
    item("9A", 2, CONTROLS, &["controlsandprocedures"], since("2003-08-01")),
    item("9B", 2, OTHER, OTHER_ALONE, since("2004-08-01")),
    item("9C", 2, INSPECTIONS, INSPECTIONS_ALONE, since("2021-12-01")),
    item("10", 3, DIRECTORS, DIRECTORS_ALONE, ALWAYS),
    item("11", 3, COMPENSATION, &["executivecompensation"], ALWAYS),
    item("12", 3, OWNERSHIP, OWNERSHIP_ALONE, ALWAYS),
    item("13", 3, RELATIONSHIPS, RELATIONSHIPS_ALONE, ALWAYS),
    item(
        "14",
        3,
        &[&["fees"], &["principalaccount"], &["control"], &["exhibit"]],
        FEES_ALONE,
        ALWAYS,
    ),
    item("15", 4, EXHIBITS_OR_FEES, EXHIBITS_ALONE, since("2002-08-01")),
    item(
        "16",
        4,
        &[&["summary"], &["fees"], &["principalaccount"]],
        &["formksummary"],
        since("2016-12-01"),
    ),
];

const EXHIBITS_OR_FEES: &[&[&str]] = &[
    &["exhibit"],
    &["financialstatementschedule"],
    &["fees"],
    &["principalaccount"],
];

pub(crate) const SMALL_ANNUAL: &[Item] = &[
    item("1", 1, BUSINESS, &["business", "descriptionofbusiness"], ALWAYS),
    item(
        "2",
        1,
        PROPERTIES,
        &["properties", "descriptionofproperty"],
        ALWAYS,
    ),
    item("3", 1, LEGAL, &["legalproceedings"], ALWAYS),
    item("4", 1, VOTE, VOTE_ALONE, ALWAYS),
    item("5", 2, MARKET, MARKET_ALONE, ALWAYS),
    item("6", 2, DISCUSSION, DISCUSSION_ALONE, ALWAYS),
    item("7", 2, STATEMENTS, &["financialstatements"], ALWAYS),
    item("8", 2, DISAGREEMENTS, DISAGREEMENTS_ALONE, ALWAYS),
    item("8A", 2, CONTROLS, &["controlsandprocedures"], since("2003-08-01")),
    item("8B", 2, OTHER, OTHER_ALONE, since("2004-08-01")),
    item("9", 3, DIRECTORS, DIRECTORS_ALONE, ALWAYS),
    item("10", 3, COMPENSATION, &["executivecompensation"], ALWAYS),
    item("11", 3, OWNERSHIP, OWNERSHIP_ALONE, ALWAYS),
    item("12", 3, RELATIONSHIPS, RELATIONSHIPS_ALONE, ALWAYS),
    item("13", 3, EXHIBITS, EXHIBITS_ALONE, ALWAYS),
    item(
        "14",
        3,
        &[&["fees"], &["principalaccount"], &["control"]],
        FEES_ALONE,
        since("2002-08-01"),
    ),
];

pub(crate) const QUARTERLY: &[Item] = &[
    of_part("1", item("I.1", 1, STATEMENTS, &["financialstatements"], ALWAYS)),
    of_part("2", item("I.2", 1, DISCUSSION, DISCUSSION_ALONE, ALWAYS)),
    of_part(
        "3",
        item(
            "I.3",
            1,
            &[&["marketrisk"], &["quantitative"], &["control", "procedure"]],
            MARKET_RISK_ALONE,
            since("1998-01-01"),
        ),
    ),
    of_part(
        "4",
        item(
            "I.4",
            1,
            CONTROLS,
            &["controlsandprocedures"],
            since("2002-08-01"),
        ),
    ),
    of_part("1", item("II.1", 2, LEGAL, &["legalproceedings"], ALWAYS)),
    of_part(
        "1A",
        item("II.1A", 2, RISK_FACTORS, &["riskfactors"], since("2005-12-01")),
    ),
    of_part(
        "2",
        item(
            "II.2",
            2,
            &[
                &["unregistered"],
                &["changesinsecurities"],
                &["purchases", "securities"],
                &["useofproceeds"],
                &["repurchase"],
                &["changesinthe"],
            ],
            &[
                "unregisteredsalesofequitysecuritiesanduseofproceeds",
                "changesinsecuritiesanduseofproceeds",
                "changesinsecurities",
            ],
            ALWAYS,
        ),
    ),
    of_part(
        "3",
        item(
            "II.3",
            2,
            &[&["default"]],
            &["defaultsuponseniorsecurities"],
            ALWAYS,
        ),
    ),
    of_part("4", item("II.4", 2, VOTE, VOTE_ALONE, ALWAYS)),
    of_part("5", item("II.5", 2, OTHER, OTHER_ALONE, ALWAYS)),
    of_part("6", item("II.6", 2, EXHIBITS, EXHIBITS_ALONE, ALWAYS)),
];

const VOTE_ALONE: &[&str] = &[
    "submissionofmatterstoavoteofsecurityholders",
    "minesafetydisclosures",
    "minesafetydisclosure",
];
const OTHER_ALONE: &[&str] = &["otherinformation"];
const INSPECTIONS_ALONE: &[&str] = &["disclosureregardingforeignjurisdictionsthatpreventinspections"];
const DIRECTORS_ALONE: &[&str] = &[
    "directorsexecutiveofficersandcorporategovernance",
    "directorsandexecutiveofficersoftheregistrant",
];
const OWNERSHIP_ALONE: &[&str] = &[
    "securityownershipofcertainbeneficialownersandmanagement",
    "securityownershipofcertainbeneficialownersandmanagementandrelatedstockholdermatters",
];
const RELATIONSHIPS_ALONE: &[&str] = &[
    "certainrelationshipsandrelatedtransactions",
    "certainrelationshipsandrelatedtransactionsanddirectorindependence",
];
const FEES_ALONE: &[&str] = &[
    "principalaccountantfeesandservices",
    "principalaccountingfeesandservices",
    "controlsandprocedures",
    "exhibitsfinancialstatementschedulesandreportsonformk",
];
const EXHIBITS_ALONE: &[&str] = &[
    "exhibits",
    "exhibitsandreportsonformk",
    "exhibitsfinancialstatementschedules",
    "exhibitsandfinancialstatementschedules",
    "exhibitsfinancialstatementschedulesandreportsonformk",
];
const MARKET_ALONE: &[&str] = &[
    "marketforregistrantscommonequityrelatedstockholdermattersandissuerpurchasesofequitysecurities",
    "marketfortheregistrantscommonequityandrelatedstockholdermatters",
    "marketforregistrantscommonequityandrelatedstockholdermatters",
];
const DISCUSSION_ALONE: &[&str] = &[
    "managementsdiscussionandanalysisoffinancialconditionandresultsofoperations",
    "managementsdiscussionandanalysisofresultsofoperationsandfinancialcondition",
    "managementsdiscussionandanalysis",
];
const MARKET_RISK_ALONE: &[&str] = &[
    "quantitativeandqualitativedisclosuresaboutmarketrisk",
    "quantitativeandqualitativedisclosureaboutmarketrisk",
];
const DISAGREEMENTS_ALONE: &[&str] =
    &["changesinanddisagreementswithaccountantsonaccountingandfinancialdisclosure"];

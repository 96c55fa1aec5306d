//! The general vocabulary of the sample's prose, and the few inflections it needs.
//!
//! All verbs are regular and none doubles its last letter, so that four lines of rules inflect
//! them.

/// Nouns of business prose, singular.
pub(super) const NOUNS: &str = "account action activity adjustment advance advantage agency agreement \
allocation allowance alternative amendment analysis application appraisal approach area arrangement \
assessment asset assignment assumption assurance audit authority award balance bank basis benchmark \
benefit bidder board bond borrower boundary branch brand breach budget building burden buyer calendar \
campaign capacity category cause ceiling center certificate challenge change channel charge charter \
circumstance claim clause code collateral commitment committee community comparison compensation \
competitor complaint component concentration concern concession condition conflict consent consequence \
constraint consultant contingency contract contribution control conversion copy corporation correction \
cost counterparty country course court covenant credit creditor criterion currency cycle damage date \
dealer debt decade decision decline decrease deduction default defense deficiency definition degree \
delay delivery demand department dependency deposit design detail development difference dimension \
direction director disclosure discount discovery dispute distribution dividend division doubt draft \
duration duty earning economy effect effort element employee employer enactment engagement enterprise \
entity entry environment error estimate evaluation event evidence examination exception exchange \
execution exemption exercise exit expansion expectation expenditure expense experience expert \
expiration exposure extension extent factor failure feature fee figure finding fluctuation forecast \
forfeiture form formula forum foundation fraction framework franchise frequency function fund gain \
gap goal good government grant group growth guarantee guideline hearing hedge holder holding horizon \
idea impact impairment improvement incentive incident income increase index indicator industry \
inflation initiative injury input inspection instance institution instruction instrument insurer \
integration intention interest interval interview inventory investigation investment investor invoice \
issue item judgment jurisdiction justification landlord lapse law lawsuit layer leader lease ledger \
legislature lender lessee letter level liability license lien limit limitation line link liquidity list \
litigation loan location loss maintenance majority manager mandate margin market matter maturity \
measure mechanism meeting member merger method metric milestone minority mission mitigation model \
modification month mortgage motion move narrative need negotiation network norm note notice number \
objective obligation observation occurrence offer office officer operation opinion opportunity option \
order outcome outlook output outsider oversight owner ownership parent participant partner partnership \
party past patent path pattern payment penalty pension percentage performance period permit person \
petition phase plan platform plaintiff pledge point policy portfolio portion position possibility \
practice precedent preference premium preparation presentation pressure price principle priority \
privilege procedure proceeding process product profit program progress project promise proof property \
proportion proposal prospect protection provision proxy purchase purpose quality quantity quarter \
question quota quotation range rank rate rating ratio reason receipt recession recognition \
recommendation record recovery reduction reference refinement refund region registration regulation \
regulator reimbursement relation release reliance relief remainder remedy renewal rent repair \
replacement report representation reputation request requirement reserve residual resolution resource \
response responsibility restriction result retention return revenue review revision right risk role \
rule salary sale sample sanction saving scenario schedule scope season section sector security segment \
selection seller sensitivity service session settlement shareholder shift shortage signal site \
situation skill solution source speed spending sponsor spread staff stage standard statement statute \
step stock strategy strength structure study subject subsidiary substance success suit summary \
supervision supplier supply support surplus survey system talent target task tax team technique \
technology tenant tendency tenure term territory test theory threat threshold timing title topic total \
track trade trademark tradition trait transaction transfer transition treasury treatment trend trial \
trigger trust trustee type uncertainty unit update usage use user utility utilization validity \
valuation value variation vendor venture verdict version view volatility volume vote voucher warrant \
warranty weakness weight window withdrawal witness worker workforce year yield zone";

/// Adjectives.
pub(super) const ADJECTIVES: &str = "able absolute acceptable accessible accountable accurate active actual \
additional adequate adjacent administrative adverse advisory aggregate aggressive alternate ample annual \
anticipated apparent applicable appropriate arbitrary attractive automatic available average aware \
balanced basic beneficial better binding brief broad careful cautious central certain challenging cheap \
civil clear close collective combined commercial common comparable competitive complementary complete \
complex compliant comprehensive concrete conditional confident confidential consistent consolidated \
constant contingent continual continuous contractual convenient conventional corporate costly credible \
critical crucial cumulative current customary cyclical daily decisive deferred definite deliberate \
dependent deputy detailed different difficult digital diligent direct disciplined discrete \
discretionary distinct diverse domestic dominant double dual due durable dynamic eager early economic \
effective efficient eligible emerging empty enforceable enormous entire equal equitable equivalent \
essential established eventual evident exact excellent exceptional excess exclusive existing experienced \
explicit extensive external extra extraordinary fair familiar favorable feasible federal final financial \
firm fiscal fixed flexible foreign formal former forward fragile free frequent full fundamental further \
general generous genuine global gradual gross healthy heavy helpful high historical hostile identical \
immaterial immediate imminent important improper inadequate incidental incomplete incremental independent \
indirect individual inevitable informal inherent initial innovative insufficient intangible integral \
intense intentional interim intermediate internal international irregular irrevocable joint key large \
last late lawful leading legal legitimate likely limited liquid local logical long lower loyal mandatory \
manual marginal material mature meaningful measurable medium mere minimal minor mixed mobile moderate \
modern modest monetary monthly mutual narrow national natural necessary negative negligible neutral new \
nominal normal notable numerous objective obsolete obvious occasional official ongoing only open \
operational optimal optional ordinary organic original outstanding overall partial particular passive \
permanent persistent personal plain pleasant political popular positive possible potential practical \
precise predictable preferred preliminary present previous primary principal prior private probable \
productive professional profitable prominent prompt proper proportional prospective prudent public pure \
qualified quantitative quarterly quick radical random rapid rare rational ready realistic reasonable \
recent reciprocal recurring reduced regional regular related relative relevant reliable remote \
representative residential resilient responsible restrictive retrospective rigid rigorous robust routine \
safe satisfactory scarce scheduled seasonal secondary secure selective senior sensitive separate serious \
severe sharp short significant similar simple simultaneous single skilled slight slow small social sole \
solid sophisticated special specific stable standard statutory steady strategic strict strong structural \
subordinate subsequent substantial successful sudden sufficient suitable superior supplemental \
sustainable systematic tangible tax technical temporary tentative thorough tight timely tough \
traditional transparent typical ultimate unable unaudited uncertain underlying unexpected unfavorable \
uniform unilateral unique universal unlikely unusual upper urgent useful usual valid valuable variable \
various vast viable vigorous virtual visible vital voluntary vulnerable weak weekly whole wide willing \
worthwhile written";

/// Regular verbs.
pub(super) const VERBS: &str = "accelerate accept achieve acquire adapt address adjust adopt advance affect \
allocate allow alter amend analyze announce anticipate appoint apply approve arrange assemble assert \
assess assign assist assume assure attract audit authorize award balance bolster broaden calculate \
cancel capture certify challenge change charge clarify close coordinate collect combine compare \
compensate complete complicate comply conclude conduct confirm consider consolidate constrain consult \
consume continue convert correct create curtail customize decline decrease defend define delay delegate \
deliver demonstrate deploy describe design determine develop differentiate diminish direct disclose \
discontinue discuss displace distribute diversify document earn educate eliminate emphasize employ enable \
encourage endorse enforce engage enhance ensure establish estimate evaluate examine exceed exchange \
exclude execute exercise expand expect expend explain explore extend facilitate finalize finance focus \
formulate foster fulfill fund furnish generate govern guarantee handle hamper harm identify illustrate \
impair implement impose improve include incorporate increase incur indicate influence inform initiate \
inspect install institute insure integrate intend interpret interrupt introduce invest investigate issue \
justify launch lease leverage license limit liquidate locate maintain manage manufacture market maximize \
measure mitigate modernize modify monitor motivate negotiate notify observe obtain offer operate optimize \
order organize outline outpace outsource oversee participate penalize perform permit phase pledge \
postpone predict prepare present preserve prevent prioritize process procure produce prohibit project \
promote propose protect provide publish purchase pursue qualify quantify reach realize reallocate receive \
recognize recommend reconcile record recover recruit redeem reduce refinance refine reflect regulate \
reimburse reinforce reject release remain remedy renew renovate reorganize replace report represent \
request require rescind reserve resolve respond restate restore restrain restrict restructure retain \
retire return reveal review revise reward satisfy secure serve settle share simplify solicit sponsor \
stabilize standardize streamline strengthen submit substitute supervise supplement supply support suspend \
sustain terminate test track train transform translate trigger update upgrade utilize validate value \
verify violate volunteer waive warrant weaken widen withhold";

/// Adverbs.
pub(super) const ADVERBS: &str = "accordingly actively adequately adversely aggressively annually \
approximately broadly carefully cautiously clearly closely collectively commonly competitively completely \
consistently continually continuously correctly currently deliberately diligently directly easily \
effectively efficiently entirely equally essentially eventually evidently exclusively explicitly \
extensively externally fairly favorably finally firmly formally frequently fully fundamentally generally \
gradually greatly heavily historically immediately independently indirectly individually initially \
internally jointly largely legally locally mainly marginally materially meaningfully moderately modestly \
monthly mostly mutually naturally nearly necessarily negatively normally notably occasionally openly \
ordinarily originally partially partly particularly periodically permanently persistently positively \
potentially precisely predominantly previously primarily principally privately proactively profitably \
progressively promptly properly prospectively prudently publicly purposely quarterly quickly rapidly \
rarely readily reasonably recently regularly reliably repeatedly responsibly routinely safely \
satisfactorily selectively separately seriously severely sharply significantly similarly simply slightly \
slowly smoothly solely specifically steadily strategically strictly strongly structurally subsequently \
substantially successfully sufficiently swiftly systematically temporarily thoroughly tightly timely \
typically ultimately uniformly unusually usually vigorously virtually voluntarily widely";

/// Fixed expressions of several words: given one word of them, the others follow.
pub(super) const PHRASES: &str = "revolving_credit_facility senior_unsecured_notes letters_of_credit \
interest_rate_swaps fair_value_hierarchy foreign_currency_exchange_rates net_operating_loss_carryforwards \
accumulated_other_comprehensive_loss property,_plant_and_equipment selling,_general_and_administrative_expenses \
weighted_average_shares_outstanding accounts_receivable,_net raw_material_costs collective_bargaining_agreements \
intellectual_property_rights trade_secrets_and_know-how cybersecurity_incident_response business_continuity_plan \
disaster_recovery_procedures purchase_price_allocation goodwill_impairment_test discounted_cash_flow_model \
effective_income_tax_rate uncertain_tax_positions deferred_tax_assets share_repurchase_program \
quarterly_cash_dividend restricted_stock_units long-term_incentive_plan defined_benefit_pension_plan \
operating_lease_right-of-use_assets commercial_paper_program debt_covenant_compliance working_capital_requirements \
capital_expenditure_budget free_cash_flow_conversion supply_chain_disruptions labor_and_freight_inflation \
extreme_weather_events climate-related_disclosure_rules product_liability_claims class_action_complaint \
motion_to_dismiss summary_judgment_ruling consent_decree_obligations environmental_remediation_reserves \
anti-bribery_and_corruption_laws export_control_restrictions import_duties_and_tariffs sales_incentive_accruals \
customer_rebate_programs point-in-time_revenue_recognition remaining_performance_obligations \
allowance_for_doubtful_accounts first-in,_first-out_method lower_of_cost_or_market straight-line_depreciation_method \
independent_registered_public_accounting_firm internal_control_over_financial_reporting \
disclosure_controls_and_procedures code_of_business_conduct audit_committee_financial_expert \
proxy_statement_for_the_annual_meeting regular_board_review_cycle enterprise_risk_management_framework \
key_performance_indicators merger_and_acquisition_pipeline greenfield_site_selection \
multi-year_restructuring_program severance_and_termination_benefits insurance_recoveries_receivable \
self-insured_retention_limits";

/// Splits a list constant; `_` inside an item stands for a space.
pub(super) fn items(list: &str) -> Vec<String> {
    list.split_whitespace()
        .map(|item| item.replace('_', " "))
        .collect()
}

fn ends_in_consonant_y(word: &str) -> bool {
    let mut letters = word.chars().rev();
    letters.next() == Some('y') && letters.next().is_some_and(|letter| !"aeiou".contains(letter))
}

/// The plural of a noun (or the third person of a verb: the rule is the same).
pub(super) fn plural(word: &str) -> String {
    if ends_in_consonant_y(word) {
        return format!("{}ies", &word[..word.len() - 1]);
    }
    if let Some(stem) = word.strip_suffix("sis") {
        return format!("{stem}ses");
    }
    if let Some(stem) = word
        .strip_suffix("ion")
        .filter(|stem| stem.ends_with("er") && stem.starts_with("crit"))
    {
        return format!("{stem}ia");
    }
    let hissing = ["s", "x", "z", "ch", "sh"].iter().any(|end| word.ends_with(end));
    if hissing {
        format!("{word}es")
    } else {
        format!("{word}s")
    }
}

/// The past form of a regular verb.
pub(super) fn past(verb: &str) -> String {
    if ends_in_consonant_y(verb) {
        return format!("{}ied", &verb[..verb.len() - 1]);
    }
    match verb {
        "incur" | "submit" | "permit" => format!("{verb}{}ed", &verb[verb.len() - 1..]),
        "withhold" => "withheld".to_owned(),
        "oversee" => "oversaw".to_owned(),
        _ if verb.ends_with('e') => format!("{verb}d"),
        _ => format!("{verb}ed"),
    }
}

/// The form in `-ing`.
pub(super) fn gerund(verb: &str) -> String {
    match verb {
        "incur" | "submit" | "permit" => format!("{verb}{}ing", &verb[verb.len() - 1..]),
        _ if verb.ends_with('e') && !verb.ends_with("ee") => format!("{}ing", &verb[..verb.len() - 1]),
        _ => format!("{verb}ing"),
    }
}

/// `a` or `an`, by the next word's first letter.
pub(super) fn article(next: &str) -> &'static str {
    let vowel = next
        .chars()
        .next()
        .is_some_and(|letter| "aeioAEIO".contains(letter));
    if vowel { "an" } else { "a" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn inflections_follow_the_spelling_rules() {
        assert_eq!(plural("policy"), "policies");
        assert_eq!(plural("tax"), "taxes");
        assert_eq!(plural("analysis"), "analyses");
        assert_eq!(plural("criterion"), "criteria");
        assert_eq!(plural("provision"), "provisions");
        assert_eq!(past("comply"), "complied");
        assert_eq!(past("incur"), "incurred");
        assert_eq!(gerund("reduce"), "reducing");
        assert_eq!(article("estimate"), "an");
    }

    #[test]
    fn the_general_lists_hold_well_over_a_thousand_distinct_words() {
        let all: BTreeSet<&str> = [NOUNS, ADJECTIVES, VERBS, ADVERBS]
            .iter()
            .flat_map(|list| list.split_whitespace())
            .collect();
        assert!(all.len() > 1_200, "{}", all.len());
    }
}

//! The money of an invented company: every total is the sum of its parts, and a year's figures
//! are the same in each filing that states them.

use super::company::Company;
use super::draw::Draw;

/// The statements of one period, in thousands of dollars (shares in thousands, per share in
/// cents).
#[derive(Debug, Clone, Default)]
pub(super) struct Figures {
    pub(super) segments: Vec<i64>,
    pub(super) revenue: i64,
    pub(super) cost_of_sales: i64,
    pub(super) gross_profit: i64,
    pub(super) selling: i64,
    pub(super) research: i64,
    pub(super) operating_income: i64,
    pub(super) interest: i64,
    pub(super) pretax_income: i64,
    pub(super) tax: i64,
    pub(super) net_income: i64,
    pub(super) shares: i64,
    pub(super) earnings_cents: i64,
    pub(super) cash: i64,
    pub(super) receivables: i64,
    pub(super) inventories: i64,
    pub(super) property: i64,
    pub(super) goodwill: i64,
    pub(super) total_assets: i64,
    pub(super) payables: i64,
    pub(super) debt: i64,
    pub(super) other_liabilities: i64,
    pub(super) total_liabilities: i64,
    pub(super) equity: i64,
    pub(super) operating_cash: i64,
    pub(super) capital_spending: i64,
    pub(super) employees: i64,
}

/// A share of a whole in hundredths of a percent.
fn share(whole: i64, basis_points: i64) -> i64 {
    whole * basis_points / 10_000
}

/// The growth of a segment from the year before to `year`, in basis points.
fn growth(seed: u64, company: &Company, segment: u64, year: i64) -> i64 {
    let number = company.index * 64 + segment;
    let mut draw = Draw::new(seed, "growth", number * 4_096 + year.unsigned_abs());
    draw.between(-900, 1_800)
}

/// A segment's revenue in `year`, grown from its drawn start in 1990.
fn segment_revenue(seed: u64, company: &Company, segment: u64, year: i64) -> i64 {
    let start = Draw::new(seed, "start", company.index * 64 + segment).between(40_000, 2_400_000);
    (1_991..=year).fold(start, |revenue, at| {
        // A long life would let the drift run away: what has grown large grows no more.
        let rate = if revenue > 30_000_000 {
            -300
        } else {
            growth(seed, company, segment, at)
        };
        revenue + share(revenue, rate)
    })
}

impl Figures {
    /// The fiscal year `year`.
    pub(super) fn of_year(seed: u64, company: &Company, year: i64) -> Self {
        let segments = (0..company.segments.len() as u64)
            .map(|segment| segment_revenue(seed, company, segment, year))
            .collect();
        let draw = Draw::new(seed, "year", company.index * 4_096 + year.unsigned_abs());
        Self::from_segments(segments, draw, seed, company)
    }

    /// Quarter `quarter` (1 to 3) of the fiscal year `year`.
    pub(super) fn of_quarter(seed: u64, company: &Company, year: i64, quarter: u8) -> Self {
        let number = (company.index * 4_096 + year.unsigned_abs()) * 4 + u64::from(quarter);
        let mut draw = Draw::new(seed, "quarter", number);
        let portion = draw.between(2_250, 2_750);
        let annual = Self::of_year(seed, company, year);
        let segments = annual
            .segments
            .iter()
            .map(|revenue| share(*revenue, portion))
            .collect();
        let mut figures = Self::from_segments(segments, draw, seed, company);
        figures.employees = annual.employees;
        figures
    }

    fn from_segments(segments: Vec<i64>, mut draw: Draw, seed: u64, company: &Company) -> Self {
        let revenue: i64 = segments.iter().sum();
        // A company's ratios are its own; from year to year they only waver.
        let mut habits = Draw::new(seed, "ratios", company.index);
        let mut rate = |low, high| habits.between(low, high) * draw.between(97, 103) / 100;
        let cost_of_sales = share(revenue, rate(5_400, 6_600));
        let gross_profit = revenue - cost_of_sales;
        let selling = share(revenue, rate(900, 1_400));
        let research = share(revenue, rate(200, 900));
        let operating_income = gross_profit - selling - research;
        let interest = share(revenue, rate(60, 240));
        let pretax_income = operating_income - interest;
        let tax = share(pretax_income, rate(1_900, 3_600));
        let net_income = pretax_income - tax;
        let shares = Draw::new(seed, "shares", company.index).between(20_000, 400_000);
        let holdings = [
            (500, 1_900),
            (900, 1_600),
            (700, 1_500),
            (2_500, 5_200),
            (400, 2_400),
        ];
        let [cash, receivables, inventories, property, goodwill] =
            holdings.map(|(low, high)| share(revenue, rate(low, high)));
        let total_assets = cash + receivables + inventories + property + goodwill;
        let payables = share(total_assets, rate(800, 1_500));
        let debt = share(total_assets, rate(1_500, 3_400));
        let other_liabilities = share(total_assets, rate(400, 1_100));
        let total_liabilities = payables + debt + other_liabilities;
        Self {
            segments,
            revenue,
            cost_of_sales,
            gross_profit,
            selling,
            research,
            operating_income,
            interest,
            pretax_income,
            tax,
            net_income,
            shares,
            earnings_cents: net_income * 100 / shares,
            cash,
            receivables,
            inventories,
            property,
            goodwill,
            total_assets,
            payables,
            debt,
            other_liabilities,
            total_liabilities,
            equity: total_assets - total_liabilities,
            operating_cash: net_income + share(revenue, rate(300, 700)),
            capital_spending: share(revenue, rate(250, 800)),
            employees: 120 + revenue / rate(260, 520),
        }
    }
}

/// `1234567` as `1,234,567`; a negative number in parentheses, as statements print it.
pub(super) fn grouped(number: i64) -> String {
    let text = by_thousands(number.unsigned_abs());
    if number < 0 { format!("({text})") } else { text }
}

/// `1234567` as `1,234,567`.
fn by_thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Thousands of dollars as prose says them: `$12.3 million`, `$4.56 billion`.
pub(super) fn dollars(thousands: i64) -> String {
    let magnitude = thousands.unsigned_abs();
    if magnitude >= 1_000_000 {
        return format!(
            "${}.{:02} billion",
            magnitude / 1_000_000,
            magnitude % 1_000_000 / 10_000
        );
    }
    format!("${}.{} million", magnitude / 1_000, magnitude % 1_000 / 100)
}

/// The change from `before` to `now` in percent with one decimal place, without its sign.
pub(super) fn percent_change(before: i64, now: i64) -> String {
    let tenths = ((now - before).unsigned_abs() * 1_000) / before.unsigned_abs().max(1);
    format!("{}.{}%", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_the_sums_of_their_parts() {
        for index in 0..40 {
            let company = Company::new(1, index);
            for year in [1_994, 2_010, 2_023] {
                let f = Figures::of_year(1, &company, year);
                assert_eq!(f.revenue, f.segments.iter().sum::<i64>());
                assert_eq!(
                    f.net_income,
                    f.revenue - f.cost_of_sales - f.selling - f.research - f.interest - f.tax
                );
                assert_eq!(f.total_assets, f.total_liabilities + f.equity);
                assert!(f.revenue > 0 && f.equity > 0, "{index} {year}");
            }
        }
    }

    #[test]
    fn numbers_are_written_as_statements_write_them() {
        assert_eq!(grouped(1_234_567), "1,234,567");
        assert_eq!(grouped(-950), "(950)");
        assert_eq!(dollars(4_567_890), "$4.56 billion");
        assert_eq!(dollars(12_345), "$12.3 million");
        assert_eq!(percent_change(200, 150), "25.0%");
    }
}

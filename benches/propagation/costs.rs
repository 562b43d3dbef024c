//! What seeing costs: whole runs with it beside runs without, in interleaved pairs.

use std::io::{self, Write};

use loadgen::scenario::{Recording, Share};
use passbook::telemetry::Tracing;
use replication::Scheme;

use crate::banks::{CUSTOMERS, PASSBOOK};
use crate::table::{PAIRS_FEW, Row, Spread};

const BRANCHES: u32 = 3;
/// What `loadgen` samples unless told otherwise.
const SAMPLED: &str = "1%";
/// Recording may cost so much of the throughput.
const RECORDED_AT_LEAST: f64 = 0.95;
/// Longer runs than elsewhere: what is looked for is small.
const RECORDED_TIMES: u64 = 3;

/// Traced against not traced.
pub(crate) fn traced(say: &mut impl Write, rows: &[Row], tracing: &Tracing) -> io::Result<()> {
    writeln!(
        say,
        "\n{CUSTOMERS} customers depositing at {BRANCHES} branches, traced / not traced"
    )?;
    for row in rows.iter().filter(|row| row.branches == BRANCHES) {
        for share in [SAMPLED, "100%"] {
            let sampled = share.parse().expect("a share");
            let pairs = (0..row.pairs.min(PAIRS_FEW)).map(|_| {
                let rate = |sample| row.run(tracing, sample, Recording::All).throughput_per_s();
                let without = rate(Share::NONE);
                rate(sampled) / without
            });
            let ratio = Spread::from(pairs.collect::<Vec<f64>>());
            writeln!(say, "{:<10}{share:>8}  {ratio}", row.scheme.name())?;
        }
    }
    Ok(())
}

/// Recorded against not recorded, under passbook: customers' answers and branches' logs.
pub(crate) fn recorded(say: &mut impl Write, rows: &[Row], tracing: &Tracing) -> io::Result<()> {
    writeln!(
        say,
        "\n{CUSTOMERS} customers depositing at {BRANCHES} branches, recorded / not recorded, nothing traced"
    )?;
    let wanted = |row: &&Row| row.branches == BRANCHES && row.scheme == PASSBOOK;
    for row in rows.iter().filter(wanted) {
        let row = Row { events: row.events * RECORDED_TIMES, ..*row };
        let rate = |recording| row.run(tracing, Share::NONE, recording).throughput_per_s();
        let ratios = (0..row.pairs).map(|pair| {
            // Which of the two comes first must not decide.
            if pair % 2 == 0 {
                let without = rate(Recording::Nothing);
                rate(Recording::All) / without
            } else {
                let with = rate(Recording::All);
                with / rate(Recording::Nothing)
            }
        });
        let ratios: Vec<f64> = ratios.collect();
        let (least, most) = interval(&ratios);
        let median = Spread::from(ratios).median;
        let holds = if most < RECORDED_AT_LEAST { "does not hold" } else { "holds" };
        writeln!(
            say,
            "{:<10}{median:.3}, 95 % interval of the median {least:.3} to {most:.3}; at least {RECORDED_AT_LEAST}: {holds}",
            Scheme::default().name()
        )?;
    }
    Ok(())
}

/// Where the median lies with a probability of 95 % at least, by the ranks of what was measured (the sign test turned
/// round; of nine, the second to the eighth: 96 %).
fn interval(measured: &[f64]) -> (f64, f64) {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    // How likely fewer than `rank` of n lie below the median.
    let below = |rank: usize| {
        let (mut ways, mut sum) = (1.0, 0.0);
        for k in 0..rank {
            sum += ways;
            ways *= float(n - k) / float(k + 1);
        }
        sum * 0.5_f64.powi(i32::try_from(n).expect("few"))
    };
    let rank = (1..=n / 2).take_while(|rank| 2.0 * below(*rank) <= 0.05).last().unwrap_or(1);
    (sorted[rank - 1], sorted[n - rank])
}

fn float(count: usize) -> f64 {
    u32::try_from(count).expect("few").into()
}

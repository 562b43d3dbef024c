//! What goes wrong, by the kind of run.

use std::time::Duration;

use rand::RngExt as _;
use rand_pcg::Pcg64Mcg;
use strum::VariantArray as _;

use super::super::chance::{PerMille, Span, choose};
use super::{Fault, FaultProfile, Moment, PlannedFault};
use bank::Member;
use replication::Instant;
use replication::passbook::Storage;

/// Draws what goes wrong within `window`.
pub(super) fn draw(
    random: &mut Pcg64Mcg,
    profile: FaultProfile,
    branches: u16,
    storage: Storage,
    window: Duration,
) -> Vec<PlannedFault> {
    let mut draw = Draw { random, branches, window, faults: Vec::new() };
    match profile {
        FaultProfile::Healthy
        | FaultProfile::NearZero
        | FaultProfile::Contended
        | FaultProfile::Roaming => {}
        FaultProfile::Lossy => draw.several(0..=2, Draw::reset),
        FaultProfile::Partitions => draw.several(1..=4, Draw::partition),
        FaultProfile::Crashes => {
            draw.several(1..=4, Draw::crash);
            if draw.random.random_ratio(1, 8) {
                draw.power_loss_everywhere();
            }
        }
        FaultProfile::Disks => {
            draw.several(1..=3, Draw::disk_trouble);
            draw.several(0..=1, Draw::crash);
        }
        FaultProfile::Deaths => draw.several(1..=usize::from(branches), Draw::death),
        FaultProfile::Pauses => draw.several(1..=3, Draw::pause),
        FaultProfile::OldCopies => {
            draw.several(0..=2, Draw::crash);
            draw.several(0..=1, Draw::partition);
            draw.old_copy();
        }
        FaultProfile::Everything => draw.anything(storage),
    }
    draw.faults.sort_by_key(|timed| timed.at);
    draw.faults
}

struct Draw<'a> {
    random: &'a mut Pcg64Mcg,
    branches: u16,
    window: Duration,
    faults: Vec<PlannedFault>,
}

/// Draws a fault of one kind, or some that belong together.
type Draws<'a> = fn(&mut Draw<'a>);

impl<'a> Draw<'a> {
    fn several(&mut self, range: std::ops::RangeInclusive<usize>, mut one: impl FnMut(&mut Self)) {
        for _ in 0..self.random.random_range(range) {
            one(self);
        }
    }

    fn anything(&mut self, storage: Storage) {
        let mut kinds: Vec<(u32, Draws<'a>)> =
            vec![(4, Self::partition), (1, Self::reset), (2, Self::pause)];
        match storage {
            Storage::Memory => kinds.push((2, Self::death)),
            Storage::Journal => {
                let of_journals: [(u32, Draws<'a>); 3] =
                    [(5, Self::crash), (3, Self::disk_trouble), (1, Self::old_copy)];
                kinds.extend(of_journals);
            }
        }
        for _ in 0..self.random.random_range(3..=8_usize) {
            choose(self.random, &kinds)(self);
        }
    }

    fn member(&mut self) -> Member {
        Member(self.random.random_range(0..self.branches))
    }

    /// Two different branches, if there are as many.
    fn two(&mut self) -> Option<(Member, Member)> {
        let first = self.member();
        let others = self.branches.checked_sub(2)?;
        let second = self.random.random_range(0..=others);
        Some((first, Member(if second >= first.0 { second + 1 } else { second })))
    }

    fn share(&mut self) -> PerMille {
        // The ends are where mistakes are.
        let any = self.random.random_range(0..=1000);
        PerMille(choose(self.random, &[(1, 0), (1, 1000), (2, any)]))
    }

    /// Half of all crashes fall where they fall; the others are aimed.
    fn moment(&mut self) -> Moment {
        if self.random.random_bool(0.5) {
            Moment::Now
        } else {
            Moment::VARIANTS[self.random.random_range(0..Moment::VARIANTS.len())]
        }
    }

    fn at(&mut self) -> Instant {
        Instant(Span { min: Duration::ZERO, max: self.window }.draw(self.random))
    }

    fn push(&mut self, at: Instant, lasts: Duration, fault: Fault) {
        self.faults.push(PlannedFault { at, lasts, fault });
    }

    fn reset(&mut self) {
        if let Some((left, right)) = self.two() {
            let at = self.at();
            self.push(at, Duration::ZERO, Fault::Reset { left, right });
        }
    }

    fn partition(&mut self) {
        let Some((left, right)) = self.two() else {
            return;
        };
        let at = self.at();
        let lasts = Span::millis(20, 1_500).draw(self.random);
        match self.random.random_range(0..7) {
            0..=1 => self.push(at, lasts, Fault::Cut { from: left, to: right }),
            // With three branches or more, the others still hear both.
            2 => self.push(at, lasts, Fault::Split { left, right }),
            3 => self.alone(at, lasts, |one, other| Fault::Split { left: one, right: other }),
            4 => self.alone(at, lasts, |one, other| Fault::Cut { from: one, to: other }),
            5 => self.alone(at, lasts, |one, other| Fault::Cut { from: other, to: one }),
            _ => self.flapping(at, left, right),
        }
    }

    /// One branch against all others.
    fn alone(&mut self, at: Instant, lasts: Duration, fault: impl Fn(Member, Member) -> Fault) {
        let one = self.member();
        for other in (0..self.branches).map(Member).filter(|other| *other != one) {
            self.push(at, lasts, fault(one, other));
        }
    }

    fn flapping(&mut self, mut at: Instant, left: Member, right: Member) {
        for _ in 0..self.random.random_range(3..=8_usize) {
            let lasts = Span::millis(1, 60).draw(self.random);
            let fault = match self.random.random_range(0..3) {
                0 => Fault::Reset { left, right },
                1 => Fault::Cut { from: left, to: right },
                _ => Fault::Split { left, right },
            };
            self.push(at, lasts, fault);
            at = at.after(lasts + Span::millis(1, 80).draw(self.random));
        }
    }

    fn crash(&mut self) {
        let (branch, keep, at, when) = (self.member(), self.share(), self.at(), self.moment());
        let lasts = Span::millis(5, 1_200).draw(self.random);
        let fault = match self.random.random_range(0..5) {
            0..=1 => Fault::Kill { branch, when },
            2..=3 => Fault::PowerLoss { branch, when, keep, torn: self.random.random_bool(0.5) },
            _ => Fault::Death { branch, when },
        };
        self.push(at, lasts, fault);
        // What survived in the page cache is not on disk: a second crash shows it.
        if self.random.random_ratio(1, 4) {
            let again = at.after(lasts + Span::micros(0, 8_000).draw(self.random));
            let (keep, when) = (self.share(), self.moment());
            self.push(again, lasts / 2, Fault::PowerLoss { branch, when, keep, torn: true });
        }
    }

    fn power_loss_everywhere(&mut self) {
        let at = self.at();
        for branch in (0..self.branches).map(Member) {
            let (keep, torn) = (self.share(), self.random.random_bool(0.5));
            let lasts = Span::millis(5, 400).draw(self.random);
            let when = Moment::Now;
            self.push(at, lasts, Fault::PowerLoss { branch, when, keep, torn });
        }
    }

    fn disk_trouble(&mut self) {
        let (branch, keep, at) = (self.member(), self.share(), self.at());
        let lasts = Span::millis(20, 1_200).draw(self.random);
        if self.random.random_bool(0.5) {
            self.push(at, lasts, Fault::SyncFails { branch, keep });
        } else {
            let free = self.random.random_range(0..=40);
            self.push(at, lasts, Fault::Full { branch, free });
        }
    }

    fn death(&mut self) {
        let (branch, at, when) = (self.member(), self.at(), self.moment());
        let lasts = Span::millis(5, 800).draw(self.random);
        let fault = if self.random.random_bool(0.5) {
            Fault::Kill { branch, when }
        } else {
            Fault::Death { branch, when }
        };
        self.push(at, lasts, fault);
    }

    fn pause(&mut self) {
        let (branch, at) = (self.member(), self.at());
        let lasts = choose(self.random, &[(3, Span::millis(1, 60)), (3, Span::millis(50, 2_000))]);
        let lasts = lasts.draw(self.random);
        self.push(at, lasts, Fault::Pause { branch });
    }

    fn old_copy(&mut self) {
        let (branch, keep, at) = (self.member(), self.share(), self.at());
        let lasts = Span::millis(5, 500).draw(self.random);
        let fault = if self.random.random_ratio(2, 3) {
            Fault::OldCopy { branch, keep }
        } else {
            Fault::Hole { branch, place: keep }
        };
        self.push(at, lasts, fault);
    }
}

impl Fault {
    /// Which branches it names; twice the same if it is but one.
    pub(in super::super) const fn branches(self) -> [Member; 2] {
        match self {
            Self::Cut { from, to } => [from, to],
            Self::Split { left, right } | Self::Reset { left, right } => [left, right],
            Self::Kill { branch, .. }
            | Self::PowerLoss { branch, .. }
            | Self::Death { branch, .. }
            | Self::SyncFails { branch, .. }
            | Self::Full { branch, .. }
            | Self::Pause { branch }
            | Self::OldCopy { branch, .. }
            | Self::Hole { branch, .. } => [branch, branch],
        }
    }
}

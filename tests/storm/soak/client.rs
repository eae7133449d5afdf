//! Claims, moves, leases and gives back, beside the model of all that it holds.

use std::sync::atomic::Ordering::SeqCst;

use provider_tree::{Claim, Error, Expect, Provider};
use shared::operation::{Item, Op, Stock, Stocks};
use uuid::Uuid;

use super::{CPUS, Corner, Flag, Site, pause};
use crate::VCPU;
use crate::rig::{Gust, Rng};
use crate::tenant::{Line, Tenant};

/// Most consumers that hold something, and most that hold it as a lease.
const BOOKED: usize = 16;
const LEASED: usize = 16;

pub(super) struct Client<'a> {
    site: &'a Site,
    corner: Corner,
    tenant: &'a mut Tenant,
    /// The consumer that lives where the inventory is.
    resident: Uuid,
}

impl<'a> Client<'a> {
    pub(super) fn new(
        site: &'a Site,
        corner: Corner,
        tenant: &'a mut Tenant,
        gust: &mut Gust<'_>,
    ) -> Self {
        // Not one of those that the client chooses from.
        let resident = Uuid::from_u64_pair(gust.seat as u64 + 1, u64::MAX);
        let mut client = Client { site, corner, tenant, resident };
        let settle = Op::Claim(resident, vec![(corner.shapes[0], VCPU, CPUS)]);
        assert!(client.make(gust, "settle", &settle), "it fits");
        client
    }

    pub(super) fn act(&mut self, gust: &mut Gust<'_>) {
        while self.holders(|deadline| deadline.is_none()).len() > BOOKED {
            self.release(gust);
        }
        match gust.rng.below(30) {
            0..=2 => self.claim(gust),
            3..=4 => self.claim_on_a_condition(gust),
            5..=6 => self.claim_along_a_chain(gust),
            7 => self.claim_in_part(gust),
            8 => self.claim_as_a_gang(gust),
            9..=10 => self.race(gust),
            11 => self.relocate(gust),
            12 => self.swap(gust),
            13 => self.evict_and_place(gust),
            14 => self.reshape(gust),
            15 => self.cordon(gust),
            16..=18 => self.lease(gust),
            19..=22 => self.end_or_renew(gust),
            23 if gust.rng.percent(20) => self.site.expire(gust, &mut self.tenant.worker),
            24..=27 => self.act_as_tenant(gust),
            28 => self.tenant.check_that_what_is_held_stays(gust),
            _ => self.release(gust),
        }
    }

    /// Makes a call that providers may refuse; says whether they have not.
    fn make(&mut self, gust: &mut Gust<'_>, what: &'static str, op: &Op<Provider>) -> bool {
        let site = self.site;
        self.tenant.make(gust, what, op, |error| site.explains(error)).is_some()
    }

    /// The consumers that hold something, in good standing or with such a deadline.
    fn holders(&self, is_wanted: impl Fn(Option<u64>) -> bool) -> Vec<Uuid> {
        let all = self.tenant.holders().filter(|(consumer, _)| *consumer != self.resident);
        all.filter(|(_, deadline)| is_wanted(*deadline)).map(|(consumer, _)| consumer).collect()
    }

    fn newcomer(&self, rng: &mut Rng) -> Uuid {
        self.tenant.newcomers(rng).next().expect("there are more than may hold something")
    }

    /// Such consumers as nobody ends but this client, each with its generation.
    fn some_settled<const N: usize>(&self, rng: &mut Rng) -> Option<[(Uuid, Expect); N]> {
        let mut settled = self.holders(|deadline| deadline.is_none());
        (settled.len() >= N).then(|| {
            std::array::from_fn(|_| {
                let consumer = settled.swap_remove(rng.index(settled.len()));
                (consumer, self.generation(consumer))
            })
        })
    }

    fn generation(&self, consumer: Uuid) -> Expect {
        let held = self.tenant.held(consumer);
        Expect::Generation(held.expect("it holds something").generation)
    }

    fn claim(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = self.wish(&mut gust.rng);
        let claim = Op::Claim(consumer, lines);
        self.make(gust, "claim", &claim);
        if gust.rng.percent(10) {
            self.make(gust, "claim", &claim);
        }
    }

    /// A generation that is over never comes back.
    fn claim_on_a_condition(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = self.wish(&mut gust.rng);
        let provider = self.site.someone(&mut gust.rng);
        let Ok(data) = self.site.tree.configuration(&provider) else { return };
        let is_over = data.generation > 0 && gust.rng.percent(20);
        let rested_on = data.generation - u64::from(is_over);
        let claim = Op::RestOn(consumer, lines, provider, rested_on);
        let (site, what) = (self.site, "claim on a condition");
        let made = self.tenant.make(gust, what, &claim, |error| match error {
            Error::GenerationConflict { actual, .. } => *actual > rested_on,
            error => site.explains(error),
        });
        assert!(made.is_none() || !is_over, "{provider:?} is past generation {rested_on}");
    }

    /// What a new consumer may want.
    fn wish(&self, rng: &mut Rng) -> (Uuid, Vec<Line>) {
        (self.newcomer(rng), self.site.some_lines(rng))
    }

    /// It is one of the two chains that there are, whole.
    fn claim_along_a_chain(&mut self, gust: &mut Gust<'_>) {
        let (consumer, amount) = (self.newcomer(&mut gust.rng), gust.rng.up_to(3));
        let (site, tenant) = (self.site, &mut *self.tenant);
        let chain = Op::Chain(consumer, (site.desk, VCPU, amount));
        let outcome = tenant.call(gust, &chain);
        let held = site.tree.allocations(consumer).map_or(vec![], |held| held.allocations);
        let is_held = |line: &Line| held.iter().any(|held| held.provider == line.0.uuid());
        let claims = site.teams.map(|team| {
            let lines = [site.organisation, team].map(|it| (it, VCPU, amount)).to_vec();
            (lines.iter().all(is_held), Op::Claim(consumer, lines))
        });
        let mut claims = claims.into_iter().filter(|(is_held, _)| *is_held == outcome.is_ok());
        let claim = claims.find(|(is_held, claim)| *is_held || tenant.explains(claim, &outcome));
        let (_, claim) = claim.unwrap_or_else(|| panic!("not one chain: {outcome:?}, {held:?}"));
        tenant.conclude(gust, "claim along a chain", &claim, outcome, |error| site.explains(error));
    }

    fn claim_in_part(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = self.wish(&mut gust.rng);
        self.make(gust, "claim in part", &Op::Partly(consumer, lines));
    }

    fn claim_as_a_gang(&mut self, gust: &mut Gust<'_>) {
        let size = 1 + gust.rng.up_to(4);
        let at_least = gust.rng.up_to(size) as usize;
        let all: Vec<_> = self.tenant.newcomers(&mut gust.rng).take(size as usize).collect();
        let member = |consumer| (consumer, self.site.some_lines(&mut gust.rng));
        let members = all.into_iter().map(member).collect();
        self.make(gust, "gang", &Op::Gang(members, at_least));
    }

    /// Claims what all want, or gives it back: nobody else has it meanwhile.
    fn race(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (flag, seat) = (gust.rng.pick(&site.flags), gust.seat + 1);
        if flag.owner.load(SeqCst) == seat {
            self.lower(gust, flag);
            return;
        }
        let claim = Claim::new(flag.consumer).take(&site.hosts[0], VCPU, gust.rng.up_to(2));
        let won = gust.expect("claim of one for many", self.tenant.worker.claim(&claim), |error| {
            matches!(error, Error::ConsumerExists { .. } | Error::AlreadyHeld { .. })
                || site.explains(error)
        });
        if won.is_some() {
            assert_eq!(flag.owner.swap(seat, SeqCst), 0, "two have {}", flag.consumer);
        }
    }

    fn lower(&mut self, gust: &mut Gust<'_>, flag: &Flag) {
        assert_eq!(flag.owner.swap(0, SeqCst), gust.seat + 1);
        gust.expect("release", self.tenant.worker.release(flag.consumer), |_| false);
    }

    /// Gives back what is not for all to give back.
    pub(super) fn leave(&mut self, gust: &mut Gust<'_>) {
        let seat = gust.seat + 1;
        let own = self.site.flags.iter().filter(|flag| flag.owner.load(SeqCst) == seat);
        own.for_each(|flag| self.lower(gust, flag));
        assert!(self.make(gust, "release", &Op::Release(self.resident)), "it is settled");
    }

    fn release(&mut self, gust: &mut Gust<'_>) {
        if let Some([(consumer, _)]) = self.some_settled(&mut gust.rng) {
            assert!(self.make(gust, "release", &Op::Release(consumer)), "it is held");
        }
    }

    fn act_as_tenant(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let lines = site.some_lines(&mut gust.rng);
        self.tenant.act(gust, &lines, |error| site.explains(error));
    }

    fn relocate(&mut self, gust: &mut Gust<'_>) {
        let Some([(consumer, expect)]) = self.some_settled(&mut gust.rng) else { return };
        let lines = self.site.some_lines(&mut gust.rng);
        self.make(gust, "move", &Op::Commit(vec![Item::Replace(consumer, lines, expect)]));
    }

    /// Two change places. What goes to each is given back by the other, so that there is room.
    fn swap(&mut self, gust: &mut Gust<'_>) {
        let Some([one, other]) = self.some_settled(&mut gust.rng) else { return };
        let [lines, others] = [one, other].map(|(consumer, _)| self.tenant.lines_of(consumer));
        let swap = Op::Commit(vec![
            Item::Replace(one.0, others, one.1),
            Item::Replace(other.0, lines, other.1),
        ]);
        self.tenant.make(gust, "swap", &swap, self_made_room);
    }

    fn evict_and_place(&mut self, gust: &mut Gust<'_>) {
        let Some([(old, expect)]) = self.some_settled(&mut gust.rng) else { return };
        let (new, lines) = (self.newcomer(&mut gust.rng), self.tenant.lines_of(old));
        if new != old {
            let batch = Op::Commit(vec![Item::Release(old, expect), Item::Claim(new, lines)]);
            self.tenant.make(gust, "evict and place", &batch, self_made_room);
        }
    }

    /// The inventory moves from one provider to the other, with what is held of it.
    fn reshape(&mut self, gust: &mut Gust<'_>) {
        let home = self.tenant.lines_of(self.resident)[0].0;
        let [one, other] = self.corner.shapes;
        let next = if home == one { other } else { one };
        let cpus = Stocks::from([(VCPU, Stock::of(CPUS))]);
        let lines = vec![(next, VCPU, CPUS)];
        let reshape = Op::Commit(vec![
            Item::SetInventories(home, Stocks::new(), Expect::Any),
            Item::SetInventories(next, cpus, Expect::Any),
            Item::Replace(self.resident, lines, self.generation(self.resident)),
        ]);
        assert!(self.tenant.make(gust, "reshape", &reshape, |_| false).is_some());
    }

    /// While door and room are cordoned, and nobody else could end that, nothing more is taken.
    fn cordon(&mut self, gust: &mut Gust<'_>) {
        let (tree, Corner { door, room, .. }) = (&self.site.tree, self.corner);
        let used = || [door, room].map(|it| tree.usage(&it, VCPU).expect("it stays").used);
        assert_eq!(tree.cordon(&door), Ok(true));
        let mut before = used();
        for provider in [door, room] {
            let claim = Op::Claim(self.newcomer(&mut gust.rng), vec![(provider, VCPU, 1)]);
            let cordoned = Error::Cordoned { provider: provider.uuid() };
            let made = self.tenant.make(gust, "claim", &claim, |error| *error == cordoned);
            assert!(made.is_none(), "{provider:?} is cordoned");
            pause(&mut gust.rng);
            let after = used();
            assert!(after[0] <= before[0] && after[1] <= before[1], "{before:?}, then {after:?}");
            before = after;
        }
        assert_eq!(tree.is_cordoned(&room), Ok(true));
        assert_eq!(tree.uncordon(&door), Ok(true));
        gust.count("cordon");
    }

    fn lease(&mut self, gust: &mut Gust<'_>) {
        if self.holders(|deadline| deadline.is_some()).len() > LEASED {
            self.end_or_renew(gust);
        }
        let (consumer, lines) = self.wish(&mut gust.rng);
        let deadline = self.site.now() + gust.rng.up_to(400);
        self.make(gust, "lease", &Op::Lease(consumer, lines, deadline));
    }

    /// Does something with a lease, which may be over.
    fn end_or_renew(&mut self, gust: &mut Gust<'_>) {
        let leased = self.holders(|deadline| deadline.is_some());
        if leased.is_empty() {
            return;
        }
        let due = |consumer: &Uuid| self.tenant.held(*consumer).and_then(|held| held.deadline);
        let on_the_verge = gust.rng.percent(50);
        let next = leased.iter().copied().min_by_key(due).filter(|_| on_the_verge);
        let consumer = next.unwrap_or(*gust.rng.pick(&leased));
        let mut now = self.site.now();
        if let Some(deadline) = due(&consumer).filter(|_| on_the_verge) {
            // By this client's clock the lease is good still, while others expire it by theirs.
            now = deadline.0 - 1;
            self.site.clock.fetch_max(deadline.0, SeqCst);
            (0..gust.rng.below(300)).for_each(|_| std::hint::spin_loop());
        }
        match gust.rng.below(8) {
            0..=2 => {
                self.make(gust, "confirm", &Op::Confirm(consumer, now));
                self.make(gust, "cancel", &Op::Cancel(consumer));
            }
            3..=4 => {
                let later = now + gust.rng.up_to(400);
                self.make(gust, "renew", &Op::Renew(consumer, later, now));
            }
            5 => {
                let lines = self.site.some_lines(&mut gust.rng);
                let replace = Op::Replace(consumer, lines, self.generation(consumer));
                self.make(gust, "replace a lease", &replace);
            }
            6 => {
                self.make(gust, "release a lease", &Op::Release(consumer));
            }
            _ => {
                self.make(gust, "cancel", &Op::Cancel(consumer));
            }
        }
    }
}

/// Refusals of a batch that takes just what it gives back.
fn self_made_room(error: &Error) -> bool {
    matches!(error, Error::Cordoned { .. } | Error::UnitViolation { .. })
}

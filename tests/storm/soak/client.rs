//! Claims, moves, leases and gives back, with books of all that it holds.

use std::sync::atomic::Ordering::SeqCst;

use provider_tree::{
    Batch, Error, Expect, Inventories, Lease, Provider, Receipt, ResourceClass, Result, Worker,
};
use uuid::Uuid;

use super::{CPUS, Corner, Flag, Side, Site, cpus, pause, sum, wanted};
use crate::VCPU;
use crate::rig::{Gust, Rng};
use crate::tenant::{Line, Sums};

/// Most consumers in a client's books, and most leases.
const BOOKED: usize = 16;

/// A lease, as its owner last knew it.
struct Leased {
    lease: Lease,
    generation: u64,
    deadline: u64,
}

pub(super) struct Client<'a> {
    site: &'a Site,
    corner: Corner,
    worker: Worker,
    /// Consumers that nobody else changes, at these generations.
    books: Vec<(Uuid, u64)>,
    leases: Vec<Leased>,
    /// The consumer that lives where the inventory is, and the index of that shape.
    resident: (Uuid, u64),
    home: usize,
}

impl<'a> Client<'a> {
    pub(super) fn new(site: &'a Site, corner: Corner, gust: &mut Gust<'_>) -> Self {
        let mut worker = site.tree.worker().expect("a worker");
        let resident = gust.rng.uuid();
        let settled = worker.claim(&wanted(resident, &[(corner.shapes[0], VCPU, CPUS)]));
        let settled = gust.expect("settle", settled, |_| false).expect("it fits");
        let (books, leases) = (Vec::new(), Vec::new());
        let resident = (resident, settled.generation);
        Client { site, corner, worker, books, leases, resident, home: 0 }
    }

    pub(super) fn act(&mut self, gust: &mut Gust<'_>) {
        if self.books.len() > BOOKED {
            self.release(gust);
        }
        match gust.rng.below(24) {
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
            19..=20 => self.end_or_renew(gust),
            21 if gust.rng.percent(20) => self.site.expire(gust, &mut self.worker),
            _ => self.release(gust),
        }
    }

    /// What a consumer holds now; none if it does not exist.
    fn held(&self, consumer: Uuid) -> Option<(u64, Sums)> {
        let found = self.site.tree.allocations(consumer)?;
        let amounts = found.allocations.iter();
        let sums = amounts.map(|held| ((held.provider, held.class), held.amount)).collect();
        Some((found.generation, sums))
    }

    /// The same with handles. What is held can't go.
    fn lines_of(&self, consumer: Uuid) -> Vec<Line> {
        let (_, sums) = self.held(consumer).expect("in the books");
        let line = |((provider, class), amount): ((Uuid, ResourceClass), u64)| {
            (self.site.tree.find(provider).expect("held, so it exists"), class, amount)
        };
        sums.into_iter().map(line).collect()
    }

    /// Books a new consumer, or makes sure that there is none.
    fn conclude(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        (consumer, lines): (Uuid, &[Line]),
        made: Result<Receipt>,
        explained: impl Fn(&Error) -> bool,
    ) {
        let site = self.site;
        match gust.expect(what, made, |error| site.explains(error) || explained(error)) {
            Some(receipt) => {
                let Receipt { consumer: made, generation } = receipt;
                assert_eq!(made, consumer);
                assert_eq!(self.held(consumer), Some((generation, sum(lines))));
                self.books.push((consumer, generation));
            }
            None => assert_eq!(self.held(consumer), None, "a refused {what}"),
        }
    }

    fn claim(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = (gust.rng.uuid(), self.site.some_lines(&mut gust.rng));
        let claim = wanted(consumer, &lines);
        let made = self.worker.claim(&claim);
        if let (Ok(Receipt { generation, .. }), true) = (&made, gust.rng.percent(10)) {
            let again = self.worker.claim(&claim);
            assert_eq!(again, Err(Error::AlreadyHeld { consumer, generation: *generation }));
        }
        self.conclude(gust, "claim", (consumer, &lines), made, |_| false);
    }

    /// A generation that is over never comes back.
    fn claim_on_a_condition(&mut self, gust: &mut Gust<'_>) {
        let (consumer, lines) = (gust.rng.uuid(), self.site.some_lines(&mut gust.rng));
        let provider = self.site.someone(&mut gust.rng);
        let Ok(data) = self.site.tree.data(&provider) else { return };
        let is_over = data.generation > 0 && gust.rng.percent(20);
        let rested_on = data.generation - u64::from(is_over);
        let claim = wanted(consumer, &lines).rest_on(&provider, rested_on);
        let made = self.worker.claim(&claim);
        assert!(made.is_err() || !is_over, "{provider:?} is past generation {rested_on}");
        self.conclude(gust, "claim on a condition", (consumer, &lines), made, |error| {
            matches!(error, Error::GenerationConflict { provider: at, expected, actual }
                if *at == provider.uuid() && *expected == rested_on && *actual > rested_on)
        });
    }

    fn claim_along_a_chain(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (consumer, amount) = (gust.rng.uuid(), gust.rng.up_to(3));
        let host = *gust.rng.pick(&site.hosts);
        let claim = wanted(consumer, &[(host, VCPU, amount)]).take_chain(&site.desk, VCPU, amount);
        let made = self.worker.claim(&claim);
        let made = gust.expect("claim along a chain", made, |error| site.explains(error));
        if let Some(Receipt { generation, .. }) = made {
            let held = self.held(consumer).expect("just claimed");
            let along =
                |team: Provider| sum(&[host, site.organisation, team].map(|it| (it, VCPU, amount)));
            let chains = site.teams.map(|team| (generation, along(team)));
            assert!(chains.contains(&held), "not one chain: {held:?}");
            self.books.push((consumer, generation));
        }
    }

    fn claim_in_part(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (consumer, lines) = (gust.rng.uuid(), site.some_lines(&mut gust.rng));
        let made = self.worker.claim_partly(&wanted(consumer, &lines));
        let all_explained = |refused: &[(usize, Error)]| {
            refused.iter().all(|(at, error)| *at < lines.len() && site.explains(error))
        };
        let made = gust.expect("claim in part", made, |error| match error {
            Error::TooFewFit { fit: 0, at_least: 1, refused } => {
                refused.len() == lines.len() && all_explained(refused)
            }
            _ => false,
        });
        let Some(made) = made else {
            assert_eq!(self.held(consumer), None);
            return;
        };
        assert!(all_explained(&made.refused), "{made:?}");
        let is_had = |at: &usize| made.refused.iter().all(|(refused, _)| refused != at);
        let had = (0..lines.len()).filter(is_had).map(|at| &lines[at]);
        let generation = made.receipt.generation;
        assert_eq!(self.held(consumer), Some((generation, sum(had))));
        self.books.push((consumer, generation));
    }

    fn claim_as_a_gang(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let size = 1 + gust.rng.up_to(4) as usize;
        let at_least = gust.rng.up_to(size as u64) as usize;
        let member = |rng: &mut Rng| (rng.uuid(), site.some_lines(rng));
        let members: Vec<_> = (0..size).map(|_| member(&mut gust.rng)).collect();
        let claims: Vec<_> =
            members.iter().map(|(consumer, lines)| wanted(*consumer, lines)).collect();
        let made = self.worker.claim_gang(&claims, at_least);
        let made = gust.expect("gang", made, |error| match error {
            Error::TooFewFit { fit, at_least: needed, refused } => {
                *needed == at_least
                    && *fit < at_least
                    && fit + refused.len() == size
                    && refused.iter().all(|(_, error)| site.explains(error))
            }
            _ => false,
        });
        let made = made.inspect(|made| {
            assert!(made.iter().filter(|member| member.is_ok()).count() >= at_least, "{made:?}");
        });
        for (at, (consumer, lines)) in members.iter().enumerate() {
            match made.as_ref().map(|made| &made[at]) {
                Some(Ok(receipt)) => {
                    assert_eq!(receipt.consumer, *consumer);
                    assert_eq!(self.held(*consumer), Some((receipt.generation, sum(lines))));
                    self.books.push((*consumer, receipt.generation));
                }
                refused => {
                    let reason = refused.and_then(|refused| refused.as_ref().err());
                    assert!(reason.is_none_or(|error| site.explains(error)), "{reason:?}");
                    assert_eq!(self.held(*consumer), None, "a member that was refused");
                }
            }
        }
    }

    /// Claims what all want, or gives it back: nobody else has it meanwhile.
    fn race(&mut self, gust: &mut Gust<'_>) {
        let site = self.site;
        let (flag, seat) = (gust.rng.pick(&site.flags), gust.seat + 1);
        if flag.owner.load(SeqCst) == seat {
            self.lower(gust, flag);
            return;
        }
        let claim = wanted(flag.consumer, &[(site.hosts[0], VCPU, gust.rng.up_to(2))]);
        let won = gust.expect("claim of one for many", self.worker.claim(&claim), |error| {
            matches!(error, Error::ConsumerExists { .. } | Error::AlreadyHeld { .. })
                || site.explains(error)
        });
        if won.is_some() {
            assert_eq!(flag.owner.swap(seat, SeqCst), 0, "two have {}", flag.consumer);
        }
    }

    fn lower(&mut self, gust: &mut Gust<'_>, flag: &Flag) {
        assert_eq!(flag.owner.swap(0, SeqCst), gust.seat + 1);
        gust.expect("release", self.worker.release(flag.consumer), |_| false);
    }

    /// Takes a random consumer out of the books, after a look whether it is as they say.
    fn someone_booked(&mut self, gust: &mut Gust<'_>) -> Option<(Uuid, u64)> {
        if self.books.is_empty() {
            return None;
        }
        let (consumer, generation) = self.books.swap_remove(gust.rng.index(self.books.len()));
        let found = self.held(consumer).map(|(generation, _)| generation);
        assert_eq!(found, Some(generation), "{consumer} is in the books");
        Some((consumer, generation))
    }

    fn release(&mut self, gust: &mut Gust<'_>) {
        if let Some((consumer, generation)) = self.someone_booked(gust) {
            let released = gust.expect("release", self.worker.release(consumer), |_| false);
            assert_eq!(released, Some(Receipt { consumer, generation }));
            assert_eq!(self.held(consumer), None);
        }
    }

    /// Commits a batch; says whether it was made, with these receipts.
    fn commit(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        batch: &Batch,
        receipts: &[(Uuid, u64)],
        explained: impl Fn(&Error) -> bool,
    ) -> bool {
        let receipts: Vec<_> = receipts.iter().map(|&(uuid, of)| (uuid, Some(of))).collect();
        self.commit_new(gust, what, batch, &receipts, explained).is_some()
    }

    /// Commits a batch that begins lives: without a generation, whichever it is. Returns the receipts.
    fn commit_new(
        &mut self,
        gust: &mut Gust<'_>,
        what: &'static str,
        batch: &Batch,
        receipts: &[(Uuid, Option<u64>)],
        explained: impl Fn(&Error) -> bool,
    ) -> Option<Vec<Receipt>> {
        let made = gust.expect(what, self.worker.commit(batch), explained)?;
        assert_eq!(made.len(), receipts.len());
        for (receipt, (consumer, generation)) in made.iter().zip(receipts) {
            assert_eq!(receipt.consumer, *consumer);
            assert!(generation.is_none_or(|expected| receipt.generation == expected));
        }
        Some(made)
    }

    fn relocate(&mut self, gust: &mut Gust<'_>) {
        let Some((consumer, generation)) = self.someone_booked(gust) else { return };
        let (site, lines) = (self.site, self.site.some_lines(&mut gust.rng));
        let batch = Batch::new().replace(wanted(consumer, &lines), Expect::Generation(generation));
        let next = (consumer, generation + 1);
        let moved = self.commit(gust, "move", &batch, &[next], |error| site.explains(error));
        if moved {
            assert_eq!(self.held(consumer), Some((next.1, sum(&lines))));
        }
        self.books.push(if moved { next } else { (consumer, generation) });
    }

    /// Two change places. What goes to each is given back by the other, so that there is room.
    fn swap(&mut self, gust: &mut Gust<'_>) {
        let Some(one) = self.someone_booked(gust) else { return };
        let other = self.someone_booked(gust);
        let mut after = vec![Some(one), other];
        if let Some(other) = other {
            let lines = [one, other].map(|(consumer, _)| self.lines_of(consumer));
            let batch = Batch::new()
                .replace(wanted(one.0, &lines[1]), Expect::Generation(one.1))
                .replace(wanted(other.0, &lines[0]), Expect::Generation(other.1));
            let next = [one, other].map(|(consumer, generation)| (consumer, generation + 1));
            if self.commit(gust, "swap", &batch, &next, self_made_room) {
                let held = next.map(|(consumer, _)| self.held(consumer));
                assert_eq!(held[0], Some((next[0].1, sum(&lines[1]))));
                assert_eq!(held[1], Some((next[1].1, sum(&lines[0]))));
                after = next.map(Some).to_vec();
            }
        }
        self.books.extend(after.into_iter().flatten());
    }

    fn evict_and_place(&mut self, gust: &mut Gust<'_>) {
        let Some((old, generation)) = self.someone_booked(gust) else { return };
        let (new, lines) = (gust.rng.uuid(), self.lines_of(old));
        let batch =
            Batch::new().release(old, Expect::Generation(generation)).claim(wanted(new, &lines));
        let receipts = [(old, Some(generation)), (new, None)];
        let made = self.commit_new(gust, "evict and place", &batch, &receipts, self_made_room);
        let (stays, goes) = if made.is_some() { (new, old) } else { (old, new) };
        let generation = made.map_or(generation, |made| made[1].generation);
        assert_eq!(self.held(stays), Some((generation, sum(&lines))));
        assert_eq!(self.held(goes), None);
        self.books.push((stays, generation));
    }

    /// The inventory moves from one provider to the other, with what is held of it.
    fn reshape(&mut self, gust: &mut Gust<'_>) {
        let (consumer, generation) = self.resident;
        let shapes = self.corner.shapes;
        let (from, to) = (&shapes[self.home], &shapes[1 - self.home]);
        let batch = Batch::new()
            .set_inventories(from, Inventories::new(), Expect::Any)
            .set_inventories(to, cpus(CPUS), Expect::Any)
            .replace(wanted(consumer, &[(*to, VCPU, CPUS)]), Expect::Generation(generation));
        let next = (consumer, generation + 1);
        assert!(self.commit(gust, "reshape", &batch, &[next], |_| false));
        (self.resident, self.home) = (next, 1 - self.home);
        assert_eq!(self.held(consumer), Some((next.1, sum(&[(*to, VCPU, CPUS)]))));
    }

    /// While door and room are cordoned, and nobody else could end that, nothing more is taken.
    fn cordon(&mut self, gust: &mut Gust<'_>) {
        let (tree, Corner { door, room, .. }) = (&self.site.tree, self.corner);
        let used = || [door, room].map(|it| tree.usage(&it, VCPU).expect("it stays").used);
        assert_eq!(tree.cordon(&door), Ok(true));
        let mut before = used();
        for provider in [door, room] {
            let refused = self.worker.claim(&wanted(gust.rng.uuid(), &[(provider, VCPU, 1)]));
            assert_eq!(refused, Err(Error::Cordoned { provider: provider.uuid() }));
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
        let site = self.site;
        if self.leases.len() > BOOKED {
            self.end_or_renew(gust);
        }
        let (consumer, lines) = (gust.rng.uuid(), site.some_lines(&mut gust.rng));
        let deadline = site.now() + gust.rng.up_to(400);
        let leased = self.worker.lease(&wanted(consumer, &lines), deadline);
        match gust.expect("lease", leased, |error| site.explains(error)) {
            Some(lease) => {
                let Receipt { consumer: leased, generation } = lease.receipt();
                assert_eq!(leased, consumer);
                self.leases.push(Leased { lease, generation, deadline });
            }
            None => assert_eq!(self.held(consumer), None, "a refused lease"),
        }
    }

    /// Does something with a random lease. If that says it has ended, it is over for good.
    fn end_or_renew(&mut self, gust: &mut Gust<'_>) {
        if self.leases.is_empty() {
            return;
        }
        let site = self.site;
        let on_the_verge = gust.rng.percent(50);
        let next = (0..self.leases.len()).min_by_key(|at| self.leases[*at].deadline);
        let random = gust.rng.index(self.leases.len());
        let chosen = next.filter(|_| on_the_verge).unwrap_or(random);
        let Leased { lease, generation, deadline } = self.leases.swap_remove(chosen);
        let consumer = lease.consumer();
        // By this client's clock the lease is good still, while others expire it by theirs.
        let now = if on_the_verge { deadline - 1 } else { site.now() };
        if on_the_verge {
            site.clock.fetch_max(deadline, SeqCst);
            (0..gust.rng.below(300)).for_each(|_| std::hint::spin_loop());
        }
        let ended = |error: &Error| *error == Error::LeaseEnded { consumer };
        match gust.rng.below(8) {
            0..=2 => {
                let confirmed = self.worker.confirm(&lease, now);
                let Some(receipt) = gust.expect("confirm", confirmed, ended) else {
                    return self.bury(gust, &lease, deadline);
                };
                assert!(now < deadline, "confirmed at {now}, due at {deadline}");
                assert_eq!(receipt, Receipt { consumer, generation: generation + 1 });
                let forgotten = self.worker.forget(&lease);
                assert_eq!(forgotten, Err(Error::NotLeased { consumer }), "it is confirmed");
                self.books.push((consumer, receipt.generation));
            }
            3..=4 => {
                let later = now + gust.rng.up_to(400);
                let renewed = self.worker.renew(&lease, later, now);
                let Some(receipt) = gust.expect("renew", renewed, ended) else {
                    return self.bury(gust, &lease, deadline);
                };
                assert_eq!(receipt, Receipt { consumer, generation: generation + 1 });
                let (generation, deadline) = (receipt.generation, later);
                self.leases.push(Leased { lease, generation, deadline });
            }
            5 => {
                let lines = site.some_lines(&mut gust.rng);
                let expect = Expect::Generation(generation);
                let replaced = self.worker.replace(&wanted(consumer, &lines), expect);
                let is_gone = matches!(replaced, Err(Error::ConsumerConflict { actual: None, .. }));
                let replaced = gust
                    .expect("replace a lease", replaced, |error| is_gone || site.explains(error));
                if is_gone {
                    return self.bury(gust, &lease, deadline);
                }
                let generation = generation + u64::from(replaced.is_some());
                self.leases.push(Leased { lease, generation, deadline });
            }
            6 => {
                let released = self.worker.release(consumer);
                let gone = |error: &Error| *error == Error::ConsumerNotFound { consumer };
                if gust.expect("release a lease", released, gone).is_none() {
                    self.bury(gust, &lease, deadline);
                }
            }
            _ => self.bury(gust, &lease, u64::MAX),
        }
    }

    /// Forgets a lease, which may have expired; nothing brings it back.
    fn bury(&mut self, gust: &mut Gust<'_>, lease: &Lease, deadline: u64) {
        let consumer = lease.consumer();
        let ended = Error::LeaseEnded { consumer };
        let now = self.site.now();
        // Without a deadline, the owner just has no use for it.
        assert!(deadline == u64::MAX || now >= deadline, "{now} before {deadline}");
        let forgotten = self.worker.forget(lease);
        if gust.expect("forget", forgotten, |error| *error == ended).is_none() {
            self.site.note_expiry(consumer, Side::Owner);
        }
        assert_eq!(self.worker.confirm(lease, 0), Err(ended.clone()));
        assert_eq!(self.worker.renew(lease, u64::MAX - 1, 0), Err(ended));
        assert_eq!(self.held(consumer), None, "the lease has ended");
    }

    /// Gives everything back.
    pub(super) fn leave(&mut self, gust: &mut Gust<'_>) {
        while !self.books.is_empty() {
            self.release(gust);
        }
        while let Some(leased) = self.leases.pop() {
            self.bury(gust, &leased.lease, u64::MAX);
        }
        let site = self.site;
        for flag in &site.flags {
            if flag.owner.load(SeqCst) == gust.seat + 1 {
                self.lower(gust, flag);
            }
        }
        gust.expect("release", self.worker.release(self.resident.0), |_| false);
    }
}

/// Refusals of a batch that takes just what it gives back.
fn self_made_room(error: &Error) -> bool {
    matches!(error, Error::Cordoned { .. } | Error::UnitViolation { .. })
}

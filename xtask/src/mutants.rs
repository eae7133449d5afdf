//! `cargo xtask loom --mutants`: the models, checked.
//!
//! A model that can't fail proves nothing. Each mutant is a bug seeded into a copy of the sources
//! by replacing pieces of text, each of which must be there exactly once: a mutant whose text is
//! gone is a failure, not a success. The models named beside it must fail on the copy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::loom::{self, Checker};
use crate::metadata::Workspace;
use crate::shell::{self, Failure, failed, heading};

/// A seeded bug and the models that have to catch it.
struct Mutant {
    name: &'static str,
    file: &'static str,
    /// What is replaced by what, each there exactly once.
    edits: &'static [(&'static str, &'static str)],
    /// The test file in `loom-tests`, and its models.
    models: (&'static str, &'static [&'static str]),
}

/// Cells that have changed since a transaction read them are left as they are, and it goes on.
const COMMITS_BLINDLY: &[(&str, &str)] = &[(
    "                    None => return Installed::Mismatch,\n",
    "                    None => {}\n",
)];

/// A change of one cell that came too late is taken for done.
const EXCHANGES_BLINDLY: &[(&str, &str)] = &[(
    "if gate.exchange(old, new).is_err() {\n        return false;",
    "if gate.exchange(old, new).is_err() {\n        return true;",
)];

const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "the checker takes every thread for one that is alone",
        file: "src/sync/model.rs",
        edits: &[("        OTHERS.get() == 0\n", "        true\n")],
        models: ("litmus", &["load_and_exchange_interleave"]),
    },
    Mutant {
        name: "a transaction commits over what it has not seen",
        file: "src/ledger/kcas.rs",
        edits: COMMITS_BLINDLY,
        models: (
            "ledger",
            &["a_slot_is_reused_by_the_next_worker", "three_workers_in_a_ring_all_commit"],
        ),
    },
    Mutant {
        name: "a claim commits over what it has not seen",
        file: "src/ledger/kcas.rs",
        edits: COMMITS_BLINDLY,
        models: (
            "claims",
            &[
                "a_consumers_generation_is_expected_once",
                "a_replacement_and_a_release_of_one_consumer",
                "consumers_cross_between_two_providers",
                "the_last_unit_goes_to_one_of_two",
            ],
        ),
    },
    Mutant {
        name: "a change of structure commits over what it has not seen",
        file: "src/ledger/kcas.rs",
        edits: COMMITS_BLINDLY,
        models: (
            "structure",
            &[
                "a_provider_is_removed_once",
                "moves_never_make_a_cycle",
                "one_provider_is_created_once",
            ],
        ),
    },
    Mutant {
        name: "a failed exchange counts as done for who takes",
        file: "src/ledger/writer.rs",
        edits: EXCHANGES_BLINDLY,
        models: ("claims", &["the_last_unit_is_taken_once"]),
    },
    Mutant {
        name: "a read is not validated",
        file: "src/ledger/read.rs",
        edits: &[("if !gate.still_holds(word) {", "if !gate.still_holds(word) && false {")],
        models: ("ledger", &["a_reader_sees_one_version"]),
    },
    Mutant {
        name: "words are read relaxed",
        file: "src/ledger/record.rs",
        edits: &[(
            "self.words.get(HEADER + index).map_or(0, |word| word.load(Ordering::Acquire))",
            "self.words.get(HEADER + index).map_or(0, |word| word.load(Ordering::Relaxed))",
        )],
        models: ("ledger", &["a_reader_sees_one_version"]),
    },
    Mutant {
        name: "a failed exchange counts as done",
        file: "src/ledger/writer.rs",
        edits: EXCHANGES_BLINDLY,
        models: (
            "ledger",
            &["one_cell_against_one_cell_loses_nothing", "spares_and_cells_change_hands"],
        ),
    },
    Mutant {
        name: "a spare's past is not looked at",
        file: "src/ledger/writer.rs",
        edits: &[("if !gate.still_holds(old) {", "if !gate.still_holds(old) && false {")],
        models: ("snapshots", &["a_spare_that_was_the_next_version"]),
    },
    Mutant {
        name: "a record in force is reused after a failed exchange",
        file: "src/ledger/writer.rs",
        edits: &[(
            "if gate.exchange(old, new).is_err() {\n        return false;",
            "if gate.exchange(old, new).is_err() {\n        stock.trade(ledger, new.record().width(), cell, old.record(), [stamp; 2]);\n        return false;",
        )],
        models: ("ledger", &["one_cell_against_one_cell_loses_nothing"]),
    },
    Mutant {
        name: "records are traded before the commit",
        file: "src/ledger/writer.rs",
        edits: &[(
            "            _ => {\n                give_up(ledger, stock, entries);\n                false\n            }",
            "            _ => {\n                give_up(ledger, stock, entries);\n                for opened in draft.opened.iter().filter(|opened| opened.changed) {\n                    stock.keep(ledger, opened.seen.word.record());\n                }\n                false\n            }",
        )],
        models: ("ledger", &["overlapping_pairs_in_opposite_order_both_commit"]),
    },
    Mutant {
        name: "a touched cell's record becomes a spare",
        file: "src/ledger/descriptor.rs",
        edits: &[("self.old.record() != self.new.record()", "self.old != self.new")],
        models: ("ledger", &["a_condition_is_kept"]),
    },
    Mutant {
        name: "a cell opened twice is two entries",
        file: "src/ledger/transaction.rs",
        edits: &[(
            "if let Some(place) = self.find(cell) {",
            "if let Some(place) = self.find(cell).filter(|_| false) {",
        )],
        models: ("ledger", &["a_cell_opened_twice_is_one"]),
    },
    Mutant {
        name: "cells are installed out of order",
        file: "src/ledger/writer.rs",
        edits: &[("        entries.sort_unstable_by_key(|entry| entry.cell);\n", "")],
        models: ("ledger", &["overlapping_pairs_in_opposite_order_both_commit"]),
    },
    Mutant {
        name: "the tag does not grow on an abort",
        file: "src/ledger/kcas.rs",
        edits: &[(
            "self.release(ticket, participant, |entry| entry.old.next_same());",
            "self.release(ticket, participant, |entry| entry.old);",
        )],
        models: ("ledger", &["a_late_helper_of_an_abort_installs_nothing"]),
    },
    Mutant {
        name: "a decision is a plain store",
        file: "src/ledger/descriptor.rs",
        edits: &[(
            "let _ = self.outcome.compare_exchange(token, outcome, Ordering::AcqRel, Ordering::Acquire);",
            "let _ = token;\n        self.outcome.store(outcome, Ordering::Release);",
        )],
        models: ("ledger", &["a_descriptor_is_reused_under_a_helper"]),
    },
    Mutant {
        name: "a transaction is released before it is decided",
        file: "src/ledger/kcas.rs",
        edits: &[(
            "                        reached(Step::Timed);\n",
            "                        reached(Step::Timed);\n                        self.release(ticket, participant, |entry| entry.new);\n",
        )],
        models: ("ledger", &["a_pair_against_one_cell_and_a_reader"]),
    },
    Mutant {
        name: "a helper acts on an entry without looking at the sequence again",
        file: "src/ledger/descriptor.rs",
        edits: &[("self.serves(ticket).then_some(entry)", "Some(entry)")],
        models: ("ledger", &["a_late_helper_meets_the_owners_next_entries"]),
    },
    Mutant {
        name: "the new sequence is shown after the new entries",
        file: "src/ledger/descriptor.rs",
        edits: &[("        self.status.store(preparing(ticket), Ordering::Release);\n", "")],
        models: ("ledger", &["a_late_helper_meets_the_owners_next_entries"]),
    },
    Mutant {
        name: "a commit releases only its last cell",
        file: "src/ledger/kcas.rs",
        edits: &[(
            "            let _ = self.gates.exchange(entry.cell, word, next(entry));\n",
            "            if position > 0 {\n                let _ = self.gates.exchange(entry.cell, word, next(entry));\n            }\n",
        )],
        models: ("ledger", &["an_owner_stops_after_all_installs"]),
    },
    Mutant {
        name: "a rejection over several cells is not validated",
        file: "src/ledger/writer.rs",
        edits: &[(
            "if self.draft.holds(&self.ledger) {\n                        break Err(error);",
            "if true {\n                        break Err(error);",
        )],
        models: ("ledger", &["a_rejection_rests_on_one_instant"]),
    },
    Mutant {
        name: "a free list's tag does not grow",
        file: "src/ledger/free_list.rs",
        edits: &[(
            "(head >> NUMBER_BITS).wrapping_add(1) << NUMBER_BITS",
            "(head >> NUMBER_BITS) << NUMBER_BITS",
        )],
        models: ("ledger", &["a_free_number_goes_to_one"]),
    },
    Mutant {
        name: "a creation does not look whether its key is taken",
        file: "src/tree/structure.rs",
        edits: &[(
            "if life.state == State::Live {\n        return Err(exists().into());",
            "if life.state == State::Live && false {\n        return Err(exists().into());",
        )],
        models: ("structure", &["one_uuid_is_created_once", "one_name_is_created_once"]),
    },
    Mutant {
        name: "a child does not look whether its parent is there",
        file: "src/tree/structure.rs",
        edits: &[(
            "        Core::check(parent, structure_at(transaction, place).life)?;\n",
            "        let _ = (parent, place);\n",
        )],
        models: ("structure", &["a_child_is_created_or_its_parent_removed"]),
    },
    Mutant {
        name: "a worker believes what it has found before",
        file: "src/claim/find.rs",
        edits: &[("if !ledger.is_in_force(interned.cell, entry.live) {", "if false {")],
        models: ("structure", &["what_a_worker_has_found_is_gone_for_it_too"]),
    },
    Mutant {
        name: "a move does not rest on other moves",
        file: "src/tree/structure.rs",
        edits: &[("            transaction.open(self.moves())?;\n", "")],
        models: ("structure", &["deep_moves_never_make_a_cycle"]),
    },
    Mutant {
        name: "a walk is not compared with the gates at its end",
        file: "src/ledger/read.rs",
        edits: &[("let holds = collect.holds();", "let holds = true;")],
        models: ("structure", &["a_walk_sees_a_move_whole"]),
    },
    Mutant {
        name: "an index entry is removed whatever it holds",
        file: "src/sync/model.rs",
        edits: &[(
            "if map.get(key) == Some(&value) {",
            "if map.get(key).is_some() || map.get(key) == Some(&value) {",
        )],
        models: ("structure", &["a_name_is_created_while_its_owner_goes"]),
    },
    Mutant {
        name: "a move edits a usage cell that may be gone",
        file: "src/tree/structure.rs",
        edits: &[(
            "            if !before.life().is(State::Live, structure.life.incarnation) {\n                return Err(Abort::Torn);\n            }\n            let generation",
            "            let generation",
        )],
        models: ("structure", &["a_move_and_a_removal_follow_one_another"]),
    },
    Mutant {
        name: "a refusal does not rest on the consumer's absence",
        file: "src/claim/worker.rs",
        edits: &[("if core.consumers.hint(&consumer).is_some() {", "if false {")],
        models: ("claims", &["a_replacement_is_never_refused_what_its_consumer_holds"]),
    },
    Mutant {
        name: "a configuration is published after the commit",
        file: "src/tree/configuration.rs",
        edits: &[
            (
                "        self.slot(usage).update(|versions| {\n            let mut versions = versions.map_or_else(Versions::new, |now| (**now).clone());\n            let configuration = Arc::clone(&configuration);\n            versions.push(Version { number: version, configuration, since, until: None });\n            Some(Arc::new(versions))\n        });\n        reached",
                "        let late = Version { number: version, configuration, since, until: None };\n        reached",
            ),
            ("usage, version, in_force: false }", "usage, version, in_force: false, late }"),
            ("    in_force: bool,\n}", "    in_force: bool,\n    late: Version,\n}"),
            (
                "impl Candidate<'_> {\n",
                "impl Candidate<'_> {\n    fn publish(&self) {\n        self.configurations.slot(self.usage).update(|versions| {\n            let mut versions = versions.map_or_else(Versions::new, |now| (**now).clone());\n            versions.push(self.late.clone());\n            Some(Arc::new(versions))\n        });\n    }\n",
            ),
            (
                "        self.in_force = true;\n        self.configurations",
                "        self.publish();\n        self.in_force = true;\n        self.configurations",
            ),
            ("fn begins(mut self) {\n", "fn begins(mut self) {\n        self.publish();\n"),
        ],
        models: ("configuration", &["a_reader_finds_the_configuration_in_force"]),
    },
    Mutant {
        name: "an update takes all other versions away",
        file: "src/tree/configuration.rs",
        edits: &[(
            "let is_needed = candidate.is_needed(ledger);",
            "let is_needed = candidate.is_needed(ledger) && false;",
        )],
        models: ("configuration", &["two_swaps_both_count"]),
    },
    Mutant {
        name: "a configuration is put in force over one that came between",
        file: "src/tree/configure.rs",
        edits: &[(
            "if usage.configuration() != replaced {",
            "if usage.configuration() != replaced && false {",
        )],
        models: ("configuration", &["two_swaps_both_count"]),
    },
    Mutant {
        name: "a removal does not look whether the provider is in use",
        file: "src/tree/structure.rs",
        edits: &[("amounts.used > 0", "amounts.used > u64::MAX - 1")],
        models: ("claims", &["a_claim_and_a_removal_have_one_winner"]),
    },
    Mutant {
        name: "a second claim replaces the first",
        file: "src/claim/worker.rs",
        edits: &[(
            "let generation = admit(known.as_ref())?;",
            "let generation = admit(known.as_ref()).unwrap_or(1);",
        )],
        models: ("claims", &["a_consumer_is_created_once"]),
    },
    Mutant {
        name: "a move does not walk to the root",
        file: "src/tree/structure.rs",
        edits: &[(
            "if self.is_below(transaction, parent_cell, cell)? {",
            "if self.is_below(transaction, parent_cell, cell)? && false {",
        )],
        models: ("populate", &["a_walk_to_the_root_notices_a_population"]),
    },
    Mutant {
        name: "a walk that sees half a population is believed",
        file: "src/ledger/read.rs",
        edits: &[("let holds = collect.holds();", "let holds = true;")],
        models: ("populate", &["a_population_is_seen_whole", "a_dump_adds_up"]),
    },
    Mutant {
        name: "a name that is handed over is freed",
        file: "src/tree/populate/attempt.rs",
        edits: &[("if kept.contains(&cell) {", "if kept.contains(&cell) && false {")],
        models: ("populate", &["swapped_names_are_always_found"]),
    },
    Mutant {
        name: "a population drops what is in use",
        file: "src/tree/populate/attempt.rs",
        edits: &[("        check_unused(transaction, &dropped, &mut faults);\n", "")],
        models: ("populate", &["a_claim_or_the_end_of_its_inventory"]),
    },
    Mutant {
        name: "a parent may go with what is dropped",
        file: "src/tree/populate/attempt.rs",
        edits: &[(
            "stays.push(life.state == State::Live && !dropped.contains(&key.cell));",
            "stays.push(life.state == State::Live || dropped.contains(&key.cell));",
        )],
        models: ("populate", &["a_population_and_a_move_make_no_circle"]),
    },
    Mutant {
        name: "a parent that is only interned will do",
        file: "src/tree/populate/attempt.rs",
        edits: &[(
            "stays.push(life.state == State::Live && ",
            "stays.push(life.state != State::Free && ",
        )],
        models: ("populate", &["a_missing_parent_leaves_nothing_behind"]),
    },
    Mutant {
        name: "a population does not know what it replaces",
        file: "src/tree/populate/attempt.rs",
        edits: &[(
            "(State::Live, State::Live) => Some(words.configuration()),",
            "(State::Live, State::Live) => Some(words.configuration()).filter(|_| false),",
        )],
        models: ("populate", &["two_populations_are_one_after_the_other"]),
    },
    Mutant {
        name: "a removal is not counted among the sharing providers",
        file: "src/tree/structure.rs",
        edits: &[("            sharing.apply(transaction, self.sharing)?;\n", "")],
        models: ("populate", &["sharing_providers_are_counted"]),
    },
    Mutant {
        name: "an update does not look what came between",
        file: "src/tree/configure.rs",
        edits: &[(
            "if usage.configuration() != replaced {",
            "if usage.configuration() != replaced && false {",
        )],
        models: ("populate", &["two_updates_change_once"]),
    },
    Mutant {
        name: "an expiry ends what was confirmed meanwhile",
        file: "src/claim/lease.rs",
        edits: &[(
            "                    _ => Err(Error::NotLeased { consumer }),\n                });\n                return",
            "                    _ => Ok(()),\n                });\n                return",
        )],
        models: ("leases", &["a_lease_is_confirmed_or_expires", "a_renewed_lease_expires_later"]),
    },
    Mutant {
        name: "a renewal is entered after it is in force",
        file: "src/claim/lease.rs",
        edits: &[
            ("        self.core.agenda.insert(due, consumer);\n", ""),
            (
                "        let over = match &renewed {",
                "        self.core.agenda.insert(due, consumer);\n        let over = match &renewed {",
            ),
        ],
        models: ("leases", &["a_deadline_that_is_seen_is_met"]),
    },
    Mutant {
        name: "a deadline set anew is the same term",
        file: "src/tree/core.rs",
        edits: &[(
            "ticket: self.tickets.fetch_add(1, Ordering::Relaxed) }",
            "ticket: self.tickets.load(Ordering::Relaxed) }",
        )],
        models: ("leases", &["a_deadline_that_comes_back_is_met"]),
    },
    Mutant {
        name: "the entry of a lease that is about to begin is dropped",
        file: "src/claim/lease.rs",
        edits: &[(
            "            _ => Entered::Other,\n        }\n    }",
            "            _ => Entered::Over,\n        }\n    }",
        )],
        models: ("leases", &["a_new_lease_is_found_due"]),
    },
    Mutant {
        name: "two end one lease",
        file: "src/claim/worker.rs",
        edits: &[(
            "            transaction.rewrite(place, &[life.ended().word()]);\n            Ok((generation, term))",
            "            let _ = place;\n            Ok((generation, term))",
        )],
        models: ("leases", &["a_lease_ends_once"]),
    },
    Mutant {
        name: "a cordon does not tell the claims",
        file: "src/tree/cordon.rs",
        edits: &[(
            "            mark_usage(transaction, cell, inherited)?;\n            rest.push",
            "            rest.push",
        )],
        models: ("batches", &["nothing_lands_after_a_cordon"]),
    },
    Mutant {
        name: "a child does not inherit a cordon",
        file: "src/tree/structure.rs",
        edits: &[(
            "structure_at(transaction, parent).cordon.holds();",
            "structure_at(transaction, parent).cordon.holds() && false;",
        )],
        models: ("batches", &["what_comes_below_a_cordon_is_cordoned"]),
    },
    Mutant {
        name: "a subtree that moves does not inherit a cordon",
        file: "src/tree/structure.rs",
        edits: &[(
            "            inherit(transaction, cell, inherited)?;\n",
            "            let _ = inherited;\n",
        )],
        models: ("batches", &["what_moves_below_a_cordon_is_cordoned"]),
    },
    Mutant {
        name: "a batch gives nothing back before it takes",
        file: "src/claim/batch.rs",
        edits: &[(
            "            exchange.give_back(transaction)?;\n",
            "            let _ = exchange;\n",
        )],
        models: ("batches", &["two_consumers_swap_on_full_providers", "a_reshape_is_seen_whole"]),
    },
    Mutant {
        name: "a member of a gang that does not fit leaves what it took",
        file: "src/claim/gang.rs",
        edits: &[(
            "    let checked = Change::of(line).checked(transaction.words(place), core, 0, line.amount);\n    checked.map(drop).map_err(|abort| abort.map(Refused::Error))\n",
            "    let _ = place;\n    take_line(transaction, core, line)\n",
        )],
        models: ("batches", &["a_refused_gang_leaves_nothing_behind"]),
    },
    Mutant {
        name: "a gang counts members that do not fit",
        file: "src/claim/gang.rs",
        edits: &[("if fit < at_least {", "if fit < at_least && false {")],
        models: ("batches", &["gangs_in_opposite_order_follow_one_another"]),
    },
    Mutant {
        name: "a claim does not look at what it rests on",
        file: "src/claim/lines.rs",
        edits: &[("        if actual != expected {", "        if actual != expected && false {")],
        models: ("batches", &["a_condition_holds_at_the_commit"]),
    },
    Mutant {
        name: "no fence before the clock's reading",
        file: "src/ledger/clock.rs",
        edits: &[(
            "        model_fence();\n        // SeqCst: partner of the gate's exchange",
            "        // SeqCst: partner of the gate's exchange",
        )],
        models: ("snapshots", &["a_snapshot_keeps_the_order_of_two_changes"]),
    },
    Mutant {
        name: "a snapshot is registered after it has advanced the clock",
        file: "src/ledger/registry.rs",
        edits: &[(
            "            registration.at.store(at.bits(), Ordering::SeqCst);\n            reached(Step::Registered);\n            if clock.advance(at) {\n",
            "            reached(Step::Registered);\n            if clock.advance(at) {\n                registration.at.store(at.bits(), Ordering::SeqCst);\n",
        )],
        models: ("snapshots", &["a_reader_of_the_past_meets_reuse"]),
    },
    Mutant {
        name: "a reader does not stamp what it shows",
        file: "src/ledger/read.rs",
        edits: &[(
            "        let now = self.stamp_now(gate.cell(), record.stamp_before());\n        match record.set_stamp(token, now) {",
            "        let now = self.clock.now();\n        match Ok::<(), Stamp>(()) {",
        )],
        models: (
            "snapshots",
            &[
                "a_snapshot_keeps_the_order_of_two_changes",
                "a_stamp_noted_by_a_reader_meets_a_snapshot",
            ],
        ),
    },
    Mutant {
        name: "a version that is named no more is not preserved",
        file: "src/ledger/history.rs",
        edits: &[(
            "if self.gates.load_again(cell, word) {",
            "if self.gates.load_again(cell, word) && false {",
        )],
        models: (
            "snapshots",
            &[
                "what_is_left_out_is_found",
                "a_stopped_writers_version_is_left_out",
                "two_leave_out_the_same_version",
            ],
        ),
    },
    Mutant {
        name: "a record is taken back without a copy",
        file: "src/ledger/stock.rs",
        edits: &[(
            "            ledger.preserve(cell, from, until, &words);\n",
            "            let _ = (cell, from, until);\n",
        )],
        models: ("snapshots", &["a_record_is_taken_back_and_used"]),
    },
    Mutant {
        name: "a record that a snapshot needs becomes a spare",
        file: "src/ledger/stock.rs",
        edits: &[(
            "if !self.instants.need(ledger, retired.from, retired.until) {",
            "if !self.instants.need(ledger, retired.from, retired.until) || true {",
        )],
        models: ("snapshots", &["a_reader_of_the_past_meets_reuse"]),
    },
    Mutant {
        name: "a writer looks at the registry before it looks at the clock",
        file: "src/ledger/registry.rs",
        edits: &[
            ("        self.read_at = ledger.clock.now();\n", ""),
            (
                "        self.registered.extend(ledger.registry.instants());\n",
                "        self.registered.extend(ledger.registry.instants());\n        self.read_at = ledger.clock.now();\n",
            ),
        ],
        models: ("snapshots", &["a_snapshot_begins_while_a_writer_looks_for_others"]),
    },
    Mutant {
        name: "a writer looks at the registry only once",
        file: "src/ledger/registry.rs",
        edits: &[(
            "        if until > self.read_at {",
            "        if until > self.read_at && self.read_at == Stamp::BEGINNING {",
        )],
        models: ("snapshots", &["a_snapshot_begins_while_a_writer_looks_for_others"]),
    },
    Mutant {
        name: "each version of a transaction has a stamp of its own",
        file: "src/ledger/kcas.rs",
        edits: &[
            ("if participant.has_written(stamp) {", "if participant.has_written(stamp) && false {"),
            (
                "self.records.get(entry.new.record()).raise_stamp(stamp);",
                "self.records.get(entry.new.record()).raise_stamp(self.clock.now());",
            ),
        ],
        models: ("snapshots", &["a_snapshot_has_a_transaction_whole"]),
    },
    Mutant {
        name: "a transaction keeps the stamp that it was written with",
        file: "src/ledger/kcas.rs",
        edits: &[(
            "if participant.has_written(stamp) {",
            "if participant.has_written(stamp) || true {",
        )],
        models: ("snapshots", &["a_snapshot_has_a_transaction_whole"]),
    },
    Mutant {
        name: "a late helper gives a stamp to another version",
        file: "src/ledger/record.rs",
        edits: &[("if written < stamp {", "if written != stamp {")],
        models: ("snapshots", &["a_late_helper_stamps_no_other_version"]),
    },
    Mutant {
        name: "a transaction reads the clock before it is installed",
        file: "src/ledger/kcas.rs",
        edits: &[
            (
                "            match self.install(ticket, participant) {",
                "            let early = self.stamp_all_now(participant);\n            match self.install(ticket, participant) {",
            ),
            (
                "if let Some(stamp) = self.stamp_all_now(participant) {",
                "if let Some(stamp) = early {",
            ),
        ],
        models: ("snapshots", &["a_snapshot_has_a_transaction_whole"]),
    },
    Mutant {
        name: "the token is written after the words of a draft",
        file: "src/ledger/record.rs",
        edits: &[
            ("        self.words[0].store(stamp.bits(), Ordering::Release);\n", ""),
            (
                "        self.fill(words, length, |value| *value);\n",
                "        self.fill(words, length, |value| *value);\n        self.words[0].store(stamp.bits(), Ordering::Release);\n",
            ),
        ],
        models: ("snapshots", &["a_record_is_taken_back_and_used_by_a_transaction"]),
    },
    Mutant {
        name: "the token is written after the words",
        file: "src/ledger/record.rs",
        edits: &[
            ("        self.words[0].store(token.bits(), Ordering::Release);\n", ""),
            (
                "        (Making(Record { words",
                "        self.words[0].store(token.bits(), Ordering::Release);\n        (Making(Record { words",
            ),
        ],
        models: ("snapshots", &["a_record_is_taken_back_and_used"]),
    },
    Mutant {
        name: "a copy is not validated",
        file: "src/ledger/history.rs",
        edits: &[("(record.stamp() == stamp).then_some(words)", "Some(words)")],
        models: ("snapshots", &["a_record_is_taken_back_and_used"]),
    },
    Mutant {
        name: "a version names nothing earlier than its epoch",
        file: "src/ledger/history.rs",
        edits: &[("true => named.earlier,", "true => RecordNumber::NONE,")],
        models: ("snapshots", &["a_version_of_the_same_epoch_is_passed_over"]),
    },
    Mutant {
        name: "a version names what was before the epoch before it",
        file: "src/ledger/history.rs",
        edits: &[(
            "                named.last\n            }",
            "                named.earlier\n            }",
        )],
        models: ("snapshots", &["what_is_left_out_is_found"]),
    },
    Mutant {
        name: "what is let go is chosen before the history is loaded",
        file: "src/ledger/history.rs",
        edits: &[
            (
                "        let Some(history) = self.histories.get(cell) else { return };\n        history.update(|history| {",
                "        let Some(history) = self.histories.get(cell) else { return };\n        let held = history.with(|history| {\n            let versions = history.map_or(&[][..], |history| &history.0);\n            let held = versions.iter().filter(|version| self.needs(version));\n            held.map(|version| version.from).collect::<Vec<_>>()\n        });\n        history.update(|history| {",
            ),
            (
                "current.0.iter().filter(|version| self.needs(version)).cloned().collect();",
                "current.0.iter().filter(|version| held.contains(&version.from)).cloned().collect();",
            ),
        ],
        models: ("snapshots", &["a_snapshot_ends_while_the_next_is_provided_for"]),
    },
    Mutant {
        name: "a late writer takes another version's stamp",
        file: "src/ledger/writer.rs",
        edits: &[("match gate.still_holds(new) {", "match gate.still_holds(new) || true {")],
        models: ("snapshots", &["a_late_writer_meets_reuse"]),
    },
    Mutant {
        name: "a late writer takes the present for the end of what it replaced",
        file: "src/ledger/writer.rs",
        edits: &[(
            "false => ledger.ended(cell, old.record(), stamp),",
            "false => ledger.clock.now(),",
        )],
        models: ("snapshots", &["a_late_writer_preserves_no_version_of_the_same_epoch"]),
    },
    Mutant {
        name: "a late writer takes its own reading for the end of what it replaced",
        file: "src/ledger/writer.rs",
        edits: &[("false => ledger.ended(cell, old.record(), stamp),", "false => now,")],
        models: ("snapshots", &["two_writers_of_one_cell_and_a_snapshot"]),
    },
    Mutant {
        name: "a late writer does not look whether its record is named",
        file: "src/ledger/history.rs",
        edits: &[(
            "earlier if earlier == named.earlier => before,",
            "earlier if earlier == named.earlier => from,",
        )],
        models: ("snapshots", &["two_writers_of_one_cell_and_a_snapshot"]),
    },
    Mutant {
        name: "a late writer loses what it replaced to a touch",
        file: "src/ledger/history.rs",
        edits: &[("last if last == named.last => stamp,", "last if last == named.last => from,")],
        models: ("snapshots", &["a_late_writer_meets_a_touch"]),
    },
    Mutant {
        name: "a reader of an instant keeps the gate of a cell that comes into use",
        file: "src/ledger/past.rs",
        edits: &[
            ("            let gate = self.gate(cell);\n", ""),
            ("self.read_behind(gate, |_, record, _| {", "self.read_stamped(cell, |record, _| {"),
            (
                "        let at = moment.at();\n        words.clear();\n",
                "        let (at, gate) = (moment.at(), self.gate(cell));\n        words.clear();\n",
            ),
        ],
        models: ("snapshots", &["a_cell_comes_into_use_beside_a_snapshot"]),
    },
    Mutant {
        name: "a change is marked after the clock was read",
        file: "src/ledger/read.rs",
        edits: &[("        let again = self.clock.now();\n", "        let again = now;\n")],
        models: (
            "snapshots",
            &[
                "a_change_is_marked_before_it_is_missed",
                "a_transaction_is_marked_before_it_is_missed",
            ],
        ),
    },
    Mutant {
        name: "a change is not marked",
        file: "src/ledger/read.rs",
        edits: &[(
            "if now == before || now == Stamp::BEGINNING {",
            "if now == before || now == Stamp::BEGINNING || true {",
        )],
        models: (
            "snapshots",
            &["a_change_is_marked_before_it_is_missed", "a_cell_comes_into_use_beside_a_snapshot"],
        ),
    },
    Mutant {
        name: "a transaction is not marked",
        file: "src/ledger/kcas.rs",
        edits: &[(
            "if participant.replaces_only(self, now)? {",
            "if participant.replaces_only(self, now)? || true {",
        )],
        models: ("snapshots", &["a_transaction_is_marked_before_it_is_missed"]),
    },
    Mutant {
        name: "a revoked snapshot is read on",
        file: "src/ledger/past.rs",
        edits: &[("if !self.can_read(moment) {", "if !self.can_read(moment) && false {")],
        models: ("snapshots", &["a_revoked_snapshot_says_so"]),
    },
    Mutant {
        name: "what is kept for a snapshot that ends is not kept for the next",
        file: "src/ledger/registry.rs",
        edits: &[(
            "        while let Some(needing) = self.needing(from, until) {\n            if self.keep_for(needing, kept) {\n                return true;\n            }\n        }\n        false",
            "        self.needing(from, until).is_some_and(|needing| self.keep_for(needing, kept))",
        )],
        models: (
            "snapshots",
            &[
                "a_snapshot_ends_while_its_version_is_preserved",
                "what_a_revoked_snapshot_needed_is_kept_for_the_next",
            ],
        ),
    },
    Mutant {
        name: "what is let go is looked for at the snapshot's last instant",
        file: "src/ledger/registry.rs",
        edits: &[("each(kept.kept, kept.at);", "each(kept.kept, moment.at);")],
        models: ("snapshots", &["a_snapshot_is_registered_twice"]),
    },
];

/// Seeds every mutant whose name contains `filter`, and fails unless its models do.
pub(crate) fn run(workspace: &Workspace, filter: Option<&str>) -> Result<(), Failure> {
    let copy = Copy::make(workspace)?;
    let chosen =
        MUTANTS.iter().filter(|mutant| filter.is_none_or(|part| mutant.name.contains(part)));
    let mut rows = Vec::new();
    let mut survivors = Vec::new();
    for mutant in chosen {
        heading(mutant.name);
        let start = Instant::now();
        let missed = copy.models_that_pass(workspace, mutant)?;
        let caught = if missed.is_empty() { "caught by" } else { "MISSED by" };
        let (_, models) = mutant.models;
        let named = if missed.is_empty() { models.join(", ") } else { missed.join(", ") };
        println!("{caught} {named}");
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        rows.push(vec![mutant.name.to_owned(), caught.to_owned(), named, seconds]);
        if !missed.is_empty() {
            survivors.push(mutant.name);
        }
    }
    println!("\n{}", shell::table(&["mutant", "", "models", "seconds"], &[3], &rows));
    println!("\nmutants: {}, caught: {}", rows.len(), rows.len() - survivors.len());
    match survivors.first() {
        _ if rows.is_empty() => Err(Failure::Usage("no mutant has such a name".to_owned())),
        None => Ok(()),
        Some(first) => Err(failed(format!("not caught: {first}"))),
    }
}

/// A copy of the sources to seed bugs in.
struct Copy {
    root: PathBuf,
}

impl Copy {
    fn make(workspace: &Workspace) -> Result<Copy, Failure> {
        let root = workspace.target_directory().join("mutants/workspace");
        if root.exists() {
            fs::remove_dir_all(&root).map_err(|error| trouble(&root, &error))?;
        }
        copy_tree(workspace.root(), &root)?;
        Ok(Copy { root })
    }

    /// Which of the mutant's models pass in spite of it. The copy is whole again afterwards.
    fn models_that_pass(
        &self,
        workspace: &Workspace,
        mutant: &Mutant,
    ) -> Result<Vec<&'static str>, Failure> {
        let file = self.root.join(mutant.file);
        let sound = fs::read_to_string(&file).map_err(|error| trouble(&file, &error))?;
        let mut seeded = sound.clone();
        for (find, replace) in mutant.edits {
            if seeded.matches(find).count() != 1 {
                let (name, file) = (mutant.name, mutant.file);
                return Err(failed(format!("a text of mutant `{name}` is not once in {file}")));
            }
            seeded = seeded.replace(find, replace);
        }
        fs::write(&file, seeded).map_err(|error| trouble(&file, &error))?;
        let result = self.run_models(workspace, mutant);
        fs::write(&file, sound).map_err(|error| trouble(&file, &error))?;
        result
    }

    fn run_models(
        &self,
        workspace: &Workspace,
        mutant: &Mutant,
    ) -> Result<Vec<&'static str>, Failure> {
        let (test, models) = mutant.models;
        let command = |last: &[&str]| -> Command {
            let mut command = loom::cargo(workspace, Checker::Loom, "test");
            command.current_dir(&self.root).args(["--quiet", "--test", test]).args(last);
            command.env("CARGO_TARGET_DIR", workspace.target_directory().join("mutants/target"));
            // A bug may leave code unused.
            let flags = "--cfg provider_tree_loom --allow warnings";
            command.env("RUSTFLAGS", flags).env("RUST_BACKTRACE", "0");
            command
        };
        // What does not compile would count as caught.
        shell::run(&mut command(&["--no-run"]))?;
        let mut passed = Vec::new();
        for &model in models {
            let mut command = command(&["--", "--exact", model]);
            let output = command.stdin(Stdio::null()).output();
            let output = output.map_err(|error| failed(error.to_string()))?;
            if output.status.success() {
                passed.push(model);
            }
        }
        Ok(passed)
    }
}

/// Copies what the build needs: everything but build products and hidden folders other than
/// cargo's.
fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    fs::create_dir_all(to).map_err(|error| trouble(to, &error))?;
    for entry in fs::read_dir(from).map_err(|error| trouble(from, &error))? {
        let entry = entry.map_err(|error| trouble(from, &error))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let hidden = name.starts_with('.') && name != ".cargo";
        if hidden || name == "target" {
            continue;
        }
        let to = to.join(&*name);
        if path.is_dir() {
            copy_tree(&path, &to)?;
        } else {
            fs::copy(&path, &to).map_err(|error| trouble(&path, &error))?;
        }
    }
    Ok(())
}

fn trouble(path: &Path, error: &std::io::Error) -> Failure {
    failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_piece_of_text_is_there_once() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for mutant in MUTANTS {
            let source = fs::read_to_string(root.join(mutant.file)).unwrap();
            for (text, _) in mutant.edits {
                assert_eq!(source.matches(text).count(), 1, "{}: {text:?}", mutant.name);
            }
        }
    }
}

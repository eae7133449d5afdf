//! Best-fit: the node that has the least left after placing the task.
//!
//! The score is `int(100 * (1 - 0.5 * (cpu left / 128000 + gpu left / 8000)))`, higher is better;
//! equal scores go to the smallest name. The part in the inner brackets is [`room`] divided by
//! 128000, and a task lowers every node's room by the same amount, so the order by room is the
//! order by score whatever the task. A choice therefore walks each tier upward from the smallest
//! room the task needs: the first node that fits has the tier's best score, and only nodes that
//! share this score have to be compared by name.

use crate::shape::{Demand, DeviceSet};
use crate::view::{Free, Tier, View, room};

/// 100 score points are 2 x 128000 of room.
const ROOM_OF_ALL_POINTS: i64 = 256_000;
const ROOM_PER_POINT: i64 = ROOM_OF_ALL_POINTS / 100;

pub(super) fn choose(view: &View, demand: &Demand) -> Option<u32> {
    let mut best = None;
    for tier in view.tiers(demand) {
        best = best_in_tier(view, demand, tier, best);
    }
    best.map(|best| best.node)
}

/// The score of a node that has this much room left after placing the task, rounded toward zero.
pub(super) fn score(room_left: u64) -> i64 {
    (ROOM_OF_ALL_POINTS - room_left as i64) / ROOM_PER_POINT
}

/// The devices that fit most tightly; the first ones where several fit equally.
pub(super) fn devices(free: &Free<'_>, demand: &Demand) -> DeviceSet {
    let mut devices: Vec<_> = free.devices(demand).collect();
    devices.sort_by_key(|&device| free.gpus[device]);
    devices.into_iter().take(usize::from(demand.gpus)).collect()
}

#[derive(Clone, Copy)]
struct Best {
    score: i64,
    node: u32,
}

/// The better of `best` and the best of this tier.
fn best_in_tier(
    view: &View,
    demand: &Demand,
    tier: Tier<'_>,
    mut best: Option<Best>,
) -> Option<Best> {
    let taken = room(demand.cpu_milli, demand.gpu_total());
    let mut nodes = tier.from(taken, 0);
    while let Some((room, node)) = nodes.next() {
        let score = score(room - taken);
        if let Some(best) = best {
            if score < best.score {
                break;
            }
            if score == best.score && node > best.node {
                // The names rise among nodes of equal room: none of the rest can win.
                nodes = tier.from(room + 1, 0);
                continue;
            }
        }
        if view.fits(node, demand) {
            best = Some(Best { score, node });
            nodes = tier.from(room + 1, 0);
        }
    }
    best
}

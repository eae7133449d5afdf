//! What one thread believes is free of each host: plain arrays, which no other thread sees.
//!
//! For each shape of job the hosts that have room for it are in lists, one for each level of fullness.
//! A bit set says which lists have any, so the fullest host that has room is found in a few steps; a
//! change of a host moves it from one list of each shape to another.

use crate::peer::HOST;

/// What jobs there are: how much they take of each class. Which class runs out first differs.
pub(super) const SHAPES: [[u64; 3]; 4] =
    [[4, 16_384, 160], [8, 65_536, 640], [8, 131_072, 320], [24, 131_072, 1_920]];

/// The share of a host that is free, of all classes together, in so many steps.
const LEVELS: usize = 64;

/// The place of a host that is in no list.
const NOWHERE: u16 = u16::MAX;

pub(super) struct Index {
    free: Vec<[u64; 3]>,
    shapes: [Lists; SHAPES.len()],
}

/// The hosts with room for one shape, by level.
#[derive(Clone)]
struct Lists {
    lists: [Vec<u16>; LEVELS],
    /// A bit for each list that is not empty.
    any: u64,
    /// Where each host is in the list of its level.
    places: Vec<u16>,
}

impl Index {
    /// So many hosts, of which it believes that all are full.
    pub(super) fn new(hosts: usize) -> Self {
        assert!(hosts <= usize::from(NOWHERE), "hosts are numbered in 16 bits");
        let lists =
            Lists { lists: [const { Vec::new() }; LEVELS], any: 0, places: vec![NOWHERE; hosts] };
        Index { free: vec![[0; 3]; hosts], shapes: [0; SHAPES.len()].map(|_| lists.clone()) }
    }

    pub(super) fn free(&self, host: usize) -> [u64; 3] {
        self.free[host]
    }

    /// Learns what is free of a host.
    pub(super) fn set(&mut self, host: usize, free: [u64; 3]) {
        let before = std::mem::replace(&mut self.free[host], free);
        let (from, to) = (level(&before), level(&free));
        for (lists, shape) in self.shapes.iter_mut().zip(&SHAPES) {
            let (was, is) = (fits(shape, &before), fits(shape, &free));
            if was && (!is || from != to) {
                lists.remove(host, from);
            }
            if is && (!was || from != to) {
                lists.insert(host, to);
            }
        }
    }

    /// The fullest host with room for a job of this shape; of several the one that changed last.
    pub(super) fn find(&self, shape: usize) -> Option<usize> {
        let lists = &self.shapes[shape];
        let list = lists.lists.get(lists.any.trailing_zeros() as usize)?;
        list.last().map(|&host| usize::from(host))
    }
}

impl Lists {
    fn insert(&mut self, host: usize, level: usize) {
        let list = &mut self.lists[level];
        self.places[host] = list.len() as u16;
        list.push(host as u16);
        self.any |= 1 << level;
    }

    fn remove(&mut self, host: usize, level: usize) {
        let list = &mut self.lists[level];
        let place = usize::from(std::mem::replace(&mut self.places[host], NOWHERE));
        list.swap_remove(place);
        if let Some(&moved) = list.get(place) {
            self.places[usize::from(moved)] = place as u16;
        }
        if list.is_empty() {
            self.any &= !(1 << level);
        }
    }
}

fn fits(shape: &[u64; 3], free: &[u64; 3]) -> bool {
    shape.iter().zip(free).all(|(amount, free)| amount <= free)
}

/// 0 if nothing is free, the highest if everything is.
fn level(free: &[u64; 3]) -> usize {
    let shares = free.iter().zip(&HOST).map(|(free, all)| free * (LEVELS as u64 - 1) / all);
    (shares.sum::<u64>() / 3) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Random;

    /// The least level of the hosts that fit, looked at one by one.
    fn naive(free: &[[u64; 3]], shape: &[u64; 3]) -> Option<usize> {
        free.iter().filter(|free| fits(shape, free)).map(level).min()
    }

    #[test]
    fn it_finds_what_a_walk_over_all_hosts_finds() {
        let mut random = Random::of(1);
        for hosts in [1, 7, 60] {
            let mut index = Index::new(hosts);
            let mut free = vec![[0; 3]; hosts];
            for step in 0..4_000 {
                let host = random.below(hosts);
                // Scarce at times, so that hosts leave the lists.
                let most = if step % 1_000 < 500 { 5 } else { 1 };
                let part =
                    |all: u64, random: &mut Random| all * random.below(10) as u64 * most / 50;
                free[host] = HOST.map(|all| part(all, &mut random));
                index.set(host, free[host]);
                assert_eq!(index.free(host), free[host]);
                for (number, shape) in SHAPES.iter().enumerate() {
                    let found = index.find(number);
                    assert_eq!(found.map(|host| level(&free[host])), naive(&free, shape));
                    assert!(found.is_none_or(|host| fits(shape, &free[host])));
                }
            }
        }
    }

    #[test]
    fn of_equals_it_takes_the_one_that_changed_last() {
        let mut index = Index::new(3);
        [1, 2, 0].into_iter().for_each(|host| index.set(host, HOST));
        assert_eq!(index.find(0), Some(0));
    }
}

//! Random: any node that fits, and on it any GPUs that do, each with the same chance.

use provider_tree::{Candidate, Error, Prepared, Request, View};
use rand::RngExt;
use rand::rngs::Xoshiro256PlusPlus;

use crate::policy::{Policy, Search};
use crate::shape::Demand;

pub(crate) struct Random;

struct Drawn(Prepared);

impl Policy for Random {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        _: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        Ok(Box::new(Drawn(view.prepare(request)?)))
    }
}

impl Search for Drawn {
    fn find(
        &mut self,
        view: &View,
        random: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        let (node, gpus) = (random.random(), random.random());
        Ok(view.candidates(&mut self.0)?.drawn(node).shuffled(gpus).next())
    }
}

//! First-fit: the first node that fits, and on it the first GPUs that do.

use provider_tree::{Candidate, Error, Prepared, Request, View};
use rand::rngs::Xoshiro256PlusPlus;

use crate::policy::{Policy, Search};
use crate::shape::Demand;

pub(crate) struct FirstFit;

struct First(Prepared);

impl Policy for FirstFit {
    fn search(
        &self,
        view: &mut View,
        request: &Request,
        _: &Demand,
    ) -> Result<Box<dyn Search>, Error> {
        Ok(Box::new(First(view.prepare(request)?)))
    }
}

impl Search for First {
    fn find(
        &mut self,
        view: &View,
        _: &mut Xoshiro256PlusPlus,
    ) -> Result<Option<Candidate>, Error> {
        Ok(view.candidates(&mut self.0)?.next())
    }
}

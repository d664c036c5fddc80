//! Signed URLs, as storage behind registries gives them out.

use super::plan::Plan;
use super::seen::Seen;
use std::sync::Mutex;

/// Signs URLs that hold for so many requests.
pub struct Signed {
    uses: usize,
    /// What is left of each signature.
    left: Mutex<Vec<usize>>,
}

impl Signed {
    pub fn new(uses: usize) -> Signed {
        Signed { uses, left: Mutex::default() }
    }

    /// A redirect to `location` with a fresh signature.
    pub fn redirect(&self, location: &str) -> Plan {
        let mut left = self.left.lock().unwrap();
        left.push(self.uses);
        Plan::redirect(&format!("{location}?sig={}", left.len()))
    }

    /// 403 without a signature that still holds, else no plan.
    pub fn check(&self, seen: &Seen) -> Option<Plan> {
        let number = seen.query.strip_prefix("sig=").and_then(|number| number.parse::<usize>().ok());
        let mut left = self.left.lock().unwrap();
        let uses = number.and_then(|number| left.get_mut(number.checked_sub(1)?));
        match uses {
            Some(uses) if *uses > 0 => {
                *uses -= 1;
                None
            }
            _ => Some(Plan::status(403)),
        }
    }
}

//! The queue: jobs in the order of priority and arrival, with places known in logarithmic time.

use std::collections::BTreeMap;

/// A place in the queue; the lower, the earlier.
pub(crate) type Place = (i32, u32);

#[derive(Debug, Default)]
pub(crate) struct Queue {
    levels: BTreeMap<i32, Level>,
    /// Place to job.
    jobs: BTreeMap<Place, usize>,
}

/// The jobs of one priority: a Fenwick tree over their arrival numbers.
#[derive(Debug, Default)]
struct Level {
    tree: Vec<(u32, f64)>,
    total: (u32, f64),
}

impl Level {
    fn add(&mut self, number: u32, count: i32, cost: f64) {
        let mut i = number as usize + 1;
        while i <= self.tree.len() {
            let node = &mut self.tree[i - 1];
            *node = (node.0.wrapping_add_signed(count), node.1 + cost);
            i += i & i.wrapping_neg();
        }
        self.total = (self.total.0.wrapping_add_signed(count), self.total.1 + cost);
    }

    /// Count and cost of the jobs that came before `number`.
    fn before(&self, number: u32) -> (u32, f64) {
        let (mut i, mut sum) = ((number as usize).min(self.tree.len()), (0, 0.0));
        while i > 0 {
            sum = (sum.0 + self.tree[i - 1].0, sum.1 + self.tree[i - 1].1);
            i &= i - 1;
        }
        sum
    }

    /// Makes room for one more arrival and gives its number.
    fn arrive(&mut self) -> u32 {
        let number = self.tree.len();
        let i = number + 1;
        let from = self.before((i - (i & i.wrapping_neg())) as u32);
        let all = self.before(number as u32);
        self.tree.push((all.0 - from.0, all.1 - from.1));
        number as u32
    }
}

impl Queue {
    pub(crate) fn push(&mut self, priority: i32, job: usize, cost: f64) -> Place {
        let level = self.levels.entry(priority).or_default();
        let number = level.arrive();
        level.add(number, 1, cost);
        self.jobs.insert((priority, number), job);
        (priority, number)
    }

    pub(crate) fn remove(&mut self, place: Place, cost: f64) {
        if self.jobs.remove(&place).is_none() {
            return;
        }
        if let Some(level) = self.levels.get_mut(&place.0) {
            level.add(place.1, -1, -cost);
            if level.total.0 == 0 {
                self.levels.remove(&place.0);
            }
        }
    }

    /// Jobs in the order in which they are to be claimed.
    pub(crate) fn in_order(&self) -> impl Iterator<Item = (Place, usize)> + '_ {
        self.jobs.iter().map(|(place, job)| (*place, *job))
    }

    /// How many jobs are ahead of a place, and what they cost together.
    pub(crate) fn ahead(&self, (priority, number): Place) -> (u32, f64) {
        let earlier = self.levels.range(..priority).map(|(_, level)| level.total);
        let (count, cost) = earlier.fold((0, 0.0), |sum, t| (sum.0 + t.0, sum.1 + t.1));
        let own = self.levels.get(&priority).map_or((0, 0.0), |level| level.before(number));
        (count + own.0, (cost + own.1).max(0.0))
    }

    /// How many jobs a new one of this priority would find ahead.
    pub(crate) fn ahead_of_new(&self, priority: i32) -> (u32, f64) {
        self.ahead((priority, u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_the_jobs_ahead_while_others_come_and_go() {
        let mut queue = Queue::default();
        let places: Vec<Place> = (0..20).map(|job| queue.push(i32::from(job % 3 == 0), job, 2.0)).collect();
        queue.remove(places[1], 2.0);
        queue.remove(places[1], 2.0);
        queue.remove(places[3], 2.0);
        let late = queue.push(0, 99, 1.0);
        let order: Vec<usize> = queue.in_order().map(|(_, job)| job).collect();
        assert_eq!(order, [2, 4, 5, 7, 8, 10, 11, 13, 14, 16, 17, 19, 99, 0, 6, 9, 12, 15, 18]);
        for (index, (place, _)) in queue.in_order().enumerate() {
            assert_eq!(queue.ahead(place).0 as usize, index);
        }
        assert_eq!(queue.ahead(late), (12, 24.0));
        assert_eq!(queue.ahead(places[0]), (13, 25.0));
        assert_eq!(queue.ahead_of_new(7).0, 19);
    }
}
